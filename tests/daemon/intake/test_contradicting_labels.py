"""Labels that contradict those given before are held, listed and let in as files are."""

import asyncio

import pytest
from bare_model import BINARY, bare_model
from structlog.testing import capture_logs

from daemon.intake.take_in import Taken, Taking, take_file
from daemon.ledger import files
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


@pytest.fixture
def states(tmp_path):
    """The state of each file of labels after these contents were taken in one after the other."""

    def run(contents, more=""):
        with bare_model(tmp_path, CONFIG.format(more=more)) as context, capture_logs() as logged:

            async def take_all():
                for name, text in contents.items():
                    (context.data_dir / name).write_text(text)
                    assert await take_file(context, Taking(name, look(context.data_dir / name))) is Taken.ACCEPTED

            asyncio.run(take_all())
            with context.shared.ledger.connect() as conn:
                found = {row.path: row.state for row in files.listed(conn, "m") if row.kind == "labels"}
        return found, [event for event in logged if event["event"] in ("file_held", "file_released")]

    return run


def test_contradicting_labels_are_held_until_batches_of_different_times_agree(states):
    """Three requests in a row are one batch; with the third batch those that agree are let in, and the log tells."""
    found, events = states({
        "a.csv": rows("a"), "b.csv": rows("b"), "c.csv": rows("c"),
        "1.csv": inverted("a"), "2.csv": inverted("a", 10), "3.csv": inverted("b"),
        "d.csv": rows("d"), "4.csv": inverted("b", 10),
    })  # fmt: skip
    assert set(found.values()) == {"held"} and [one["file"] for one in events] == list(found)
    assert all(one["kinds"] == ("contradicting_labels",) for one in events)
    found, events = states({"e.csv": rows("e"), "5.csv": inverted("c")})
    assert set(found.values()) == {"accepted"}
    assert {one["file"] for one in events if one["event"] == "file_released"} == {"1.csv", "2.csv", "3.csv", "4.csv"}


def test_who_holds_other_kinds_alone_is_not_asked(states):
    """The key that names the doubts that count names these, too."""
    more = '[models.m.suspicion]\nkinds = ["unit_bug"]'
    assert states({"a.csv": rows("a"), "1.csv": inverted("a")}, more) == ({"1.csv": "accepted"}, [])
