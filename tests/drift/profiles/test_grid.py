"""The grid: exact where it promises exactness, within its bound elsewhere, whatever the distribution."""

import json
import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from shapes import CHANGES, SHAPES

from drift.check.check_columns import check_columns
from drift.check.column import judge_values
from drift.check.on_grid import distances
from drift.profiles.grid import Grid, grid_for
from drift.profiles.grid_counts import count, in_cells, locate
from drift.profiles.numeric import numeric_profile
from drift.profiles.reference import Reference, build_reference
from drift.statistics.bins import bin_counts, decile_edges
from drift.statistics.samples import Sample, sample


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("change", CHANGES)
def test_the_grid_gives_the_exact_statistics(shape: str, change: str) -> None:
    """KS and the bins are exact, Wasserstein within its stated bound, moments to 1e-9, on any two samples."""
    rng = np.random.default_rng(5)
    reference = sample(SHAPES[shape](rng, 30_000))
    current = CHANGES[change](SHAPES[shape](rng, 25_000))
    grid = grid_for(reference)
    if grid is None:  # too narrow for floats: such columns are sorted
        assert shape == "tiny"
        return
    known, now = count(grid, [reference.values]), count(grid, np.array_split(current, 3))
    found = distances(reference, known, now, partial(in_cells, grid, [current]))
    values = sample(current)
    assert (now.count, now.missing + now.infinite) == (len(values), len(current) - len(values))
    expected = stats.ks_2samp(reference.values, values.values, method="asymp").statistic
    assert found.ks == pytest.approx(expected, abs=1e-12)
    edges = decile_edges(reference)
    assert np.array_equal(found.current_bins, bin_counts(values, edges))
    assert np.array_equal(found.reference_bins, bin_counts(reference, edges))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        area = stats.wasserstein_distance(reference.values, values.values)
    if np.isfinite(found.error) and np.isfinite(area):
        assert abs(found.wasserstein - area) <= found.error + 1e-6 * max(
            area, float(np.abs(values.values).max()) * 1e-6
        )
    if np.isfinite(now.m2) and np.abs(values.values).max() < 1e200:
        assert now.mean == pytest.approx(values.values.mean(), rel=1e-9, abs=1e-9 * values.sd)
        assert now.sd == pytest.approx(values.sd, rel=1e-6, abs=1e-15 * np.abs(values.values).max())


@pytest.mark.parametrize("shape", SHAPES)
def test_a_check_says_the_same_with_and_without_the_grid(shape: str) -> None:
    """`exact` changes nothing but the Wasserstein distance, and that by at most 0.001 standard deviations."""
    rng = np.random.default_rng(6)
    known = numeric_profile(SHAPES[shape](rng, 40_000), grid=True)
    values = SHAPES[shape](rng, 20_500) * 1.01
    quick, exact = (judge_values("x", known, values, exact=exact).to_json()["tests"] for exact in (False, True))
    for name in ("ks", "psi", "jensen_shannon"):
        assert quick[name]["statistic"] == pytest.approx(exact[name]["statistic"], abs=1e-12)
    assert quick["ks"]["p_value"] == pytest.approx(exact["ks"]["p_value"], rel=1e-9)
    assert exact["wasserstein"]["error"] in (0, None)
    if exact["wasserstein"]["statistic"] is not None and exact["wasserstein"]["error"] is not None:
        assert quick["wasserstein"]["error"] <= 1e-3
        off = quick["wasserstein"]["normalized"] - exact["wasserstein"]["normalized"]
        assert abs(off) <= quick["wasserstein"]["error"] + 1e-9


numbers = st.floats(allow_nan=True, allow_infinity=True, width=64)


