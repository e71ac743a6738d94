"""Files that are still being written are not taken as whole, and what was refused is looked at again when something else
decides how it is read."""

import asyncio
import gzip
import io
import os
import sys
import zipfile
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bare_model import BINARY, AnalystHere, bare_model
from structlog.testing import capture_logs

from daemon.cli.app import run as command_line
from daemon.intake.files import Intake
from daemon.intake.settle import Pause
from daemon.intake.take_in import take_file
from daemon.intake.taking import Taken, Taking
from daemon.ledger import files
from daemon.reading.look import Look, look
from daemon.reading.unfinished import sign_of_writing
from daemon.runtime.worker.process import Limits, Worker, WorkerError

CONFIG = (
    BINARY
    + """\
[models.m.intake]
settle = "1s"
"""
)
CSV = b"x,y\n" + b"".join(b"%d,%s\n" % (i, (b"no", b"yes")[i % 2]) for i in range(100))
TABLE = pa.table({"x": list(range(100)), "y": ["no", "yes"] * 50})
FIRST = Look(size=10, mtime_ns=10**18, ctime_ns=10**18, inode=7)


def workbook() -> bytes:
    """An archive, as spreadsheets are."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return sink.getvalue()


WORKBOOK = workbook()


@pytest.fixture
def context(tmp_path):
    """Model m, without a service."""
    with bare_model(tmp_path, CONFIG, analyst=AnalystHere) as made:
        yield made


def parquet() -> bytes:
    """The table as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(TABLE, sink)
    return bytes(sink.getvalue().to_pybytes())


def grown(seconds: float) -> Look:
    """The first look's file, longer after that time."""
    later = FIRST.mtime_ns + int(seconds * 1e9)
    return replace(FIRST, size=20, mtime_ns=later, ctime_ns=later)


@pytest.mark.parametrize(
    ("name", "part", "sign"),
    [
        ("a.csv", CSV[:-3], "last line has no end"),
        ("a.csv", CSV + b'1,"ye\n', "quote that is not closed"),
        ("a.csv", b"", "last line has no end"),
        ("a.csv", CSV.decode().encode("utf-16"), ""),
        ("a.csv.gz", gzip.compress(CSV, mtime=0)[:-9], "gzip stream does not end"),
        ("a.csv.gz", gzip.compress(CSV, mtime=0), ""),
        ("a.parquet", parquet()[:-2], "no Parquet footer"),
        ("a.parquet", parquet(), ""),
        ("a.jsonl", b'{"x": 1}\n{"x"', "last line has no end"),
        ("a.jsonl", b'{"x": 1}\n{"x": 2}', ""),
        ("a.json", b'[{"x": 1}, {"x": 2}', "JSON does not end"),
        ("a.json", b'\n[{"x": 1}]', ""),
        ("a.xlsx", WORKBOOK[:-30], "archive does not end"),
        ("a.xlsx", WORKBOOK, ""),
        ("a.csv", CSV, ""),
    ],
)
def test_a_part_of_a_file_shows_that_it_is_one(tmp_path, name, part, sign):
    """By its end, whatever the format; a whole file has no such sign."""
    path = tmp_path / name
    path.write_bytes(part)
    found = sign_of_writing(path)
    assert sign in found and bool(sign) == bool(found)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells who writes")
def test_a_file_that_is_open_for_writing_is_not_whole(tmp_path):
    """Also where it ends with a line; who reads it does not count."""
    path = tmp_path / "a.csv"
    with path.open("wb") as writer:
        writer.write(CSV)
        writer.flush()
        assert sign_of_writing(path) == "it is open for writing"
    with path.open("rb"):
        assert sign_of_writing(path) == ""


def test_a_part_is_waited_for_and_taken_after_a_while(context):
    """While it changed a moment ago it is left alone; one that stays without a last line end is taken in the end."""
    path = context.data_dir / "a.csv"
    path.write_bytes(CSV[:-1])

    async def both() -> list[Taken]:
        return [await take_file(context, Taking("a.csv", look(path), recent=recent)) for recent in (True, False)]

    with capture_logs() as told:
        assert asyncio.run(both()) == [Taken.UNFINISHED, Taken.ACCEPTED]
    assert told[0]["event"] == "file_unfinished" and "last line" in told[0]["reason"]


def test_what_is_recent_ends(context):
    """A file that was there long before the service is not waited for, nor one that did not change for ten settle
    times."""
    intake, path = Intake(context), context.data_dir / "a.csv"
    path.write_bytes(CSV)
    seen = look(path)
    assert isinstance(seen, Look) and intake._is_recent("a.csv", seen)
    old = replace(seen, mtime_ns=seen.mtime_ns - 11 * 10**9, ctime_ns=seen.ctime_ns - 11 * 10**9)
    assert not intake._is_recent("a.csv", old)
    intake._judge("a.csv", seen)
    pending = intake.pending["a.csv"]
    intake.pending["a.csv"] = replace(pending, still_since_s=pending.still_since_s - 11)
    assert not intake._is_recent("a.csv", seen)


def test_a_pause_teaches_the_folder_its_settle_time(context, capsys):
    """A file that grew six seconds after it had been taken: the next ones wait twice as long, after a restart too, and
    status tells; what is appended to again and again is not kept waiting."""
    intake = Intake(context, known={"a.csv": FIRST})
    with capture_logs() as told:
        assert not intake._judge("a.csv", grown(6.0))
    assert [(event["event"], event["pause_s"], event["settle_s"]) for event in told] == [("settle_learned", 6.0, 12.0)]
    assert intake._settle_s("b.csv") == 12.0
    assert command_line(["-c", str(context.shared.config.path), "status"]) == 0
    assert "12 s: a.csv paused 6.0 s while it was written (learned; intake.settle is 1 s)" in capsys.readouterr().out
    later = Intake(context)
    later._known()
    assert later._settle_s("b.csv") == 12.0
    later.growths["b.csv"] = 3
    assert later._settle_s("b.csv") == 1.0


