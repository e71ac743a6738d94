"""A text goes to a process of its own and comes back: the whole way of a stage on a worker, without Dask."""

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import PATIENCE_S, wait_for

from daemon.runtime.cluster import client, task
from daemon.runtime.cluster.client import ClusterWorker, Work
from daemon.runtime.cluster.files import Digests, FolderExchange, SentFile, digest_of
from daemon.runtime.cluster.parcel import Answer, Parcel, pack
from daemon.runtime.cluster.requests import CollectRequest, CollectResult, Scheduler, SubmitRequest, SubmitResult
from daemon.runtime.worker.process import Limits, Worker, WorkerError
from retrain.operations import AcceptedFile, EvaluateRequest, PrepareRequest, TrainRequest
from retrain.records.errors import Retry
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings
from retrain.store.digest import version_digest

SETTINGS = ModelSettings.model_validate(
    {
        "data_dir": "d", "task": "classification", "target": "y", "metric": "accuracy",
        "estimator": {"type": "sklearn.linear_model.LogisticRegression"},
    }
)  # fmt: skip
SCHEMA = Schema((Column("x", "number"), Column("y", "category")), "classification", "y")


@pytest.fixture(autouse=True)
def own_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Attempts work in a folder of this test, and none goes on after it."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    while (process := task._kept()) is not None:
        task._end(process)


class Here(ClusterWorker):
    """A cluster whose worker is this process; `done` are the texts that it did."""

    def __init__(self, state: Path, config_dir: Path | None = None, memory: int = 0) -> None:
        exchange = state / "work" / "exchange"
        exchange.mkdir(parents=True, exist_ok=True)
        super().__init__(
            Scheduler("dask://127.0.0.1:1"), Work(1, memory), {"state": state}, config_dir or state,
            FolderExchange(exchange), "7", 60.0,
        )  # fmt: skip
        self.done: list[str] = []
        self._texts: dict[str, str] = {}
        self.change = lambda text: text
        self.courier = self
        self.call_here = super().call

    async def call(self, request: Any, timeout_s: float | None = None, limit: str = "") -> Any:
        if isinstance(request, SubmitRequest):
            self._texts[request.key] = self.change(request.text)
            return SubmitResult(worker="here")
        if isinstance(request, CollectRequest):
            text = self._texts.pop(request.key)
            self.done.append(text)
            return CollectResult(text=await asyncio.to_thread(task.run, text), worker="here")
        return await self.call_here(request, timeout_s, limit)

    async def close(self) -> None:
        """Nothing is held."""


def made_state(state: Path) -> tuple[AcceptedFile, ...]:
    """A state folder with two snapshots."""
    folder = state / "snapshots" / "m"
    folder.mkdir(parents=True)
    found = []
    for seq in (1, 2):
        rng = np.random.default_rng(seq)
        x = rng.normal(size=400)
        y = np.where(x + rng.normal(0, 0.5, 400) > 0, "yes", "no")
        path = folder / f"{seq}.parquet"
        pq.write_table(pa.table({"x": x, "y": y, "__row": np.arange(400)}), path)
        found.append(AcceptedFile(seq=seq, snapshot=path, digest=f"d{seq}", rows=400, own_labels=400, number=seq))
    return tuple(found)


async def staged(worker: Any, files: tuple[AcceptedFile, ...], state: Path) -> list[Any]:
    """The results of prepare, train and evaluate."""
    work = state / "work" / "cycles" / "7"
    work.mkdir(parents=True)
    prepared = await worker.call(
        PrepareRequest(files=files, schema=SCHEMA, settings=SETTINGS, work=work), 600.0, "limits.train_time"
    )
    trained = await worker.call(
        TrainRequest(
            model="m", number=1, schema=SCHEMA, settings=SETTINGS, config_dir=state, work=work, prepared=prepared
        ),
        600.0,
        "limits.train_time",
    )
    evaluated = await worker.call(
        EvaluateRequest(files=files, settings=SETTINGS, work=work, prepared=prepared), 600.0, "limits.train_time"
    )
    return [prepared, trained, evaluated]


