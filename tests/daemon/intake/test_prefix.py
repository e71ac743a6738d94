"""Objects of a prefix on their way into data files: each content once, whatever they are called and whoever is killed."""

import asyncio
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bare_model import AnalystHere, bare_model
from s3 import S3, SECRET, needs_s3
from structlog.testing import capture_logs

from daemon.config.config import load_config
from daemon.cycles.retention import gone_files
from daemon.intake.prefix import PrefixIntake
from daemon.ledger import files
from daemon.runtime.context import ModelContext
from daemon.tools.doctor_prefix import prefix_told
from retrain import durable
from retrain.store.backends import objects
from retrain.store.backends.objects import ObjectStore

pytestmark = [needs_s3, pytest.mark.xdist_group("postgresql")]
CONFIG = """\
[service]
state_dir = "state"
min_free = "1MB"
[models.m]
data_dir = "{uri}/"
data_dir_file = "options"
task = "classification"
target = "y"
id_column = "id"
limits.max_file = "5kB"
retention.files = "1s"
{more}
[models.m.columns]
id = {{ type = "integer", feature = false }}
x = "number"
y = "category"
"""


class Killed(BaseException):
    """What a kill is to code that only one process can run."""


class Prefix:
    """A prefix of a bucket, and a model whose data are in it."""

    def __init__(self, s3: S3, folder: Path) -> None:
        self.s3, self.folder, self.uri = s3, folder, f"{s3.bucket()}/in"
        self.say_options(s3.options)

    def say_options(self, options: Any) -> None:
        """How the store is reached from now on."""
        (self.folder / "options").write_text("".join(f"{name}={value}\n" for name, value in options.items()))

    def put(self, name: str, first: int, end: int, columns: str = "id,x,y") -> None:
        """An object of these rows."""
        cells = {"id": str, "x": lambda i: str(i / 7), "y": lambda i: "no" if i % 3 else "yes"}
        lines = [",".join(cells[one](i) for one in columns.split(",")) for i in range(first, end)]
        text = "\n".join([columns, *lines, ""]).encode()
        self.s3.put(self.uri, name, gzip.compress(text, mtime=0) if name.endswith(".gz") else text)

    @contextmanager
    def model(self, more: str = "") -> Iterator[ModelContext]:
        """Model m as it is after a start."""
        with bare_model(self.folder, CONFIG.format(uri=self.uri, more=more), AnalystHere) as context:
            yield context