@pytest.mark.parametrize("after", [grown(61.0), replace(grown(6.0), inode=8), replace(grown(6.0), size=5), grown(0.2)])
def test_other_changes_teach_nothing(context, after):
    """A file that is appended to after minutes, one that was replaced, a shorter one, and a pause that the configured
    time outlasts."""
    intake = Intake(context, known={"a.csv": FIRST})
    intake._judge("a.csv", after)
    assert intake.learned is None


def test_a_learned_time_is_forgotten(context):
    """After thirty days without another pause."""
    intake = Intake(context, learned=Pause(6.0, "a.csv", 1e9))
    assert intake._settle_s("b.csv") == 1.0


def test_what_an_unknown_schema_refused_is_looked_at_again(tmp_path):
    """A file without the target comes before the first labelled one, which fixes the columns."""
    with bare_model(tmp_path, CONFIG, analyst=AnalystHere) as context:
        (context.data_dir / "a.csv").write_bytes(b"x\n1\n2\n")
        (context.data_dir / "b.csv").write_bytes(CSV)
        intake = Intake(context)

        async def rounds() -> None:
            intake.known, intake._read_by = intake._known()
            looks = {name: look(context.data_dir / name) for name in ("a.csv", "b.csv")}
            await intake._take_all([("a.csv", looks["a.csv"]), ("b.csv", looks["b.csv"])])

        asyncio.run(rounds())
    assert sorted(intake.known) == ["b.csv"] and intake._asked_to_look


def test_what_the_configuration_refused_is_looked_at_again(tmp_path, capsys):
    """After a start with other columns, once: the same refusal does not repeat itself, and is one row of the ledger; what
    is accepted in the end is not listed as refused."""

    def take(column: str) -> tuple[Taken | None, list[str]]:
        """The outcome for the file, None where it is known; and the states of its rows."""
        with bare_model(
            tmp_path, f'{CONFIG}[models.m.columns]\n{column} = "number"\ny = "category"\n', analyst=AnalystHere
        ) as context:
            path = context.data_dir / "a.csv"
            known, _ = Intake(context)._known()
            taken = None if "a.csv" in known else asyncio.run(take_file(context, Taking("a.csv", look(path))))
            with context.shared.ledger.connect() as conn:
                return taken, [row.state for row in files.listed(conn, "m")]

    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.csv").write_bytes(CSV)
    assert take("price") == (Taken.REFUSED, ["refused"])
    assert take("price") == (None, ["refused"])
    assert take("cost") == (Taken.REFUSED, ["refused"])
    assert command_line(["-c", str(tmp_path / "config.toml"), "files", "m"]) == 0
    assert "a refused file is looked at again when it changes, and after a reload" in capsys.readouterr().out
    assert take("x") == (Taken.ACCEPTED, ["superseded", "accepted"])
    assert take("cost")[0] is None


def test_unclear_formats_are_warned_of_once_a_column(context):
    """What is so in one file is so in all; the list of files says it of each."""
    for place, name in enumerate(("a.csv", "b.csv")):
        rows = "".join(f"{place + 1}{i}.{i % 10}20,{'ab'[i % 2]}\n" for i in range(10, 60))
        (context.data_dir / name).write_text("km,y\n" + rows)

    async def story():
        for name in ("a.csv", "b.csv"):
            assert await take_file(context, Taking(name, look(context.data_dir / name))) is Taken.ACCEPTED

    with capture_logs() as logged:
        asyncio.run(story())
    assert [event["event"] for event in logged].count("formats_unclear") == 1
    with context.shared.ledger.connect() as conn:
        assert all(row.quality["unclear"] for row in files.listed(conn, "m", None, 10))


@dataclass
class Dying(Worker):
    """An analyst that each file ends, or that fails in a way that nobody thought of."""

    kind: str = "died"

    async def call(self, request, timeout_s=None, limit=""):
        raise WorkerError(self.kind, "the analyst was killed by signal 6 during take")


@pytest.mark.parametrize("kind", ["died", "failed"])
def test_a_file_that_ends_the_analyst_again_and_again_is_refused(context, kind):
    """Other models' files wait for it; as another file, or touched, it gets as many tries again."""
    path = context.data_dir / "a.csv"
    path.write_bytes(CSV)
    context.shared.analyst = Dying("analyst", Limits(), kind=kind)

    async def story():
        return [await take_file(context, Taking("a.csv", look(path))) for _ in range(5)]

    assert asyncio.run(story()) == [Taken.LATER] * 4 + [Taken.REFUSED]
    with context.shared.ledger.connect() as conn:
        (row,) = files.listed(conn, "m", "refused", 10)
    assert "killed by signal 6 during take, 5 times so far; try it in smaller files" in row.reason
    os.utime(path, ns=(1, 1))
    assert asyncio.run(take_file(context, Taking("a.csv", look(path)))) is Taken.LATER


def test_a_file_that_takes_too_long_to_read_is_refused_at_once(context):
    """By the key's name; touched it may try again."""
    path = context.data_dir / "a.csv"
    path.write_bytes(CSV)
    context.shared.analyst = Dying("analyst", Limits(), kind="late")
    assert asyncio.run(take_file(context, Taking("a.csv", look(path)))) is Taken.REFUSED
    with context.shared.ledger.connect() as conn:
        (row,) = files.listed(conn, "m", "refused", 10)
    assert "try it in smaller files, or touch it" in row.reason
