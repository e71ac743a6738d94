"""Labels by id: how many find their row is told, and what likely happened to the ids of those that do not."""

import asyncio
import json

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bare_model import BINARY, AnalystHere, bare_model
from structlog.testing import capture_logs

from daemon.cli.app import run as command_line
from daemon.cycles.schemas import current_schema
from daemon.intake.labels import take_segments
from daemon.intake.take_in import take_file
from daemon.intake.taking import Taken, Taking
from daemon.ledger import class_totals, files
from daemon.reading.joined import join
from daemon.reading.look import look
from daemon.reading.operations import JoinRequest
from retrain.rows.history import History

CONFIG = (
    BINARY
    + """\
id_column = "id"
[models.m.columns]
id = "category"
x = "number"
y = "category"
"""
)


async def take(context, *names):
    """Settled files, one after the other."""
    for name in names:
        assert await take_file(context, Taking(name, look(context.data_dir / name))) is Taken.ACCEPTED


@pytest.fixture
def told(tmp_path, capsys):
    """What is logged and listed of a file of labels with these ids, beside a hundred rows whose ids have zeros in front."""

    def run(*ids):
        with bare_model(tmp_path, CONFIG, analyst=AnalystHere) as context, capture_logs() as logged:
            rows = "".join(f"{i:05d},{i},\n" for i in range(100))
            (context.data_dir / "a.csv").write_text("id,x,y\n" + rows)
            (context.data_dir / "labels.csv").write_text("id,y\n" + "".join(f"{name},yes\n" for name in ids))
            asyncio.run(take(context, "a.csv", "labels.csv"))
        capsys.readouterr()
        command_line(["-c", str(tmp_path / "config.toml"), "files", "m"])
        return {event["event"]: event for event in logged}, capsys.readouterr().out

    return run


def test_how_many_labels_joined_is_told(told):
    """In the log and in the list of files; no warning where most do."""
    events, listed = told(*(f"{i:05d}" for i in range(80)), *(f"other{i}" for i in range(20)))
    assert events["file_accepted"]["joined"] == 80 and "labels_unjoined" not in events
    assert "80 of 100 labels joined" in listed


def test_the_way_out_leads_out(tmp_path):
    """With the id column declared as whole numbers, labels and rows that were taken in as text join, too."""
    with bare_model(tmp_path, CONFIG, analyst=AnalystHere) as context:
        (context.data_dir / "a.csv").write_text("id,x,y\n" + "".join(f"{i:05d},{i},\n" for i in range(100)))
        (context.data_dir / "labels.csv").write_text("id,y\n7,yes\n8.0,yes\n")
        asyncio.run(take(context, "a.csv", "labels.csv"))
    with bare_model(tmp_path, CONFIG.replace('id = "category"', 'id = "integer"'), analyst=AnalystHere) as context:
        (context.data_dir / "more.csv").write_text("id,y\n9,yes\n")
        asyncio.run(take(context, "more.csv"))
        with context.shared.ledger.connect() as conn:
            rows = files.usable(conn, "m", 9)
            assert files.listed(conn, "m")[-1].quality["joined"]["joined"] == 1
        history = History(context.accepted(rows, (), {}), current_schema(context))
        assert history.labels_known(1) == 3


@pytest.mark.parametrize(
    ("written", "likely"),
    [
        ("{}", "is likely '00007' of a row, without the zeros in front"),
        ("{}.0", "is likely '00007' of a row, which was made a fraction"),
        ("{:05d} x", "no row has their ids"),
    ],
)
def test_few_that_join_are_warned_of_with_what_likely_happened(told, written, likely):
    """Zeros that a spreadsheet dropped, fractions that pandas made; the way out names the type of the column."""
    events, listed = told(*(written.format(i) for i in range(7, 10)))
    warned = events["labels_unjoined"]
    assert (warned["labels"], warned["joined"]) == (3, 0) and likely in warned["reason"]
    assert "0 of 3 labels joined" in listed
    if "likely" in likely:
        assert warned["alike"] == 3 and '"integer"' in warned["reason"] and likely in listed


