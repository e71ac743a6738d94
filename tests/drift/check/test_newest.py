"""The second test of a check: data like the newest file of the reference is no drift, and hardly any power is lost."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from drift.check.check_columns import check_columns
from drift.check.dispersion import Spread
from drift.check.file_dispersion import FileSpread, file_spreads, rank_mean
from drift.check.newest import against_newest
from drift.check.report import DriftReport
from drift.profiles.categorical import Codes
from drift.profiles.files import FileCounts, count_files, file_groups
from drift.profiles.profile import ColumnValues
from drift.profiles.reference import Reference, build_reference, with_files

WORDS = tuple("abcdef")
Columns = dict[str, ColumnValues]


def numbers(rng: np.random.Generator, rows: int, shift: float = 0.0, jitter: float = 0.0, columns: int = 6) -> Columns:
    """One file; `jitter` is the standard deviation of what each of its columns has of its own."""
    own = shift + jitter * rng.normal(size=columns)
    return {f"x{k}": rng.normal(own[k], 1, rows) for k in range(columns)}


def words(rng: np.random.Generator, rows: int, moved: float = 0.0, missing: float = 0.0) -> Columns:
    """One file of five columns of six categories; `moved` is how much more often the last one comes than before."""
    shares = np.array([0.3, 0.25, 0.2, 0.15, 0.08, 0.02]) * (1 - moved) + moved * np.eye(6)[5]
    codes = [rng.choice(6, rows, p=shares) for _ in range(5)]
    return {f"c{k}": Codes(np.where(rng.random(rows) < missing, -1, one), WORDS) for k, one in enumerate(codes)}


def joined(files: Sequence[Columns]) -> Columns:
    """The files, one after the other."""
    found: Columns = {}
    for name, first in files[0].items():
        pieces = [file[name] for file in files]
        if isinstance(first, Codes):
            found[name] = Codes(np.concatenate([p.codes for p in pieces if isinstance(p, Codes)]), first.names)
        else:
            found[name] = np.concatenate([p for p in pieces if not isinstance(p, Codes)])
    return found


def reference(files: Sequence[Columns]) -> Reference:
    """What a model trained on these files would be checked by."""
    sizes = [len(v.codes if isinstance(v, Codes) else v) for v in (next(iter(file.values())) for file in files)]
    columns = joined(files)
    return with_files(build_reference(columns.items()), columns.items(), np.repeat(np.arange(len(files)), sizes))


def checked(known: Reference, now: Columns, alpha: float = 0.0375) -> DriftReport:
    """A check at three quarters of a budget of 5 %, as performance has the last one."""
    return check_columns(known, now.items(), alpha=alpha)


def test_a_new_regime_is_no_drift_once_it_is_the_newest_file() -> None:
    """Nine old files and one after a step of two standard deviations: the like of the newest alarms hardly ever, whether files have effects of their own or not, and the report says why."""
    for jitter in (0.0, 0.1):
        alarms = 0
        for seed in range(10):
            rng = np.random.default_rng([1, seed])
            known = reference([numbers(rng, 400, 2.0 * (k == 9), jitter) for k in range(10)])
            report = checked(known, numbers(rng, 400, 2.0, jitter))
            alarms += report.drift
            assert report.drift or "not beyond doubt unlike its newest file: x0 (p " in report.notes[-1]
        assert alarms <= 1


def test_a_shift_that_neither_old_nor_newest_rows_show_is_found() -> None:
    """0.3 standard deviations in one of 20 columns, files of 1,000 rows: nearly always at 5 %, mostly at 1 %; also after
    a step to which the newest three files belong, where both tests must see it."""
    for step in (0.0, 2.0):
        found = np.zeros(2)
        for seed in range(6):
            rng = np.random.default_rng([2, seed])
            files = [numbers(rng, 1000, step * (k >= 8), columns=20) for k in range(11)]
            now = numbers(rng, 1000, step, columns=20)
            now["x3"] = np.asarray(now["x3"]) + 0.3
            known = reference(files)
            found += [checked(known, now, alpha).drift for alpha in (0.0375, 0.0075)]
        assert found[0] >= 6 - (step > 0) and found[1] >= 5 - 2 * (step > 0)


def test_what_came_before_the_newest_file_is_found_when_it_returns() -> None:
    """The newest file alone is of the new regime; the old one is unlike it, but like most rows: no drift. A third regime
    is one."""
    rng = np.random.default_rng(3)
    known = reference([numbers(rng, 500, 2.0 * (k >= 5)) for k in range(10)])
    assert checked(known, numbers(rng, 500, 0.0)).drift
    assert checked(known, numbers(rng, 500, 4.0)).drift
    assert not checked(known, numbers(rng, 500, 2.0)).drift


@pytest.mark.parametrize("sizes", [(300, 3000, 800, 100, 50, 2000, 1000, 150, 4000, 500), (900, 40, 40, 40, 40, 40)])
def test_files_of_unequal_size(sizes: tuple[int, ...]) -> None:
    """Small neighbours count as one file; new rows like the newest are no drift whatever their number, a shift is."""
    rng = np.random.default_rng(4)
    known = reference([numbers(rng, rows, 2.0 * (k >= len(sizes) - 5), 0.05) for k, rows in enumerate(sizes)])
    for rows in (100, 1000, 5000):
        assert not checked(known, numbers(rng, rows, 2.0, 0.05)).drift
        assert checked(known, numbers(rng, rows, 4.0, 0.05)).drift


def test_categories_and_missing_shares_of_the_newest_file() -> None:
    """A category, or missing values, that became frequent in the newest file is no drift when the next file has it too;
    what the newest file has not, is."""
    for change in ({"moved": 0.2}, {"missing": 0.2}):
        alarms = found = 0
        for seed in range(8):
            rng = np.random.default_rng([5, seed])
            known = reference([words(rng, 600, **(change if k == 9 else {})) for k in range(10)])
            alarms += checked(known, words(rng, 600, **change)).drift
            found += checked(known, words(rng, 600, **dict.fromkeys(change, 0.4))).drift
            before = reference([words(rng, 600) for _ in range(10)])
            assert checked(before, words(rng, 600, **change)).drift
        assert alarms <= 1 and found == 8


def test_categories_that_only_held_out_rows_have() -> None:
    """A category new in rows that the first test was spared, but counted in the newest file, is none never seen."""
    rng = np.random.default_rng(6)
    names = ("a", "b", "new")
    old, newest, now = (rng.choice(3, 500, p=p) for p in ([0.5, 0.5, 0], [0.3, 0.3, 0.4], [0.3, 0.3, 0.4]))
    whole = Codes(np.concatenate([np.tile(old, 5), newest]), names)
    plain = build_reference([("c", Codes(np.tile(old, 5), names))])
    known = with_files(plain, [("c", whole)], np.repeat(np.arange(6), 500))
    assert known.files["c"].unseen == int((newest == 2).sum())
    assert checked(plain, {"c": Codes(now, names)}).drift and not checked(known, {"c": Codes(now, names)}).drift


@pytest.mark.parametrize("files", [1, 2, 3, 4])
def test_few_files_are_judged_with_care(files: int) -> None:
    """Below five files nothing shows how they differ: a clear change is found all the same, and the like of the newest
    file alarms hardly ever."""
    alarms = found = 0
    for seed in range(8):
        rng = np.random.default_rng([7, seed])
        known = reference([numbers(rng, 500, 2.0 * (k == files - 1)) for k in range(files)])
        alarms += checked(known, numbers(rng, 500, 2.0)).drift
        found += checked(known, numbers(rng, 500, 2.5)).drift
    assert alarms <= 1 and found == 8


def test_spreads_of_independent_files_are_one() -> None:
    """Rows that depend on nothing differ from file to file by what chance explains; effects of files show, a single
    step hardly does."""
    rng = np.random.default_rng(10)
    still = file_spreads(reference([numbers(rng, 1000, columns=20) for _ in range(10)]).files)
    moved = file_spreads(reference([numbers(rng, 1000, 3.0 * (k >= 6), columns=20) for k in range(10)]).files)
    noisy = file_spreads(reference([numbers(rng, 1000, jitter=0.2, columns=20) for _ in range(10)]).files)
    for spreads in (still, moved):
        assert np.mean([one["shape"].factor for one in spreads.values()]) < (1.3 if spreads is still else 1.8)
        assert all(one["shape"].df > 5 for one in spreads.values())
    assert np.median([one["shape"].factor for one in noisy.values()]) == pytest.approx(1 + 0.2**2 * 1000, rel=0.5)


def test_p_values_against_the_newest_file_are_uniform() -> None:
    """Where files have effects of their own, the p-values of the next file are below 5 % in about 5 % of columns, of
    numbers and of categories; without effects in no more."""
    for jitter in (0.0, 0.1):
        rng, below, many = np.random.default_rng(9), 0, 0
        for _ in range(10):
            files = [numbers(rng, 300, jitter=jitter, columns=12) for _ in range(10)]
            known, now = reference(files), numbers(rng, 300, jitter=jitter, columns=12)
            spreads = file_spreads(known.files)
            for name, values in now.items():
                report = check_columns(known, [(name, values)], alpha=0.05).columns[0]
                test = against_newest(known.files[name], spreads[name], report, values)[name, "shape"]
                many += 1
                below += test.p_value(Spread(1.0)) <= 0.05
        assert below / many <= 0.085


def test_rank_means_are_mann_whitneys() -> None:
    """Where each value has a bin of its own, ties or not."""
    rng = np.random.default_rng(10)
    for draw in (lambda n: rng.normal(size=n), lambda n: rng.integers(0, 9, n).astype(float)):
        one, other = draw(80), draw(120)
        values = np.unique(np.concatenate([one, other]))
        counts = [np.bincount(np.searchsorted(values, side), minlength=len(values)) for side in (one, other)]
        expected = stats.mannwhitneyu(one, other, use_continuity=False, method="asymptotic").pvalue
        assert stats.chi2.sf(rank_mean(*counts), 1) == pytest.approx(expected)


def test_a_spread_counts_more_between_larger_files() -> None:
    """What files have of their own outweighs their rows' chance the more rows they have; never less than measured."""
    spread = FileSpread(factor=3.0, df=8.0, rows=500.0)
    assert spread.at(250) == 3.0 and spread.at(1000) == 5.0
    assert spread.p_value(20.0, 1.0, 1000) > spread.p_value(20.0, 1.0, 500) > FileSpread().p_value(20.0, 1.0, 500)


