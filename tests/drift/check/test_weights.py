"""A budget that columns share by weight: the whole check keeps its rate, the heavy columns see more."""

from dataclasses import replace

import numpy as np
import pytest

from drift.check.column import judge_values
from drift.check.family import assemble
from drift.check.report import ColumnReport, DriftReport
from drift.profiles.numeric import numeric_profile

NAMES = [f"x{k}" for k in range(8)]
HEAVY = {name: 0.79 if name == "x0" else 0.03 for name in NAMES}


def _columns(seed: int, rows: int = 150, shift: float = 0.0) -> list[ColumnReport]:
    rng = np.random.default_rng(seed)
    pairs = [(rng.normal(size=3000), rng.normal(size=rows)) for _ in NAMES]
    pairs[0] = pairs[0][0], pairs[0][1] + shift
    judged = [judge_values("x", numeric_profile(before), now) for before, now in pairs]
    return [replace(report, name=name) for report, name in zip(judged, NAMES, strict=True)]


def _assemble(columns: list[ColumnReport], weights: dict[str, float] | None, alpha: float = 0.1) -> DriftReport:
    return assemble(
        columns, alpha=alpha, min_effect=0.0, reference_rows=3000, current_rows=150, column_weights=weights
    )  # fmt: skip


def test_weights_keep_the_budget_of_the_whole_check() -> None:
    """With very unequal weights no more checks alarm, where nothing changed, than the budget says."""
    alarmed = sum(_assemble(_columns(seed), HEAVY).drift for seed in range(200))
    assert alarmed <= 200 * 0.1


def test_a_heavy_column_sees_smaller_shifts_and_no_column_is_blind() -> None:
    """Of weak shifts in the heavy column more are found than with equal weights; of plain ones in a light one, all."""
    shifted = [_columns(seed, shift=0.25) for seed in range(60)]
    found = [sum("x0" in _assemble(columns, weights).drifted for columns in shifted) for weights in (HEAVY, None)]
    assert found[0] > found[1] + 5
    light = {name: 0.79 if name == "x1" else 0.03 for name in NAMES}
    assert all("x0" in _assemble(_columns(seed, shift=0.8), light).drifted for seed in range(10))


def test_equal_weights_are_those_of_before() -> None:
    """Where columns have one number of tests, equal weights give the p-values that no weights give."""
    columns = _columns(1)
    plain, weighted = _assemble(columns, None), _assemble(columns, dict.fromkeys(NAMES, 3.0))
    for before, now in zip(plain.columns, weighted.columns, strict=True):
        assert now.p_adjusted == pytest.approx(before.p_adjusted)