@pytest.fixture
def prefix(s3: S3, tmp_path: Path) -> Prefix:
    """An empty one."""
    return Prefix(s3, tmp_path)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of objects that were fetched."""
    names, parts = list[str](), ObjectStore.parts

    def noted(self: ObjectStore, name: str, *rest: Any) -> Any:
        names.append(name)
        return parts(self, name, *rest)

    monkeypatch.setattr(ObjectStore, "parts", noted)
    return names


def begun(context: ModelContext) -> PrefixIntake:
    """Its intake as after a start."""
    intake = PrefixIntake(context, environment={})
    intake.known, intake._read_by = intake._known()
    return intake


def look(intake: PrefixIntake) -> str:
    """One look as after a hint, and all that follows of it; what was new."""

    async def ask() -> str:
        asked = asyncio.ensure_future(intake.look_now())
        await asyncio.sleep(0)
        await intake._round()
        return await asked

    return asyncio.run(ask())


def states(context: ModelContext) -> dict[str, list[str]]:
    """What became of each path, oldest first."""
    with context.shared.ledger.connect() as conn:
        listed = files.listed(conn, "m")
    return {path: [row.state for row in listed if row.path == path] for path in dict.fromkeys(r.path for r in listed)}


def test_objects_become_files_as_dropped_ones_do(prefix: Prefix, fetched: list[str]) -> None:
    """Folders, compression, odd names and more than one part; the same content is a duplicate, another one replaces what
    was there, what goes stays taken. Each content is fetched once: not what was only put again, nor after a restart;
    and nothing of it stays beside the state."""
    for name, first in (("a.csv", 0), ("2026/b ä%2F+#~.csv.gz", 100), ("back\\slash.csv", 200)):
        prefix.put(name, first, first + 60)
    with prefix.model() as context:
        intake = begun(context)
        assert look(intake).startswith("3 objects are new: ")
        assert all(state == ["accepted"] for state in states(context).values()) and len(fetched) == 3
        assert look(intake).startswith("no object is new")

        prefix.put("a.csv", 0, 60)  # once more
        prefix.put("copy.csv", 0, 60)
        assert look(intake).startswith("2 objects are new: ")
        assert fetched[3:] == ["copy.csv"] and states(context)["copy.csv"] == ["duplicate"]

        prefix.put("back\\slash.csv", 300, 360)
        prefix.s3.store(prefix.uri).delete(["2026/b ä%2F+#~.csv.gz"])
        look(intake)
        assert states(context)["back\\slash.csv"] == ["superseded", "accepted"]
        assert states(context)["2026/b ä%2F+#~.csv.gz"] == ["accepted"]

        again = begun(context)
        assert look(again).startswith("no object is new") and len(fetched) == 5
        assert not list(context.folders.fetched.iterdir())


def test_labels_are_joined_as_those_of_a_folder(prefix: Prefix) -> None:
    """An object of ids and labels is a file of labels, whose labels may contradict and are not set apart."""
    prefix.put("rows.csv", 0, 60, "id,x")
    with prefix.model() as context:
        intake = begun(context)
        look(intake)
        prefix.put("labels.csv", 0, 60, "id,y")
        look(intake)
        with context.shared.ledger.connect() as conn:
            kinds = {row.path: (row.kind, row.labelled_rows) for row in files.listed(conn, "m")}
        assert kinds == {"rows.csv": ("rows", 0), "labels.csv": ("labels", 60)}


def test_names_that_cannot_be_asked_for_and_marks_of_folders_stop_nothing(prefix: Prefix) -> None:
    """The client gives up a listing with such a name: all others are taken in, it is told once with the way out, and what
    is no data file, too; empty marks of folders are not. `driftd doctor` says the same."""
    for name in ("a//b.csv", "new\nline.csv"):
        prefix.put(name, 0, 50)
    for name in ("folder/", "folder/.keep", ""):
        prefix.s3.put(prefix.uri, name, b"")
    prefix.s3.put(prefix.uri, "notes.md", b"#")
    prefix.put("z.csv", 0, 50)
    with prefix.model() as context, capture_logs() as logs:
        intake = begun(context)
        assert look(intake).startswith("1 object is new: z.csv; ") and look(intake).startswith("no object is new")
        assert states(context) == {"z.csv": ["accepted"]}
        told = [(one["event"], one["file"]) for one in logs if one["event"] in ("file_refused", "file_unread")]
        assert sorted(told) == [
            ("file_refused", "a//b.csv"),
            ("file_refused", "new\nline.csv"),
            ("file_unread", "notes.md"),
        ]
        config = load_config(prefix.folder / "config.toml")
        found = list(prefix_told(config, "m", {}))
        assert [level for level, _, _ in found] == ["warning"] * 3 + ["ok"] and "give it another name" in found[0][1]


def test_what_is_too_large_is_never_fetched(
    prefix: Prefix, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything where the disk has no room for it; an empty one is refused like any; one of several parts comes
    whole."""
    monkeypatch.setattr(objects, "PART", 100)
    prefix.put("large.csv", 0, 1000)
    prefix.put("parts.csv", 0, 60)
    prefix.s3.put(prefix.uri, "empty.csv", b"")
    with prefix.model() as context, capture_logs() as logs:
        intake = begun(context)
        with monkeypatch.context() as full:
            full.setattr(type(context.shared), "free_bytes", lambda _: 1_000_100)
            look(intake)
        assert states(context)["large.csv"] == ["refused"] and "parts.csv" not in states(context)
        assert any("no room" in one.get("reason", "") for one in logs)
        intake.pending.clear()
        look(intake)
        assert states(context) == {"large.csv": ["refused"], "empty.csv": ["refused"], "parts.csv": ["accepted"]}
        with context.shared.ledger.connect() as conn:
            assert next(row.rows for row in files.listed(conn, "m") if row.path == "parts.csv") == 60
    assert "large.csv" not in fetched


def test_what_changes_between_the_listing_and_the_fetch_is_not_mixed(prefix: Prefix) -> None:
    """A listing that is past is none: the object is listed anew, and taken as it is then; one that is gone is let be."""
    prefix.put("a.csv", 0, 60)
    prefix.put("gone.csv", 60, 120)
    with prefix.model() as context:
        intake = begun(context)
        asyncio.run(intake._rescan())
        prefix.put("a.csv", 200, 230)
        prefix.s3.store(prefix.uri).delete(["gone.csv"])

        async def take() -> None:
            await intake._take_all(await intake._settled())

        asyncio.run(take())
        assert states(context) == {}
        look(intake)
        assert states(context) == {"a.csv": ["accepted"]} and not intake.pending