def content(work: Path) -> dict[str, str]:
    """What a work folder has, by digest; but for what tells seconds, as an archive of skops does."""
    timed = ("training.json", "metrics.json", "model.skops")
    return {
        str(path.relative_to(work)): digest_of(path)
        for path in work.rglob("*") if path.is_file() and path.name not in timed
    }  # fmt: skip


def test_stages_make_what_they_make_here(tmp_path: Path, own_temporary: Path) -> None:
    """Every file of the work folder is the same as of a trainer of this host, and so are the answers; the files that are
    there are read in place, nothing is left of the attempts, and one process did all three."""
    files = made_state(tmp_path / "here")
    far_files = made_state(tmp_path / "far")

    async def local() -> list[Any]:
        worker = Worker("trainer", Limits(nice=0))
        try:
            return await staged(worker, files, tmp_path / "here")
        finally:
            await worker.close()

    here = asyncio.run(local())
    cluster = Here(tmp_path / "far")
    far = asyncio.run(staged(cluster, far_files, tmp_path / "far"))
    works = [tmp_path / name / "work" / "cycles" / "7" for name in ("here", "far")]
    assert content(works[0]) == content(works[1]) != {}
    assert version_digest(works[0] / "version") == version_digest(works[1] / "version")
    assert far[0].train == works[1] / "train.parquet" and far[0].notes == here[0].notes
    assert far[1].params == here[1].params and far[2].challenger == here[2].challenger
    assert [path.name for path in (own_temporary / f"driftd-attempts-{os.geteuid()}").iterdir()] == [".lock"]
    assert len(task._free) == 1
    assert not [one for one in (tmp_path / "far").rglob("*") if one.name == ".arriving"]


def test_work_folder_becomes_what_the_attempts_had(tmp_path: Path) -> None:
    """What an attempt before left there is gone, what is the same stays as it is."""
    files = made_state(tmp_path / "far")
    cluster, work = Here(tmp_path / "far"), tmp_path / "far" / "work" / "cycles" / "7"
    asyncio.run(staged(cluster, files, tmp_path / "far"))
    (work / "version" / "left.json").write_text("{}")
    sent = msgspec.json.decode(cluster.done[-1], type=Parcel)
    kept = work / "train.parquet"
    before = kept.stat().st_ino
    answer = msgspec.json.decode(task.run(cluster.done[-1]), type=Answer)
    assert answer.error is None
    cluster._take(sent, answer.files)
    assert not (work / "version" / "left.json").exists() and kept.stat().st_ino == before


