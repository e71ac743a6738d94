"""Which columns name or date their rows is told by their values, and no measurement is taken for one."""

from collections.abc import Callable

import numpy as np
import pytest

from drift.derived.identifiers import identifying, naming_files, order_of
from drift.profiles.categorical import encode
from drift.profiles.files import count_files
from drift.profiles.numeric import NumericProfile, numeric_profile
from drift.profiles.parts import count_parts
from drift.profiles.profile import ColumnValues, profile
from drift.statistics.scores import Floats

Make = Callable[[np.random.Generator, int], Floats]
START_S = 1.7e9


def arrivals(rng: np.random.Generator, rows: int) -> Floats:
    return START_S + np.cumsum(rng.exponential(60, rows))


IDS: dict[str, tuple[Make, int]] = {
    "row numbers": (lambda rng, n: np.arange(float(n)), 20),
    "an id in steps of ten": (lambda rng, n: 5_000 + 10.0 * np.arange(n), 20),
    "row numbers, newest first": (lambda rng, n: np.arange(float(n))[::-1], 20),
    "ids in any order": (lambda rng, n: rng.permutation(n) + 1.0, 100),
    "every tenth id, in any order": (lambda rng, n: rng.choice(10 * n, n, replace=False) * 1.0, 1_000),
    "ids with gaps": (lambda rng, n: np.cumsum(rng.integers(1, 1_000, n)) * 1.0, 100),
    "a counter": (lambda rng, n: np.cumsum(rng.poisson(5, n) + 1.0), 100),
    "Unix seconds": (lambda rng, n: arrivals(rng, n).round(), 100),
    "Unix seconds, some late": (lambda rng, n: (arrivals(rng, n) + rng.normal(0, 200, n)).round(), 300),
    "Unix seconds with fractions": (arrivals, 100),
    "Unix milliseconds": (lambda rng, n: (1e3 * arrivals(rng, n)).round(), 100),
}
FEATURES: dict[str, Make] = {
    "measurements": lambda rng, n: rng.normal(size=n),
    "sorted measurements": lambda rng, n: np.sort(rng.lognormal(3, 1, n)),
    "an even price, sorted": lambda rng, n: np.sort(rng.random(n)),
    "a price in cents": lambda rng, n: rng.lognormal(8, 1, n).round(),
    "a price in cents, sorted": lambda rng, n: np.sort(rng.lognormal(8, 1, n).round()),
    "a large price in cents": lambda rng, n: rng.lognormal(14, 1, n).round(),
    "a large price in cents, sorted": lambda rng, n: np.sort(rng.lognormal(14, 1, n).round()),
    "an even whole price, sorted": lambda rng, n: np.sort(rng.integers(1_000, 100_000, n)) * 1.0,
    "whole thousands": lambda rng, n: 1_000 * rng.integers(10, 200, n) * 1.0,
    "normal whole numbers, sorted": lambda rng, n: np.sort(rng.normal(0, 1e6, n).round()),
    "any of a billion": lambda rng, n: rng.integers(1e8, 1e9, n) * 1.0,
    "ages": lambda rng, n: rng.integers(18, 91, n) * 1.0,
    "ages, sorted": lambda rng, n: np.sort(rng.integers(18, 91, n)) * 1.0,
    "shops, sorted": lambda rng, n: np.sort(rng.integers(0, max(n // 5, 2), n)) * 1.0,
    "counts": lambda rng, n: rng.poisson(50, n) * 1.0,
    "a trend": lambda rng, n: np.round(np.arange(n) * 0.1 + rng.normal(0, 10, n)),
    "a walk": lambda rng, n: np.cumsum(rng.integers(-9, 10, n)) * 1.0,
    "a constant": lambda rng, n: np.full(n, 7.0),
    "flags": lambda rng, n: rng.integers(0, 2, n) * 1.0,
}


@pytest.mark.parametrize(
    ("name", "rows"), [(name, n) for name in IDS for n in (20, 100, 300, 1_000, 20_000) if n >= IDS[name][1]]
)
def test_what_names_or_dates_rows_is_recognised(name: str, rows: int) -> None:
    """From so few rows on, by the values in their order; from 1,000 rows on also by what a reference keeps of them."""
    make, _ = IDS[name]
    for seed in range(5):
        values = make(np.random.default_rng(seed), rows)
        assert identifying("x", numeric_profile(values), values), seed
        if rows >= 1_000:
            assert identifying("x", numeric_profile(values), order_of(count_parts(values))), seed


@pytest.mark.parametrize("rows", [20, 50, 100, 300, 1_000, 20_000])
@pytest.mark.parametrize("name", FEATURES)
def test_no_measurement_is_taken_for_an_id(name: str, rows: int) -> None:
    """Whatever its order: whole prices, sorted files, few rows."""
    for seed in range(10):
        values = FEATURES[name](np.random.default_rng(seed), rows)
        assert identifying("x", numeric_profile(values), values) is None, seed
        assert identifying("x", numeric_profile(values), order_of(count_parts(values))) is None, seed


def test_fifty_sorted_ages_that_all_differ_stay_a_feature() -> None:
    """Few rows hardly repeat by chance either."""
    for seed in range(20):
        ages = np.sort(np.random.default_rng(seed).choice(73, 50, replace=False)) + 18.0
        assert identifying("age", numeric_profile(ages), ages) is None


def test_a_file_that_goes_on_where_the_other_ends_tells_a_clock() -> None:
    """Sorted draws and a clock of whole numbers look alike in one file; in two they do not."""
    rng = np.random.default_rng(1)
    clock = np.cumsum(rng.exponential(500, 2_000)).round()
    assert identifying("x", numeric_profile(clock[:1_500]), clock[:1_500]) is None
    assert identifying("x", numeric_profile(clock[:1_500]), clock[:1_500], clock[1_500:])
    other = np.sort(rng.uniform(0, clock[1_500], 500)).round()
    assert identifying("x", numeric_profile(clock[:1_500]), clock[:1_500], other) is None


def test_a_name_confirms_what_values_leave_open() -> None:
    """Any of a billion numbers may be a measurement; one that is called an id is an id, unless it repeats."""
    rng = np.random.default_rng(2)
    values = rng.integers(1e8, 1e9, 1_000) * 1.0
    for name in ("customer_id", "customerId", "order key", "id"):
        assert identifying(name, numeric_profile(values), values)
        assert identifying(name, numeric_profile(values.repeat(3)), values.repeat(3)) is None
    assert identifying("liquid", numeric_profile(values), values) is None


def test_missing_values_and_order_count_only_where_they_are() -> None:
    """An id with gaps is one; in a reference whose parts are not known it is told by its values alone."""
    values = np.arange(2_000.0)
    values[::7] = np.nan
    assert identifying("x", numeric_profile(values), values)
    assert identifying("x", numeric_profile(values), None)


@pytest.mark.parametrize("rows", [20, 1_000])
def test_moments(rows: int) -> None:
    """In the order of rows, or to the second in any order; a birthday, a day of booking or an hour are features."""
    rng = np.random.default_rng(3)
    seconds, days = arrivals(rng, rows).round(), 86_400.0 * rng.integers(0, 20_000, rows)
    hours = 3_600.0 * rng.integers(0, 100_000, rows)

    def reason(values: Floats) -> str | None:
        return identifying("x", numeric_profile(values), values, moments=True)

    assert "in the order of the rows" in str(reason(seconds))
    assert "in the order of the rows" in str(reason(np.sort(days)))
    assert "one moment" in str(reason(np.full(rows, START_S)))
    for any_order in (rng.permutation(seconds), rng.uniform(0, START_S, rows)):
        assert (reason(any_order) is not None) == (rows == 1_000)
    assert reason(days) is None and reason(hours) is None


@pytest.mark.parametrize(
    ("words", "names_rows"),
    [
        ([f"ORD-{i:05}" for i in range(60)], True),
        ([f"{i * 7919 % 10**6:06x}-{i}" for i in range(1_000)], True),
        ([f"name {chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(60)], False),
        (["a", "b", "c"] * 400, False),
        ([f"city {i * i % 251}" for i in range(600)], False),
        ([f"user {i}" for i in range(15_000)], True),
    ],
)
def test_words(words: list[str], names_rows: bool) -> None:
    """Codes of their own in nearly every row name rows; words that may group rows do not, though few repeat."""
    assert (identifying("x", profile(encode(words)), None) is not None) == names_rows


def test_of_a_thinned_profile_only_the_order_tells() -> None:
    """Where a reference keeps every so-many-th value, that few repeat means nothing."""
    rng = np.random.default_rng(4)
    for values, expected in ((np.arange(50_000.0), True), (np.sort(rng.integers(0, 10**6, 50_000)) * 1.0, False)):
        thinned = numeric_profile(values, max_values=5_000)
        assert isinstance(thinned, NumericProfile) and not thinned.exact
        assert (identifying("x", thinned, values) is not None) == expected


@pytest.mark.parametrize("words", [False, True])
def test_what_has_a_value_of_its_own_in_each_file_names_files(words: bool) -> None:
    """Such as a day or a run; not where files share a value, vary within, or are too few to tell."""

    def column(values: list[int]) -> ColumnValues:
        return encode([f"run {value}" for value in values]) if words else np.asarray(values, dtype=np.float64)

    def told(values: list[int], now: list[int]) -> bool:
        return naming_files(count_files(column(values), np.repeat([0, 1, 2], 300)), column(now)) is not None

    runs = [run for run in (1, 2, 3) for _ in range(300)]
    assert told(runs, [4] * 50) and told(runs, [3] * 50)
    assert not told(runs, [4] * 50 + [5])
    assert not told([1] * 600 + [2] * 300, [4] * 50)
    assert not told([*runs[:-1], 1], [4] * 50)
    two = count_files(column(runs[:600]), np.repeat([0, 1], 300))
    assert naming_files(two, column([4] * 50)) is None and naming_files(None, column([4])) is None