@pytest.mark.parametrize(
    "point", ["store.before_get", "prefix.fetched", "control.file_committed", "prefix.remove.before_remove"]
)
def test_a_kill_takes_each_object_once(prefix: Prefix, point: str) -> None:
    """Wherever it comes between listing and commit, and after it."""
    prefix.put("a.csv", 0, 60)
    prefix.put("b.csv", 60, 120)

    def kill(passed: str) -> None:
        if passed == point:
            raise Killed

    with prefix.model() as context:
        durable.install_hook(kill)
        try:
            with pytest.raises(Killed):
                look(begun(context))
        finally:
            durable.install_hook(None)
        look(begun(context))
        assert states(context) == {"a.csv": ["accepted"], "b.csv": ["accepted"]}


def test_a_store_that_is_away_is_told_once_and_nothing_is_lost(prefix: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was listed waits; who asks is refused with the reason; other credentials hold without a restart, and no
    secret is told."""
    monkeypatch.setattr(objects, "RETRIES", {"max_retries": 0, "retry_timeout": timedelta(seconds=1)})
    prefix.put("a.csv", 0, 60)
    with prefix.model() as context, capture_logs() as logs:
        intake = begun(context)
        asyncio.run(intake._rescan())
        prefix.say_options({**prefix.s3.options, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
        for _ in range(2):
            with pytest.raises(objects.Refused):
                look(intake)
        assert intake.pending and intake._rescan_due_s > 0 and states(context) == {}
        ((level, what, _),) = prefix_told(load_config(prefix.folder / "config.toml"), "m", {})
        assert level == "error" and prefix.uri in what
        prefix.say_options({**prefix.s3.options, "AWS_SECRET_ACCESS_KEY": "wrong"})
        with pytest.raises(objects.Refused, match="SignatureDoesNotMatch"):
            look(intake)
        prefix.say_options(prefix.s3.options)
        look(intake)
        assert states(context) == {"a.csv": ["accepted"]}
        names = [one["event"] for one in logs]
        assert names.count("prefix_awaited") == names.count("prefix_reached") == 1
        assert SECRET not in str(logs)


def test_new_objects_are_noticed_without_a_hint(prefix: Prefix) -> None:
    """By listing, again and again."""

    async def story(intake: PrefixIntake) -> None:
        running = asyncio.ensure_future(intake.run())
        for name, first in (("a.csv", 0), ("b.csv", 60)):
            prefix.put(name, first, first + 60)
            while name not in intake.known:
                assert not running.done()
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    with prefix.model('[models.m.intake]\npoll = "20ms"\npoll_quiet = "50ms"') as context:
        asyncio.run(asyncio.wait_for(story(PrefixIntake(context, environment={})), 60))
        assert states(context) == {"a.csv": ["accepted"], "b.csv": ["accepted"]}


def test_an_object_that_may_not_be_read_stops_no_other(prefix: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an archived one: told, asked for again only after a while or a hint. The gateway archives nothing, so its answer
    is said here."""
    prefix.put("a.csv", 0, 60)
    prefix.put("b.csv", 60, 120)
    ranged = ObjectStore._range

    def archived(self: ObjectStore, name: str, *rest: int) -> Any:
        if name == "a.csv":
            raise RuntimeError("403: <Code>InvalidObjectState</Code>")
        return ranged(self, name, *rest)

    with prefix.model() as context, capture_logs() as logs:
        intake = begun(context)
        with monkeypatch.context() as away:
            away.setattr(ObjectStore, "_range", archived)
            look(intake)
            asyncio.run(intake._rescan())
        assert states(context) == {"b.csv": ["accepted"]} and not intake.pending
        assert [one["reason"] for one in logs if one["event"] == "file_refused"] == [
            "may not be read: InvalidObjectState"
        ]
        look(intake)
        assert states(context)["a.csv"] == ["accepted"]


def test_objects_that_are_gone_are_let_go_of_as_files_are(prefix: Prefix) -> None:
    """`retention.files` takes what is not listed any more for gone, and nothing where the prefix is empty or away."""
    for name in ("a.csv", "b.csv"):
        prefix.s3.put(prefix.uri, name, b"")
    with prefix.model() as context:
        look(begun(context))
        assert states(context) == {"a.csv": ["refused"], "b.csv": ["refused"]}
        store, later = prefix.s3.store(prefix.uri), context.now() + 10
        assert gone_files(context, later) == []
        store.delete(["a.csv"])
        assert len(gone_files(context, later)) == 1
        prefix.say_options({**prefix.s3.options, "AWS_SECRET_ACCESS_KEY": "wrong"})
        assert gone_files(context, later) == []
        prefix.say_options(prefix.s3.options)
        store.delete(["b.csv"])
        assert gone_files(context, later) == []
