"""A short story with a few kills and faults of each kind; `make crash` tells all of it until a thousand happened."""

from pathlib import Path

import pytest

from faults.run import Fault, tell

CHAPTERS = ("first", "drifted", "requests", "feedback")
FAULTS = [
    Fault(0, "trainer", "train.model.before_write", 1, "SHORT"),
    Fault(0, "control", "control.stage_committed", 3, "KILL"),
    Fault(0, "trainer", "promote.publish.before_rename", 1, "KILL"),
    Fault(0, "control", "promote.link.before_rename", 1, "EIO"),
    Fault(1, "analyst", "intake.parsed.before_write", 1, "ENOSPC"),
    Fault(1, "analyst", "check.predictions.before_write", 1, "KILL"),
    Fault(1, "control", "control.cycle_opened", 1, "KILL"),
    Fault(1, "server", "ledger.before_read", 1, "EIO", 2),
    Fault(2, "control", "traffic.assigned", 1, "KILL"),
    Fault(2, "control", "ledger.before_commit", 4, "ENOSPC", 2),
    Fault(3, "server", "spool.append.before_write", 1, "SHORT"),
    Fault(3, "server", "spool.close.before_rename", 1, "KILL"),
    Fault(3, "control", "intake.publish.before_rename", 1, "ENOSPC"),
]


@pytest.mark.timeout(900)
def test_whatever_happens_the_story_ends_the_same(tmp_path: Path) -> None:
    """Processes killed and effects failing at named steps: every promise holds at the end, each file is there once, and
    each model was made and promoted once."""
    told = tell(tmp_path / "told", FAULTS, chapters=CHAPTERS)
    assert told.violations == [], "\n".join(told.log[-60:])
    ending = told.ending
    assert [outcome for _, outcome in ending["cycles"]] == ["promoted"] * 2 and len(ending["promotions"]) == 2
    assert [file[:4] for file in ending["files"]] == [
        ("a.parquet", "accepted", "rows", 300), ("b.csv", "accepted", "rows", 400),
    ]  # fmt: skip
    assert len(ending["labels"]) == len(ending["traffic"]) == 60
    assert len(told.happened) >= len(FAULTS) - 1, told.happened