def parcel(state: Path, **changes: Any) -> Parcel:
    """One of a prepare stage."""
    files = made_state(state)
    exchange = state / "work" / "exchange"
    exchange.mkdir(parents=True)
    made = pack(
        "prepare",
        PrepareRequest(files=files, schema=SCHEMA, settings=SETTINGS, work=state / "work" / "cycles" / "7"),
        {"state": state}, FolderExchange(exchange), "7", Digests(), state, seconds=600.0, limit="limits.train_time",
        threads=1, memory=0,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


NONSENSE = {
    "nothing": "{}",
    "no object": "[1]",
    "nested": "[" * 100_000,
    "another error": '{"error": {"kind": "odd", "message": "m"}}',
    "more keys than an error has": '{"error": {"kind": "retry"}}',
    "seconds that are no number": '{"error": {"kind": "retry", "message": "m", "cpu_s": "many"}}',
    "another result": '{"ok": {"seconds": 1}}',
    "a path of this host": '{"ok": {"train": "/etc/passwd", "holdout": "@state/work/cycles/7/h.parquet"}}',
    "a path that leads out": '{"ok": {"train": "@state/work/cycles/7/../../x", "holdout": "@state/work/cycles/7/h"}}',
    "a name that no file has": (
        '{"ok": {"train": "@state/work/cycles/7/t", "holdout": "@state/work/cycles/7/h"},'
        ' "files": [{"name": "state/work/cycles/7/\\u0000", "sha256": "%s", "size": 1}]}' % ("0" * 64)
    ),
    "no digest": (
        '{"ok": {"train": "@state/work/cycles/7/t", "holdout": "@state/work/cycles/7/h"},'
        ' "files": [{"name": "state/work/cycles/7/t", "sha256": "../../../../etc/passwd", "size": 1}]}'
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", NONSENSE)
def test_an_answer_that_makes_no_sense_is_a_failed_attempt(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again and counted, and nothing of it is taken."""
    cluster, work = Here(tmp_path), tmp_path / "work" / "cycles" / "7"
    monkeypatch.setattr(task, "run", lambda _: NONSENSE[what])
    request = PrepareRequest(files=made_state(tmp_path), schema=SCHEMA, settings=SETTINGS, work=work)
    with pytest.raises(WorkerError) as caught:
        asyncio.run(cluster.call_here(request, 600.0, "limits.train_time"))
    assert caught.value.kind == "retry" and len(caught.value.message) <= client.LONGEST_MESSAGE
    assert not [path for path in work.rglob("*") if path.is_file()]


def test_of_what_a_worker_says_a_bounded_part_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger and the log have it."""
    long = json.dumps({"error": {"kind": "failed", "message": "m" * 10**6, "detail": "d" * 10**6}})
    monkeypatch.setattr(task, "run", lambda _: long)
    request = PrepareRequest(
        files=made_state(tmp_path), schema=SCHEMA, settings=SETTINGS, work=tmp_path / "work" / "cycles" / "7"
    )
    with pytest.raises(WorkerError) as caught:
        asyncio.run(Here(tmp_path).call_here(request, 600.0, "limits.train_time"))
    assert len(caught.value.message) == len(caught.value.detail) == client.LONGEST_MESSAGE


def test_where_a_file_lies_is_not_the_workers_to_say(tmp_path: Path) -> None:
    """Its digest is: a worker that names a file of this host gets nothing of it into the cycle's folder."""
    secret = tmp_path / "secret"
    secret.write_text("s")
    made, cluster = parcel(tmp_path / "state"), Here(tmp_path / "state")
    sent = SentFile("state/work/cycles/7/x", digest_of(secret), 1, "../../../secret")
    with pytest.raises(Retry, match="not in"):
        cluster._take(made, [sent])


def test_a_worker_that_cannot_read_a_parcel_says_its_version(tmp_path: Path) -> None:
    """That of another driftd, which has other keys."""
    error = json.loads(task.run('{"op": "prepare"}'))["error"]
    assert error["kind"] == "retry" and "this worker has driftd" in error["message"] and "doctor" in error["message"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the death of the attempt: whoever keeps the worker knows what to do."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / f"driftd-attempts-{os.geteuid()}").write_text("no folder")
    error = told(parcel(tmp_path / "state"))
    assert error["kind"] == "retry" and "driftd-attempts" in error["message"]


def told(made: Parcel) -> dict[str, Any]:
    """The error of what a worker answers."""
    error = json.loads(task.run(msgspec.json.encode(made).decode()))["error"]
    assert error is not None
    return dict(error)


def test_a_worker_with_other_versions_does_nothing(tmp_path: Path) -> None:
    """It would make another model; it says what it has, and what is wanted."""
    made = parcel(tmp_path / "state")
    error = told(msgspec.structs.replace(made, versions=made.versions | {"scikit-learn": "0.1"}))
    assert error["kind"] == "retry" and "scikit-learn" in error["message"] and "not 0.1" in error["message"]


def test_files_that_are_not_here_are_told_with_the_way_out(tmp_path: Path) -> None:
    """A snapshot that is another one than control has is not read."""
    made = parcel(tmp_path / "state")
    other = [SentFile(file.name, "0" * 64, file.size) for file in made.files]
    error = told(msgspec.structs.replace(made, files=other))
    assert (
        error["kind"] == "retry" and "is not here, or another one" in error["message"] and "store" in error["message"]
    )


def test_code_of_the_users_is_not_sent(tmp_path: Path) -> None:
    """It has to be on the worker as it is on control; another one is refused."""
    code = tmp_path / "metric.py"
    code.write_text("x = 1\n")
    error = told(parcel(tmp_path / "state", code=[SentFile(str(code), "0" * 64, 6)]))
    assert error["kind"] == "retry" and "code of your own is not sent" in error["message"]


def test_a_stage_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    """By the worker itself, with the name of the limit; the next stage is done."""
    made = parcel(tmp_path / "state")
    error = told(msgspec.structs.replace(made, seconds=0.001))
    assert error["kind"] == "late" and "limits.train_time" in error["message"]
    assert json.loads(task.run(msgspec.json.encode(made).decode()))["error"] is None


def test_a_stage_that_is_refused_is_refused(tmp_path: Path) -> None:
    """As of a trainer of this host: nobody tries it again."""
    made = parcel(tmp_path / "state")
    assert told(msgspec.structs.replace(made, args=made.args | {"files": []}, files=[]))["kind"] == "refused"


def test_the_memory_of_a_stage_is_bounded(tmp_path: Path) -> None:
    """As here, with the way out."""
    error = told(parcel(tmp_path / "state", memory=10**8))
    assert error["kind"] == "refused" and "limits.train_memory" in error["message"]


def test_who_is_not_waited_for_ends_at_once(
    tmp_path: Path, own_temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt's process and its child end, and its folder is gone."""
    made = parcel(tmp_path / "state")
    wanted = threading.Event()
    wanted.set()
    monkeypatch.setattr(task, "_wanted", lambda: wanted.is_set)
    hanging = tmp_path / "hanging.parquet"
    os.mkfifo(hanging)
    caught: list[BaseException] = []

    def run() -> None:
        try:
            task.run(msgspec.json.encode(msgspec.structs.replace(made, args=args)).decode())
        except task.Unwanted as error:
            caught.append(error)

    args = made.args | {"files": [made.args["files"][0] | {"snapshot": str(hanging)}]}
    thread = threading.Thread(target=run)
    thread.start()
    base = own_temporary / f"driftd-attempts-{os.geteuid()}"
    wait_for(lambda: base.is_dir() and [one for one in base.iterdir() if one.is_dir()])
    wanted.clear()
    thread.join(PATIENCE_S)
    assert caught and not [one for one in base.iterdir() if one.is_dir()] and not task._free


def test_what_a_killed_attempt_left_goes_with_the_next(tmp_path: Path, own_temporary: Path) -> None:
    """A folder that nobody holds."""
    base = own_temporary / f"driftd-attempts-{os.geteuid()}"
    (base / "left" / "state").mkdir(parents=True)
    (base / "left" / ".lock").touch()
    (base / "left" / "state" / "rows").write_text("x")
    assert json.loads(task.run(msgspec.json.encode(parcel(tmp_path / "state")).decode()))["error"] is None
    assert not (base / "left").exists()


def test_an_attempt_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the death of a trainer is."""
    monkeypatch.setattr(task.sys, "executable", "/bin/false")
    error = told(parcel(tmp_path / "state"))
    assert error["kind"] == "died" and "ended with status 1" in error["message"]


def test_what_is_lost_or_damaged_on_its_way_is_an_error(tmp_path: Path) -> None:
    """Control takes nothing of it."""
    files = made_state(tmp_path / "far")
    cluster = Here(tmp_path / "far")
    work = tmp_path / "far" / "work" / "cycles" / "7"
    work.mkdir(parents=True)
    request = PrepareRequest(files=files, schema=SCHEMA, settings=SETTINGS, work=work)
    made = cluster._pack("prepare", request, 600.0, "limits.train_time")
    answer = msgspec.json.decode(task.run(msgspec.json.encode(made).decode()), type=Answer)
    for change in (lambda path: path.write_bytes(b"other"), Path.unlink):
        for path in (tmp_path / "far" / "work" / "exchange" / "7").iterdir():
            change(path)
        with pytest.raises(WorkerError) as caught:
            asyncio.run(cluster._beside(cluster._take, made, answer.files))
        assert caught.value.kind == "retry" and not list(work.glob("*.parquet"))


def test_no_file_is_taken_that_leads_out_of_the_work_folder(tmp_path: Path) -> None:
    """Whatever a worker says."""
    cluster = Here(tmp_path)
    made = parcel(tmp_path / "state")
    for name in ("state/snapshots/x", "state/work/cycles/7/../../x", "/etc/x"):
        with pytest.raises(WorkerError, match="does not belong"):
            cluster._take(made, [SentFile(name, "0" * 64, 1, "7/x")])