@given(st.lists(numbers, max_size=50), st.lists(numbers, max_size=50), st.integers(1, 10))
@settings(max_examples=150, deadline=None)
def test_counts_of_parts_merge_to_the_whole(left: list[float], right: list[float], pieces: int) -> None:
    """Counts of any parts, merged in any order, are those of the whole exactly; the moments to 1e-9."""
    grid = Grid(-2.0, 100.0, 400)
    values = np.array(left + right, dtype=np.float64)
    whole = count(grid, [values])
    merged = count(grid, [np.array(right)]).merge(count(grid, np.array_split(np.array(left), pieces)))
    assert np.array_equal(whole.counts, merged.counts)
    assert (whole.missing, whole.infinite) == (merged.missing, merged.infinite)
    finite = values[np.isfinite(values)]
    if len(finite) and np.abs(finite).max() < 1e100:
        scale = 1 + np.abs(finite).max()
        assert merged.mean == pytest.approx(float(finite.mean()), abs=1e-9 * scale)
        assert merged.sd == pytest.approx(float(finite.std()), abs=1e-6 * scale)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=60))
@settings(max_examples=200, deadline=None)
def test_cells_keep_the_order_of_values(values: list[float]) -> None:
    """A larger value never lies in an earlier cell, so that counts at edges are exact."""
    grid = grid_for(Sample(np.sort(np.array(values))))
    if grid is None:
        return
    probe = np.sort(np.array([*values, *(v * 1.0000001 for v in values), -1e300, 1e300, 0.0]))
    cells = grid.cells_of(grid.positions(probe))
    assert np.all(np.diff(cells) >= 0) and cells.min() >= 0 and cells.max() < grid.size


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("open_share", [0.001, 0.3, 1.0])
def test_values_in_cells_are_found_again(shape: str, open_share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """All finite values of chosen cells, central or not, whether their cells were kept or are found anew."""
    monkeypatch.setattr("drift.profiles.grid_counts.CHUNK", 700)
    monkeypatch.setattr("drift.profiles.grid_counts.ROWS", 300)
    rng = np.random.default_rng(12)
    grid = grid_for(sample(SHAPES[shape](rng, 9_000)), 2_000)
    if grid is None:
        assert shape == "tiny"
        return
    chunks = [SHAPES[shape](rng, 1_500) * 1.3, -SHAPES[shape](rng, 10), np.array([np.nan, np.inf, -0.0, 1e300, -1e300])]
    counts, located = locate(grid, chunks)
    chosen = rng.random(grid.size) < open_share
    values = np.concatenate(chunks)
    values = values[np.isfinite(values)]
    cells = grid.cells_of(grid.positions(values))
    assert np.array_equal(counts.counts, np.bincount(cells, minlength=grid.size))
    expected = np.sort(values[chosen[cells]])
    assert np.array_equal(in_cells(grid, chunks, chosen), expected)
    assert np.array_equal(in_cells(grid, chunks, chosen, located), expected)
    assert counts.sizes(np.flatnonzero(chosen)).sum() == len(expected)


def test_counts_on_other_grids_are_refused() -> None:
    """Only counts on the same edges can be merged."""
    with pytest.raises(ValueError, match="different grids"):
        count(Grid(0, 1, 5), [np.ones(3)]).merge(count(Grid(0, 2, 5), [np.ones(3)]))


def test_a_stored_reference_checks_the_same() -> None:
    """A reference read back, with its grids, gives the same report as the one that was written."""
    rng = np.random.default_rng(8)
    reference = build_reference([("x", rng.normal(size=30_000)), ("y", rng.lognormal(size=30_000))])
    meta, arrays = reference.to_arrays()
    again = Reference.from_arrays(json.loads(json.dumps(meta)), arrays)
    current = [("x", rng.normal(0.2, 1, size=5_000)), ("y", rng.lognormal(size=5_000))]
    reports = [check_columns(one, current, alpha=0.05).to_json() for one in (reference, again)]
    assert reports[0] == reports[1] and reports[0]["drift"]


def test_a_bounded_reference_tells_its_error() -> None:
    """Where only some of the reference's values are kept, KS tells how far it may be off, and is not further off."""
    rng = np.random.default_rng(9)
    values, current = rng.normal(size=50_000), rng.normal(0.05, 1, size=8_000)
    bounded = judge_values("x", numeric_profile(values, max_values=2_000, grid=True), current).tests["ks"]
    exact = judge_values("x", numeric_profile(values), current).tests["ks"]
    assert bounded.extras["error"] == pytest.approx(1 / 4_000)
    assert abs(bounded.statistic - exact.statistic) <= bounded.extras["error"]
