"""Labels that contradict those given before are held, listed and let in as files are."""

import asyncio
import json
from typing import Any

import pyarrow.parquet as pq
import pytest
from bare_model import BINARY, AnalystHere, bare_model
from structlog.testing import capture_logs

from daemon.intake.take_in import take_file
from daemon.intake.taking import Taken, Taking
from daemon.ledger import cpu, files
from daemon.reading.look import look

CONFIG = (
    BINARY
    + """\
id_column = "id"
{more}
[models.m.columns]
id = "category"
x = "number"
y = "category"
"""
)
ROWS = 100


def rows(name):
    """A file of rows with a label each; every row has an id of its own."""
    lines = (f"{name}{i},{i},{'yes' if i % 4 == 0 else 'no'}\n" for i in range(ROWS))
    return "id,x,y\n" + "".join(lines)


def inverted(name, first=0):
    """The opposite labels for the rows of a file."""
    return "id,y\n" + "".join(f"{name}{i},{'no' if i % 4 == 0 else 'yes'}\n" for i in range(first, ROWS))


def corrected(name, first=0):
    """Half of those who are no "yes" become one."""
    return "id,y\n" + "".join(f"{name}{i},yes\n" for i in range(first, ROWS) if i % 4 in (1, 2))


def checks_s(context):
    """CPU seconds that checks took, in the ledger or not yet."""
    with context.shared.ledger.connect() as conn:
        return context.spent_s["checks"] + sum(of["checks"] for of in cpu.by_cycle(conn, "m", 0.0).values())


@pytest.fixture
def states(tmp_path):
    """The state of each file of labels after these contents were taken in one after the other."""

    rows, spent, everything = dict[str, files.FileRow](), dict[str, float](), list[Any]()

    def run(contents, more=""):
        with bare_model(tmp_path, CONFIG.format(more=more), analyst=AnalystHere) as context, capture_logs() as logged:

            async def take_all():
                for name, text in contents.items():
                    path = context.data_dir / name
                    path.write_text(text)
                    feedback = {"at": path, "by_name": True} if name.endswith(".jsonl") else {}
                    before = checks_s(context)
                    assert await take_file(context, Taking(name, look(path), **feedback)) is Taken.ACCEPTED
                    spent[name] = checks_s(context) - before

            asyncio.run(take_all())
            with context.shared.ledger.connect() as conn:
                told = [row for row in files.listed(conn, "m") if row.kind == "labels"]
                found = {row.path: row.state for row in told}
                assert all(len(pq.read_table(context.folders.state / row.snapshot)) == row.rows for row in told)
                assert not any(context.folders.intake.iterdir())
                rows.update({row.path: row for row in told})
        everything[:] = logged
        return found, [event for event in logged if event["event"] in ("file_held", "file_released")]

    run.rows, run.spent_s, run.logged = rows, spent, everything
    return run


def test_contradicting_labels_are_held_until_batches_of_different_times_agree(states):
    """Three requests in a row are one batch; with the third batch those that agree are let in, and the log tells.
    Labels that are exchanged agree with nobody, however often they come."""
    found, events = states({
        "a.csv": rows("a"), "b.csv": rows("b"), "c.csv": rows("c"), "0.csv": inverted("c"),
        "1.csv": corrected("a"), "2.csv": corrected("a", 10), "3.csv": corrected("b"),
        "d.csv": rows("d"), "4.csv": corrected("b", 10), "5.csv": inverted("c", 10),
    })  # fmt: skip
    assert set(found.values()) == {"held"} and [one["file"] for one in events] == list(found)
    assert all(one["kinds"] == ("contradicting_labels",) for one in events)
    found, events = states({"e.csv": rows("e"), "6.csv": inverted("c", 20), "7.csv": corrected("c")})
    agreeing = {f"{number}.csv" for number in (1, 2, 3, 4, 7)}
    assert {name for name, state in found.items() if state == "accepted"} == agreeing
    assert {one["file"] for one in events if one["event"] == "file_released"} == agreeing - {"7.csv"}


def test_feedback_of_others_in_the_same_minute_is_not_held(states):
    """Of a segment the labels that contradict are a file of their own, which is held; the others teach. The numbers of
    both add up to what was received, and what it takes to find them counts among the CPU seconds of checks."""
    unlabelled = "id,x,y\n" + "".join(f"u{i},{i},\n" for i in range(ROWS))
    wrong = [{"id": f"a{i}", "y": "no" if i % 4 == 0 else "yes"} for i in range(20)]
    others = [{"id": f"{name}{i}", "y": "no"} for name in "un" for i in range(50)] + [
        {"id": f"a{i}", "y": "no"} for i in range(21, 24)
    ]
    segment = "\n".join(map(json.dumps, [*wrong, *others]))
    found, events = states({"a.csv": rows("a"), "u.csv": unlabelled, "s.jsonl": segment})
    assert found == {"s.jsonl": "accepted", "s.jsonl-changes": "held"}
    assert [one["file"] for one in events] == ["s.jsonl-changes"]
    assert events[0]["rows"] == len(wrong)
    accepted = {one["file"]: one for one in states.logged if one["event"] == "file_accepted"}
    for name, labels, joined in (
        ("s.jsonl", len(others), len(others) - 50),
        ("s.jsonl-changes", len(wrong), len(wrong)),
    ):
        row = states.rows[name]
        assert (row.rows, row.labelled_rows, row.quality["joined"]["labels"]) == (labels, joined, labels)
        assert (accepted[name]["rows"], accepted[name]["joined"]) == (labels, joined)
    assert states.spent_s["s.jsonl"] > 0


def test_who_holds_other_kinds_alone_is_not_asked(states):
    """The key that names the doubts that count names these, too."""
    more = '[models.m.suspicion]\nkinds = ["unit_bug"]'
    assert states({"a.csv": rows("a"), "1.csv": inverted("a")}, more) == ({"1.csv": "accepted"}, [])
