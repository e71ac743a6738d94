"""The world fails at a named step: nothing is lost for it, nothing is left over, and it is told."""

import asyncio
import errno
import os
import resource
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest
import structlog
from bare_model import bare_model
from daemon_harness import Daemon
from helpers import PATIENCE_S, wait_for
from sqlalchemy import insert
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from daemon.cycles.assessments import Assessing
from daemon.cycles.checks import check_snapshots
from daemon.cycles.runner import CycleRunner
from daemon.cycles.suspicion import suspect_file
from daemon.cycles.tidying import clear_intake, tidy
from daemon.cycles.trial import Reports, judge
from daemon.intake.files import Intake
from daemon.intake.labels import take_segments
from daemon.intake.take_in import take_file
from daemon.intake.taking import Taken, Taking
from daemon.intake.traffic import Traffic
from daemon.ledger import assessments, cycles, deployments, due, promotions, tables, totals, trials
from daemon.ledger.trials import COUNTED
from daemon.reading.digest import file_digest
from daemon.reading.look import Look, look
from daemon.reading.operations import DigestRequest, DigestResult, TakeRequest
from daemon.reading.take import take
from daemon.runtime.context import FEWEST_INODES, ModelContext, Shared
from daemon.runtime.faults import VARIABLE, Faults
from daemon.runtime.publish import publish_made
from daemon.runtime.restarting import supervise
from daemon.runtime.spool import FORGOTTEN_S, Spool, finished_segments
from daemon.runtime.worker.operations import WarmRequest
from daemon.runtime.worker.process import Limits, Worker, WorkerError
from daemon.server.__main__ import close_all
from daemon.server.follow import Follower
from daemon.server.pools import Pool
from daemon.server.served import ServedDeployment
from daemon.server.slot import ModelSlot
from daemon.service.keeper import ModelKeeper
from daemon.service.ledger_writes import PendingWrites
from retrain import durable
from retrain.model.deployment import LoadedDeployment
from retrain.model.estimators import make_estimator
from retrain.operations import AssessResult, CheckResult, Request, Result, SuspectResult
from retrain.records.cycle import CycleState, Stage
from retrain.records.errors import Retry
from retrain.records.schema import declared_schema
from retrain.records.settings import EstimatorSettings, RolloutSettings
from retrain.records.trigger import Trigger

CONFIG = """\
[models.m]
data_dir = "d"
task = "classification"
target = "y"
[models.m.columns]
x = "number"
y = "category"
"""
Fail = Callable[[str, OSError, int], None]
HOUR = 3600.0


@pytest.fixture
def fail() -> Iterator[Fail]:
    """Lets a point fail so many times."""

    def at(point: str, error: OSError, times: int = 1) -> None:
        left = [times]

        def hook(passed: str) -> None:
            if passed == point and left[0]:
                left[0] -= 1
                raise error

        durable.install_hook(hook)

    yield at
    durable.install_hook(None)


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ModelContext]:
    """A model without a service around it; its analyst is a process."""
    with bare_model(tmp_path, CONFIG) as made:
        yield made


def full() -> OSError:
    """No space left on device."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def small(folder: Path, name: str = "a.csv") -> Path:
    """A data file."""
    pyarrow.csv.write_csv(pa.table({"x": [1.0, 2.0, 3.0], "y": ["a", "b", "a"]}), folder / name)
    return folder / name


def request(context: ModelContext, path: Path) -> TakeRequest:
    """As control asks the analyst."""
    schema = declared_schema(context.settings)
    return TakeRequest(path=path, schema=schema, settings=context.settings, work=context.folders.intake)


@pytest.mark.parametrize("point", ["intake.parsed.before_write", "intake.snapshot.before_write"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_good_file_is_not_refused_for_a_bad_disk(point: str, number: int, context: ModelContext, fail: Fail) -> None:
    """An error of the system is to be tried again, whatever it is; nothing stays in the work folder."""
    path = small(context.data_dir)
    fail(point, OSError(number, os.strerror(number)), 1)
    with pytest.raises(OSError, match=os.strerror(number)):
        take(request(context, path))
    assert list(context.folders.intake.iterdir()) == []
    assert take(request(context, path)).rows == 3


def test_a_file_that_cannot_be_read_now_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk or mount that answers EIO says nothing about the file."""
    path = small(tmp_path)

    def broken(*_: Any) -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "open", broken)
    with pytest.raises(Retry, match=os.strerror(errno.EIO)):
        file_digest(path)