def test_labels_that_find_no_row_count_when_their_rows_come(tmp_path):
    """Labels of nobody are no labelled rows; those whose rows come after them are, then."""
    with bare_model(tmp_path, CONFIG, analyst=AnalystHere) as context:
        counted = []
        lines = {"labels.csv": "id,y\n" + "".join(f"{i:05d},{'yes' if i % 2 else 'no'}\n" for i in range(40))}
        lines["others.csv"] = "id,x,y\n" + "".join(f"a{i},{i},\n" for i in range(100))
        lines["rows.csv"] = "id,x,y\n" + "".join(f"{i:05d},{i},\n" for i in range(30))

        async def story():
            for name in ("others.csv", "labels.csv", "rows.csv"):
                (context.data_dir / name).write_text(lines[name])
                await take(context, name)
                with context.shared.ledger.connect() as conn:
                    counted.append((files.labelled_rows(conn, "m"), sum(class_totals.class_rows(conn, "m").values())))

        asyncio.run(story())
    assert counted == [(0, 0), (0, 0), (30, 30)]


def test_an_empty_cell_is_no_label(tmp_path):
    """A template to be filled in takes no label away, and none of it is told to have joined."""
    with bare_model(tmp_path, CONFIG, analyst=AnalystHere) as context:
        (context.data_dir / "a.csv").write_text("id,x,y\n" + "".join(f"{i:05d},{i},yes\n" for i in range(100)))
        (context.data_dir / "labels.csv").write_text(
            "id,y\n" + "".join(f"{i:05d},\n" for i in range(60)) + "00060,no\n"
        )
        asyncio.run(take(context, "a.csv", "labels.csv"))
        with context.shared.ledger.connect() as conn:
            usable = files.usable(conn, "m", 9)
            assert files.listed(conn, "m")[-1].quality["joined"]["labels"] == 1
        batch = History(context.accepted(usable, (), {}), current_schema(context)).batch(1)
        assert batch.table.column("y").to_pylist() == ["yes"] * 60 + ["no"] + ["yes"] * 39


def test_feedback_that_says_again_what_it_said_first_is_news(tmp_path):
    """The last word holds, also where it is the first one. The same segment after a kill is known."""
    with bare_model(tmp_path, CONFIG, analyst=AnalystHere) as context:
        (context.data_dir / "a.csv").write_text("id,x,y\n" + "".join(f"{i},{i},\n" for i in range(100)))

        async def story():
            await take(context, "a.csv")
            for number, label in enumerate(("no", "yes", "no", "no")):
                segment = context.folders.spool / f"{1735689600 + min(number, 2)}000000000-1-1.jsonl"
                segment.write_text(json.dumps({"id": "7", "y": label}) + "\n")
                assert await take_segments(context, lambda _: True) == (1, False)

        asyncio.run(story())
        with context.shared.ledger.connect() as conn:
            assert [row.state for row in files.listed(conn, "m") if row.kind == "labels"] == ["accepted"] * 3
            usable = files.usable(conn, "m", 9)
        batch = History(context.accepted(usable, (), {}), current_schema(context)).batch(1)
        assert batch.table.column("y").to_pylist()[7] == "no"


def test_many_rows_are_looked_through_within_bounds(tmp_path):
    """Where rows were left out nobody can say that a label is lost."""
    for name, ids in (("labels", ["7", "x"]), ("new", ["1", "2"]), ("old", ["7", "8"])):
        pq.write_table(pa.table({"id": ids, "y": ["no", "no"]}), tmp_path / name)
    rows = tmp_path / "new", tmp_path / "old"
    every = JoinRequest(labels=tmp_path / "labels", rows=rows, id_column="id", kind="category", target="y")
    assert (join(every).joined, join(every).complete) == (1, True)
    few = msgspec.structs.replace(every, most_rows=2)
    assert (join(few).joined, join(few).complete) == (0, False)
