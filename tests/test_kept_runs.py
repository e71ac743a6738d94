"""Results of benchmarks that are kept, and the rules that `make gate` compares on them."""

from pathlib import Path

import pytest

from benchmarks.gate.figures import pairs_of
from benchmarks.gate.rules import AS_IT_IS, RULES, applied
from benchmarks.kept import make_lines
from retrain.planning.forecast import forecast, surprise


def test_what_is_kept_is_not_made_again_and_what_failed_is_tried_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each case has a line by its key; a failure is told and leaves none, whatever else runs beside it."""
    path, made = tmp_path / "kept" / "lines.jsonl", (("value", 1),)
    first = make_lines(path, dict, {"whole": made, "broken": (5,)}, 1)
    assert first == [{"key": "whole", "value": 1}] and "2 of 2" in capfd.readouterr().err
    again = make_lines(path, dict, {"whole": made, "broken": (("value", 2),)}, 1)
    assert again == [*first, {"key": "broken", "value": 2}] and "1 of 1" in capfd.readouterr().err
    assert len(path.read_text().splitlines()) == 2


def test_the_rule_as_it_is_foretells_what_the_gate_foretold() -> None:
    """Of each cycle by what was recorded, with the past that was known then: of those that two batches follow."""
    cycles, surprises = list[dict[str, object]](), list[float]()
    for batch, gain, realised in ((4, 0.05, 0.01), (5, -0.002, 0.02), (9, 0.01, 0.0)):
        past = surprises if batch == 9 else []
        told = forecast(gain, 0.01, 100, 400, "schedule", past).to_json()
        surprises.append(surprise(told, realised))
        came = {"difference": realised, "rows": 390}
        cycles.append({"batch": batch, "trigger": "schedule", "forecast": told, "realised": came, "promoted": gain > 0})
    recorded = pairs_of("stream", "every", cycles)
    assert applied(RULES[AS_IT_IS], recorded) == recorded
    assert {(one.rows, one.next_rows, one.realised_rows) for one in recorded} == {(100, 400, 390)}