@pytest.mark.parametrize("point", ["intake.publish.before_rename", "ledger.before_commit", "ledger.before_begin"])
def test_a_file_that_cannot_be_committed_is_delayed_and_taken_later(
    point: str, context: ModelContext, fail: Fail
) -> None:
    """It is told, no other part notices, and nothing is left in the work folder; the next attempt takes it, once."""
    path = small(context.data_dir)
    seen = look(path)
    assert isinstance(seen, Look)

    async def story() -> list[Taken]:
        try:
            first = await take_file(context, Taking("a.csv", seen))
            assert list(context.folders.intake.iterdir()) == []
            return [first, await take_file(context, Taking("a.csv", seen))]
        finally:
            await context.shared.analyst.close()

    fail(point, full(), 1)
    with capture_logs() as told:
        assert asyncio.run(story()) == [Taken.LATER, Taken.ACCEPTED]
    assert "file_delayed" in [event["event"] for event in told]
    with context.shared.ledger.connect() as conn:
        assert totals.by_model(conn)[0]["m"] == {"accepted": 1}


def test_what_cannot_be_published_leaves_nothing(tmp_path: Path, fail: Fail) -> None:
    """The file that was made is removed: the next attempt makes its own."""
    made = tmp_path / "made"
    made.write_bytes(b"x")
    fail("p.before_rename", full(), 1)
    with pytest.raises(OSError, match="space"):
        publish_made(made, tmp_path / "final", "p")
    assert list(tmp_path.iterdir()) == []


def test_a_question_outlives_the_analyst(context: ModelContext) -> None:
    """Killed in the middle of it, a new one is asked the same; what the old one left is thrown away first."""
    left = context.folders.intake / "left.parquet"
    left.write_bytes(b"x")
    paths = context.shared.config.paths
    worker = Worker("analyst", Limits(nice=0), lambda: clear_intake(paths))

    async def story() -> None:
        await worker.call(WarmRequest(modules=()))
        assert worker.pid is not None
        left.write_bytes(b"x")
        os.kill(worker.pid, signal.SIGKILL)
        await worker.ask_again(WarmRequest(modules=()))
        with pytest.raises(WorkerError):
            await worker.ask_again(DigestRequest(path=context.data_dir / "missing"))
        await worker.close()

    asyncio.run(story())
    assert not left.exists()


class Hindered(Worker):
    """A worker that fails at first, and then gives its answer."""

    def __init__(self, answer: Result, failures: int, kind: str = "retry") -> None:
        super().__init__("analyst", Limits())
        self.answer, self.failures, self.kind, self.asked = answer, failures, kind, 0

    async def call(self, request: Request[Any], timeout_s: float | None = None, limit: str = "") -> Any:
        """As a worker that died answers."""
        self.asked += 1
        if self.asked <= self.failures:
            raise WorkerError(self.kind, "the analyst was killed by signal 9")
        return self.answer


def promoted(context: ModelContext, version: str) -> None:
    """A version becomes the champion."""
    with context.shared.ledger.begin() as conn:
        promotions.record(conn, "m", deployments.for_version(conn, "m", version, 0.0), "promote", "", 0.0)


async def checked(context: ModelContext) -> bool:
    """Whether a file is checked."""
    return await check_snapshots(context, "file", [context.folders.snapshots / "a.parquet"]) is not None


async def suspected(context: ModelContext) -> bool:
    """Whether a file is doubted."""
    schema = declared_schema(context.settings)
    assert schema is not None
    snapshot = context.folders.snapshots / "a.parquet"
    return bool(await suspect_file(context, "a.csv", "folder", snapshot, None, schema))


async def assessed(context: ModelContext) -> bool:
    """Whether an assessment is written."""
    assessing = Assessing(context)
    await assessing.run()
    with context.shared.ledger.connect() as conn:
        return not assessing.failed and assessments.proposal(conn, "m")[1] is not None


