"""A comparison on a terminal says what its exit status says."""

import io
from typing import Any

from rich.console import Console

from daemon.reports.compare_text import render


def _column(name: str, drift: bool) -> dict[str, Any]:
    missing = {"reference": 0.0, "current": 0.105}
    column = {"name": name, "kind": "numeric", "drift": drift, "effect": 0.2, "p_adjusted": 1e-9, "missing": missing}
    return {**column, "sentence": f"{name} shifted"} if drift else column


def test_drifted_outputs_are_part_of_the_verdict() -> None:
    """Where only what the model predicts drifted, the verdict, a sentence and a line tell it."""
    result = {
        "reference": {"rows": 12345}, "current": {"rows": 678}, "alpha": 0.01, "min_effect": 0.05, "notes": [],
        "columns": [_column("x", False)], "outputs": [_column("score", True)],
        "calibration": {"checks_per_false_alarm": 100.0, "warnings": []},
    }  # fmt: skip
    out = io.StringIO()
    render(result, Console(file=out, width=200))
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("Drift in 1 of 2 columns (12,345 and 678 rows;")
    assert lines[1] == "  score shifted"
    assert lines[3].split() == ["score", "numeric", "drift", "0.2", "<0.0001", "0%", "10.5%"]
