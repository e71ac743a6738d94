"""A column that varies far more than the others decides for none of them."""

import numpy as np
import pytest

from drift.check.check_columns import check_columns
from drift.check.dispersion import dispersion
from drift.check.file_dispersion import file_spreads
from drift.profiles.files import FileCounts
from drift.profiles.profile import ColumnValues
from drift.profiles.reference import Reference, build_reference, with_files

ROWS, FILES = 500, 12


def file(rng: np.random.Generator, shift: float = 0.0, walk: float = 0.0) -> dict[str, ColumnValues]:
    """Four columns; one by which the rows are sorted; `walk` is the standard deviation of what a file adds to all."""
    own = walk * rng.normal(size=4)
    columns: dict[str, ColumnValues] = {f"x{k}": rng.normal(own[k], 1, ROWS) for k in range(4)}
    columns["x1"] = columns["x1"] + shift
    return columns | {"price": np.sort(rng.lognormal(size=ROWS))}


def reference(rng: np.random.Generator, walk: float = 0.0, whole: bool = False) -> Reference:
    """Of consecutive files; sorted as a `whole`, or each of them."""
    files = [file(rng, walk=walk) for _ in range(FILES)]
    columns = {name: np.concatenate([one[name] for one in files]) for name in files[0]}
    columns["price"] = np.sort(columns["price"]) if whole else columns["price"]
    return with_files(build_reference(columns.items()), columns.items(), np.repeat(np.arange(FILES), ROWS))


@pytest.mark.parametrize("whole", [False, True])
def test_a_sorted_column_does_not_blind_the_others(whole: bool) -> None:
    """What its parts differ by is no sign that other columns' rows depend on each other: their p-values are as without
    it, and it is judged by its own parts."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        known, now = reference(rng, whole=whole), file(rng, shift=0.5)
        report = check_columns(known, now.items(), alpha=0.01)
        assert "x1" in report.drifted and not report.calibration.dependent
        by_name = {column.name: column for column in report.columns}
        assert not by_name["price"].drift and (by_name["price"].dispersion > 5) == whole
        del now["price"]
        alone = {column.name: column for column in check_columns(known, now.items(), alpha=0.01).columns}
        assert alone["x1"].dispersion == by_name["x1"].dispersion


def test_rows_that_depend_are_still_recognised_beside_it() -> None:
    """Where all columns of a file move, the parts say so, whatever one more does."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        report = check_columns(reference(rng, walk=0.3), file(rng, walk=0.3).items(), alpha=0.01)
        assert not report.drift, seed
        assert all(column.dispersion > 1 for column in report.columns if column.name != "price")


def test_few_columns_of_two_kinds() -> None:
    """Of two columns the one that varies less speaks for itself."""
    rng = np.random.default_rng(1)
    known = reference(rng)
    two = {name: known.parts[name] for name in ("x0", "price")}
    found = dispersion(two, ROWS)
    assert not found.dependent and found.spread("price", "shape").own and not found.spread("x0", "shape").own


@pytest.mark.parametrize("files", [5, 7, 12, 24])
def test_how_files_differ_is_told_by_columns_that_vary_alike(files: int) -> None:
    """A clock among the columns leaves what is known of the others as it is."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        calm = {
            f"x{k}": FileCounts(rng.poisson(50, (files, 10)), np.zeros(files, int), np.arange(9.0)) for k in range(5)
        }
        clock = FileCounts(500 * np.eye(files, dtype=int), np.zeros(files, int), np.arange(files - 1.0))
        alone, beside = file_spreads(calm), file_spreads({**calm, "clock": clock})
        assert {name: beside[name] for name in calm} == alone
        assert beside["clock"]["shape"].factor > 20
