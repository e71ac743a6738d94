"""The threat model names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_each_test_that_the_threat_model_names_is_there() -> None:
    """A cell without one would promise what nothing holds."""
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "threat-model.md").read_text("utf-8")))
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))
    }
    assert len(named) > 25 and not named - there