def test_files_keep_every_row_and_at_most_24() -> None:
    """The newest files are kept, neighbours of fewer than 200 rows as one; every one of their rows counts."""
    groups: NDArray[np.int64] = file_groups(np.repeat(np.arange(30), 250))
    assert groups.min() == -1 and groups.max() == 23 and (groups[-250:] == 23).all() and (groups == -1).sum() == 1500
    assert file_groups(np.repeat([3, 5], [50, 60])).tolist() == [0] * 110
    counted: FileCounts = count_files(np.append(np.arange(999.0), np.nan), np.repeat([0, 1], 500))
    assert counted.rows.tolist() == [500, 499] and counted.missing.tolist() == [0, 1]
    thinned = count_files(np.arange(500.0), np.repeat([0, 1], 500))
    assert thinned.rows.tolist() == [250, 250]


def test_five_files_of_few_columns_are_enough_to_find_half_a_standard_deviation() -> None:
    """However their own differences came out: with so few files the columns share one estimate of it."""
    places = tuple(f"place {k}" for k in range(40))

    def file(rng: np.random.Generator, shift: float = 0.0) -> Columns:
        place = Codes(rng.integers(0, 40, 1000), places)
        plan = Codes(rng.integers(0, 2, 1000), ("a", "b"))
        return numbers(rng, 1000, columns=2) | {"x0": rng.normal(shift, 1, 1000), "place": place, "plan": plan}

    for seed in range(30):
        rng = np.random.default_rng(seed)
        known = reference([file(rng) for _ in range(5)])
        assert min(one["shape"].df for one in file_spreads(known.files).values()) > 5, seed
        assert "x0" in checked(known, file(rng, 0.5), alpha=0.0075).drifted, seed