@pytest.mark.parametrize(
    ("judge_file", "answer"),
    [
        (checked, CheckResult(report={})),
        (suspected, SuspectResult(doubts=[{"kind": "constant", "reason": "x is 1", "numbers": {}}])),
        (assessed, AssessResult(assessments=[], skipped=[], proposal={})),
    ],
)
def test_a_file_is_judged_although_the_analyst_died(
    judge_file: Callable[[ModelContext], Awaitable[bool]],
    answer: Result,
    context: ModelContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its check, the doubts about it and its assessment are asked for again; three deaths in a row are told, and it
    waits. What is refused is asked once."""
    promoted(context, "v1")
    for module in ("checks", "assessments"):
        monkeypatch.setattr(f"daemon.cycles.{module}.unloadable", lambda *_: "")
    for analyst, good, asked in (
        (Hindered(answer, 3), False, 3),
        (Hindered(answer, 1, "refused"), False, 1),
        (Hindered(answer, 2), True, 3),
    ):
        context.shared.analyst = analyst
        with capture_logs() as told:
            assert asyncio.run(judge_file(context)) is good
        assert analyst.asked == asked
        assert any(event["log_level"] == "error" for event in told) is not good


@pytest.mark.parametrize("point", ["promote.link.before_link", "promote.link.before_rename"])
def test_the_link_is_tried_again_until_it_names_the_champion(
    point: str, context: ModelContext, fail: Fail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it named another before, and nothing half-made is left."""
    monkeypatch.setattr("daemon.service.keeper.FAILURE_PAUSE_S", 0.0)
    link, keeper = context.folders.versions / "current", ModelKeeper(context, lambda: None)

    async def story() -> None:
        task = asyncio.create_task(keeper._supervise(keeper._tidy))
        for version in ("v1", "v2"):
            promoted(context, version)
            fail(point, OSError(errno.EIO, os.strerror(errno.EIO)), 2)
            keeper.after_promotion()
            while not link.is_symlink() or link.readlink().name != version:
                await asyncio.sleep(0.01)
        task.cancel()

    with capture_logs() as told:
        asyncio.run(asyncio.wait_for(story(), PATIENCE_S))
    assert [event["event"] for event in told] == ["part_failed"]
    assert list(context.folders.versions.iterdir()) == [link]


def test_tidying_finds_what_a_kill_left(context: ModelContext, fail: Fail) -> None:
    """The work of a cycle that is over, and a version that retention let go and could not remove; the work of the open
    cycle stays."""
    ledger, versions = context.shared.ledger, context.folders.versions
    with ledger.begin() as conn:
        over = cycles.open_cycle(conn, "m", Trigger("manual", "by hand"), 1, 1, 0.0)
        cycles.save(conn, replace(over, state=CycleState.KEPT), 0.0)
        opened = cycles.open_cycle(conn, "m", Trigger("manual", "by hand"), 2, 1, 0.0)
        row = {"model": "m", "name": "v0001-aaaaaaaa", "number": 1, "digest": "a", "created_at": 0.0, "metrics": {}}
        conn.execute(insert(tables.versions).values(**row, state="removed"))
    for folder in (context.folders.cycle(over.id), context.folders.cycle(opened.id), versions / "v0001-aaaaaaaa"):
        folder.mkdir(parents=True)
    fail("retention.remove_version.before_remove", full(), 1)
    with pytest.raises(OSError, match="space"):
        tidy(context)
    tidy(context)
    assert not (versions / "v0001-aaaaaaaa").exists() and not context.folders.cycle(over.id).exists()
    assert context.folders.cycle(opened.id).exists()


def test_what_is_to_be_written_to_the_ledger_is_written_when_it_can_be(context: ModelContext, fail: Fail) -> None:
    """A schedule that fires while the ledger cannot be written is told and due afterwards, and nobody is woken before."""
    ledger, woken = context.shared.ledger, []
    pending = PendingWrites(ledger)
    fail("ledger.before_commit", full(), 2)
    with capture_logs() as told:
        pending.write(lambda conn: due.add(conn, "m", "check", 60.0), lambda: woken.append(1))
        pending.write_all()
    assert [event["event"] for event in told] == ["ledger_delayed"] * 2 and not woken
    pending.write_all()
    with ledger.connect() as conn:
        assert len(due.pending(conn, "m", "check")) == 1 and woken == [1]


def test_what_servers_saw_of_a_trial_is_kept_until_it_is_written(context: ModelContext, fail: Fail) -> None:
    """A failed write forgets nothing."""
    reports = Reports()
    reports.add({"model": "m", "trial": 1, "seen": dict.fromkeys(COUNTED, 1)})
    fail("ledger.before_commit", full(), 1)
    with pytest.raises(OperationalError):
        reports.write(context.shared.ledger, 0.0)
    assert reports._waiting
    reports.write(context.shared.ledger, 0.0)
    assert not reports._waiting


def test_a_part_of_a_server_that_fails_is_logged_and_begun_again() -> None:
    """Labels are handed over, and promotions followed, also after a disk that failed once."""
    begun = []

    async def part() -> None:
        begun.append(1)
        if len(begun) < 3:
            raise full()
        await asyncio.Event().wait()

    async def story() -> None:
        task = asyncio.create_task(supervise(part, structlog.get_logger(), 0.0))
        while len(begun) < 3:
            await asyncio.sleep(0)
        task.cancel()

    with capture_logs() as told:
        asyncio.run(asyncio.wait_for(story(), PATIENCE_S))
    assert [event["event"] for event in told] == ["part_failed"]


def test_a_version_that_cannot_be_read_now_is_served_later(
    context: ModelContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails while a server loads the champion costs a moment: the server tells it, and tries again by
    itself."""
    ledger, told, failures = context.shared.ledger, [], [full(), MemoryError()]
    with ledger.begin() as conn:
        promotions.record(conn, "m", deployments.for_version(conn, "m", "v1", 0.0), "promote", "", 0.0)

    def load(deployment: Any, promotion: int, *_: Any) -> ServedDeployment:
        if failures:
            raise failures.pop()
        return ServedDeployment(deployment, promotion, LoadedDeployment({}, {}, "v1"), (), ())

    monkeypatch.setattr("daemon.server.follow.load_served", load)
    monkeypatch.setattr("daemon.server.follow.RETRY_S", 0.0)
    slot = ModelSlot("m")
    pools = Pool("loading", 1), Pool("looking", 1)
    follower = Follower(context.shared.config, {"m": slot}, told.append, *pools)
    context.shared.describing.look()

    async def story() -> None:
        await follower.catch_up()
        task = asyncio.create_task(follower.run())
        while slot.served is None:
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(asyncio.wait_for(story(), PATIENCE_S))
    assert [message["event"] for message in told] == ["swap_failed", "swap_failed", "swapped"]


@pytest.mark.parametrize(
    "point", ["spool.open.before_rename", "spool.append.before_write", "spool.append.before_fsync"]
)
def test_a_spool_goes_on_after_a_failure_and_leaves_nothing_hidden(point: str, tmp_path: Path, fail: Fail) -> None:
    """What was acknowledged is whole, and what failed said so."""
    spool = Spool(tmp_path)
    fail(point, durable.ShortWrite() if point.endswith("write") else full(), 1)
    with pytest.raises(OSError, match="space"):
        spool.append([{"id": "lost"}])
    spool.append([{"id": "kept"}])
    spool.close_old(at_once=True)
    assert not list(tmp_path.glob(".*"))
    assert "kept" in "".join(path.read_text() for path in finished_segments(tmp_path))


@pytest.mark.parametrize("point", ["spool.append.before_write", "spool.append.before_fsync"])
@pytest.mark.parametrize("acknowledged", [0, 1])
def test_who_tries_again_on_a_full_disk_makes_no_pile(
    point: str, acknowledged: int, tmp_path: Path, fail: Fail
) -> None:
    """What was acknowledged is whole and alone, and nothing of what failed stays beside it."""
    spool = Spool(tmp_path)
    for _ in range(acknowledged):
        spool.append([{"id": "kept"}])
    fail(point, durable.ShortWrite() if point.endswith("write") else full(), 5)
    for _ in range(5):
        with pytest.raises(OSError, match="space"):
            spool.append([{"id": "lost"}])
    assert [path.read_text() for path in tmp_path.iterdir()] == ['{"id": "kept"}\n'] * acknowledged
    assert finished_segments(tmp_path) == list(tmp_path.iterdir())


def test_what_a_failed_write_left_in_memory_is_not_written_later(tmp_path: Path) -> None:
    """The system lets no more bytes through, and does again just after that was told."""
    spool, before = Spool(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)

    def lift(point: str) -> None:
        if point == "spool.cut_back.before_truncate":
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    spool.append([{"id": "kept"}])
    durable.install_hook(lift)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
        with pytest.raises(OSError, match="too large"):
            spool.append([{"id": "lost"}])
    finally:
        durable.install_hook(None)
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.read_text() for path in finished_segments(tmp_path)] == ['{"id": "kept"}\n']


def test_a_spool_that_moves_hands_over_what_is_open(tmp_path: Path) -> None:
    """Lines before it are finished where they were written, later ones are in the other folder."""
    spool, others = Spool(tmp_path / "one"), tmp_path / "two"
    (tmp_path / "one").mkdir()
    for path in ("one", "two", "two"):
        spool.move_to(tmp_path / path)
        spool.append([{"id": path}])
    spool.close_old(at_once=True)
    assert [path.read_text() for path in finished_segments(tmp_path / "one")] == ['{"id": "one"}\n']
    assert sorted(path.read_text() for path in finished_segments(others)) == ['{"id": "two"}\n'] * 2


def test_a_segment_that_a_kill_left_empty_is_removed_and_one_in_use_is_not(context: ModelContext, fail: Fail) -> None:
    """It becomes no row of the ledger: there is nothing in it, and nothing of it was acknowledged."""
    folder = context.folders.spool
    for name in ("1-1-1.open", "2-1-1.jsonl"):
        (folder / name).write_bytes(b"")
    spool = Spool(folder)
    spool.append([])
    assert asyncio.run(take_segments(context, lambda _: True)) == (0, False)
    assert [path.suffix for path in folder.iterdir()] == [".open"]
    with context.shared.ledger.connect() as conn:
        assert totals.by_model(conn)[0]["m"] == {}


def test_labels_wait_for_disk_and_it_is_told_once(context: ModelContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """The analyst is not asked for what there is no room for; the looks become rarer, and often again afterwards."""
    (context.folders.spool / "1-1-1.jsonl").write_text('{"id": "a", "y": "b"}\n')
    room, slept = [0] * 6 + [2**60] * 3, []
    monkeypatch.setattr(Shared, "free_bytes", lambda _: room.pop(0))
    worker = Hindered({}, 1, "refused")
    context.shared.analyst = worker
    keeper = ModelKeeper(context, lambda: None)

    async def rest(seconds: float) -> None:
        slept.append((seconds, worker.asked))
        if len(slept) == 8:
            raise asyncio.CancelledError

    monkeypatch.setattr("daemon.service.keeper.asyncio.sleep", rest)
    with capture_logs() as told, pytest.raises(asyncio.CancelledError):
        asyncio.run(keeper._labels())
    assert [event["event"] for event in told] == ["disk_low", "disk_ok", "file_refused"]
    assert slept == [(4.0, 0), (8.0, 0), (16.0, 0), (32.0, 0), (60.0, 0), (60.0, 0), (2.0, 1), (2.0, 1)]


def test_a_disk_without_inodes_is_as_full_as_one_without_bytes(
    context: ModelContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told what lacks; a file system that makes inodes as it needs them lacks none."""
    intake, left = Intake(context), [FEWEST_INODES - 1, FEWEST_INODES, None]
    monkeypatch.setattr(Shared, "free_inodes", lambda _: left.pop(0))
    with capture_logs() as told:
        assert [intake.has_disk("a.csv") for _ in range(3)] == [False, True, True]
    assert [event["event"] for event in told] == ["disk_low", "disk_ok"]
    assert told[0]["free_inodes"] == FEWEST_INODES - 1 and told[0]["free_bytes"] > told[0]["needed_bytes"]


def test_a_segment_that_a_kill_left_without_its_name_is_removed(tmp_path: Path) -> None:
    """Nothing was written to it yet; a fresh one may be of a server that is about to name it."""
    old, fresh = tmp_path / ".1-1-1.open.tmp", tmp_path / ".2-1-1.open.tmp"
    for path in (old, fresh):
        path.write_bytes(b"")
    before = old.stat().st_mtime - 2 * FORGOTTEN_S
    os.utime(old, (before, before))
    assert finished_segments(tmp_path) == [] and list(tmp_path.iterdir()) == [fresh]


def test_memory_that_is_lacking_is_not_the_estimators_fault(tmp_path: Path) -> None:
    """The training is tried again, and the message names the limit."""
    (tmp_path / "own.py").write_text("def factory(seed):\n    raise MemoryError\n")
    with pytest.raises(MemoryError):
        make_estimator(EstimatorSettings(type="own.py:factory"), "classification", tmp_path)


def test_a_plan_counts_over_processes_and_is_read_anew(tmp_path: Path) -> None:
    """The harness itself: a fault happens at the passings that were named, to the role that was named, and is noted."""
    (tmp_path / "passed").mkdir()
    (tmp_path / "plan").write_text("server p 2 2 EIO")
    Faults(tmp_path, "server").pass_by("p")
    Faults(tmp_path, "control").pass_by("p")
    for _ in range(2):
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            Faults(tmp_path, "server").pass_by("p")
    Faults(tmp_path, "server").pass_by("p")
    (tmp_path / "plan").write_text("* q 1 1 SHORT")
    with pytest.raises(durable.ShortWrite):
        Faults(tmp_path, "trainer").pass_by("q")
    assert (tmp_path / "happened").read_text().splitlines() == ["server p EIO"] * 2 + ["trainer q SHORT"]
    assert VARIABLE not in os.environ


def test_a_process_that_runs_goes_by_one_plan_or_the_next(make_daemon: Callable[..., Daemon]) -> None:
    """The harness itself: plans that change while steps are passed cost no error but those that are in them, and what is
    planned for a first passing happens once."""
    daemon, over = make_daemon(), threading.Event()
    daemon.plan()
    faults, met = Faults(daemon.faults, "control"), list[int | None]()

    def pass_by() -> None:
        while not over.is_set():
            try:
                faults.pass_by("p")
            except OSError as error:
                met.append(error.errno)

    passing = [threading.Thread(target=pass_by, daemon=True) for _ in range(2)]
    for one in passing:
        one.start()
    for number in range(1, 31):
        daemon.plan("control p 1 1 EIO")
        wait_for(lambda number=number: len(met) >= number, interval_s=0)
    over.set()
    for one in passing:
        one.join()
    assert met == [errno.EIO] * 30


def set_clock(monkeypatch: pytest.MonkeyPatch, by_s: float) -> None:
    """Set the wall clock of a model's parts."""
    monkeypatch.setattr(ModelContext, "now", staticmethod(lambda: time.time() + by_s))


def test_a_retry_waits_no_longer_because_the_clock_was_set_back(
    context: ModelContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage that failed is tried again after its pause, not when the clock is again where it was."""
    runner = CycleRunner(context, lambda: 0, lambda: None)
    with context.shared.ledger.begin() as conn:
        opened = cycles.open_cycle(conn, "m", Trigger("manual", "by hand"), 1, 1, 0.0)
    pause_s = 2 * context.settings.triggers.retry_after
    failed = replace(opened, attempt=2, not_before=context.now() + pause_s)
    set_clock(monkeypatch, -5 * HOUR)
    assert runner._pause_s(failed) == pause_s


def test_live_traffic_waits_no_longer_because_the_clock_was_set_back(
    context: ModelContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers from what is now the future are due, and what failed is tried again after its pause."""
    monkeypatch.setattr("daemon.intake.traffic.LOOK_S", 0.01)
    monkeypatch.setattr("daemon.intake.traffic.RETRY_S", 0.1)
    spool = Spool(context.folders.log_spool)
    spool.append([{"id": "a"}])
    spool.close_old(at_once=True)
    segments, traffic = finished_segments(context.folders.log_spool), Traffic(context)
    assert segments and not traffic._is_due(segments)
    set_clock(monkeypatch, -5 * HOUR)
    assert traffic._is_due(segments)
    worker = Hindered({"path": None, "rows": 0}, 1)
    context.shared.analyst = worker

    async def story() -> None:
        task = asyncio.create_task(traffic.run())
        while worker.asked < 1:
            await asyncio.sleep(0.01)
        set_clock(monkeypatch, -10 * HOUR)
        while worker.asked < 2:
            await asyncio.sleep(0.01)
        task.cancel()

    with capture_logs() as told:
        asyncio.run(asyncio.wait_for(story(), PATIENCE_S))
    assert [event["event"] for event in told] == ["prediction_log_delayed"]


def test_a_trial_ends_in_its_time_although_the_clock_was_set_back(
    context: ModelContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its period begins anew instead of lasting until the clock is again where it was; labels that were seen on either
    side count, and no trial begins anew by a restart or by time that passes."""
    promoted(context, "v1")
    terms = RolloutSettings(strategy="canary", period="10m", longest="1h", min_rows=0)
    with context.shared.ledger.begin() as conn:
        cycle = cycles.open_cycle(conn, "m", Trigger("manual", "by hand"), 2, 1, 0.0)
        cycle = replace(cycle, stage=Stage.PROMOTE, state=CycleState.ON_TRIAL, version="v2")
        cycles.save(conn, cycle, context.now())
        trials.begin(conn, cycle, deployments.for_version(conn, "m", "v2", 0.0), terms, context.now())

    def labelled(seq: int) -> None:
        found = {"seq": seq, "challenger": {"version": "v2", "costs": [0.0, 0.1, 100]}}
        with context.shared.ledger.begin() as conn:
            result = {"assessments": [found], "skipped": [], "proposal": {}}
            assessments.record(conn, "m", 1, result, context.now())

    labelled(1)
    set_clock(monkeypatch, -5 * HOUR)
    labelled(2)
    waits = judge(context)
    assert waits.kind == "wait" and waits.until == pytest.approx(context.now() + 600, abs=60)
    set_clock(monkeypatch, 300 - 5 * HOUR)
    assert judge(context).until == waits.until
    set_clock(monkeypatch, 700 - 5 * HOUR)
    found = judge(context)
    assert found.kind == "promote" and "200 labelled rows" in found.reason
    with context.shared.ledger.connect() as conn:
        trial = trials.of_cycle(conn, cycle.id)
        assert trial is not None and trial.latest - trial.since == pytest.approx(HOUR)


def test_a_file_that_fails_in_a_way_nobody_thought_of_lets_others_pass(context, monkeypatch):
    """It is tried again later, and told with its traceback once; the intake goes on."""

    async def digest(*_: Any, **__: Any) -> DigestResult:
        return DigestResult(sha256="a")

    def broken(*_: Any) -> bool:
        raise ZeroDivisionError("nobody thought of it")

    monkeypatch.setattr(context.shared.analyst, "call", digest)
    monkeypatch.setattr("daemon.intake.take_in._odd_classes", broken)
    with capture_logs() as told:
        outcomes = [asyncio.run(take_file(context, Taking("a.csv", Look(1, 1, 1, 1)))) for _ in range(2)]
    assert outcomes == [Taken.LATER] * 2
    assert [event["event"] for event in told] == ["part_failed", "file_delayed", "file_delayed"]
    assert "Zero" in told[0]["traceback"]


def test_a_server_that_ends_closes_all_that_it_can():
    """A disk that fails at one file costs none of the others, and is told as an event."""
    done: list[str] = []

    def broken() -> None:
        raise full()

    with capture_logs() as told:
        close_all([lambda: done.append("a"), broken, lambda: done.append("b")])
    assert done == ["a", "b"] and [event["event"] for event in told] == ["part_failed"]


def test_a_judgement_that_failed_is_not_put_off_for_a_minute(context, monkeypatch):
    """A disk that fails while a file is judged again costs the pause of a part that begins anew, not the time until the
    next look."""
    tries: list[int] = []
    keeper = ModelKeeper(context, lambda: None)

    async def judge(_context: ModelContext) -> int:
        tries.append(1)
        if len(tries) < 3:
            raise full()
        return 0

    async def story() -> None:
        task = asyncio.create_task(keeper._supervise(keeper._checks))
        keeper._scheduled.set()
        while len(tries) < 3:
            await asyncio.sleep(0)
        task.cancel()

    monkeypatch.setattr("daemon.service.keeper.check_again", judge)
    monkeypatch.setattr("daemon.service.keeper.FAILURE_PAUSE_S", 0.0)
    asyncio.run(asyncio.wait_for(story(), PATIENCE_S))
    assert len(tries) == 3
