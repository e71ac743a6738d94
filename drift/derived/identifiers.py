"""Columns that name or date rows rather than describe them (ids, row numbers, clocks), told by their values.

Such a column differs between any two files, so a test of it says nothing; and each part of a reference lies beyond the
part before, which would pass for rows that depend on each other. What separates them from measurements:

- whole numbers that **never repeat where chance would repeat them**: n draws from a range of C values leave about
  C(1 − e^(−n/C)) different ones, an id all n. Prices in cents repeat as chance has it, or more often;
- whole numbers that hardly repeat, **go one way through the file**, fill their range evenly, and show that it is not
  the file that is sorted: their steps are more regular than those of sorted draws, or they read as Unix time, or the
  next file goes on where this one ends, or their name says it;
- moments in the order of the rows, or of which nearly every row has its own, to the second;
- words of which nearly every row has its own;
- what names the file: a single value in all of its rows, where no two files of the reference share a value."""

import re
from dataclasses import dataclass

import numpy as np

from drift.notation import counted, date, number
from drift.profiles.categorical import CategoricalProfile, Codes
from drift.profiles.files import FileCounts
from drift.profiles.numeric import NumericProfile
from drift.profiles.parts import Parts
from drift.profiles.profile import ColumnValues, Profile
from drift.statistics.scores import Floats

MIN_ROWS = 100
"""Fewer values show an id only where they are consecutive whole numbers, row by row: fifty ages may well differ."""
CONSECUTIVE_ROWS = 20
RUN, RUNS = 64, 64
"""Neighbours in order of value in a run, and runs that are looked at, from all over the values."""
NEARLY_UNIQUE, MANY_DISTINCT, SOME_DISTINCT = 0.9, 1_000, 0.25
"""Shares of different values: of an id or a clock, and of a clock whose ticks several rows may share, if it has at
least 1,000 of them; a thousand stores by which a file is sorted are a small share."""
REPEATS_EXPECTED, REPEATS_FOUND = 20.0, 0.1
"""So many repeated values must be expected by chance for their absence to say something, and so few of them be found:
at 20 expected, 2 or fewer have a chance of 5e-7 (Poisson)."""
FILES = 3
"""Two files may differ because something changed; three and the one that is judged, each with a value of its own, name
themselves."""
ORDER_PROBE = 500
ONE_WAY, IN_ORDER = 0.95, 0.99
"""Of the steps between at most 500 values from all over the file, the share that goes one way, in number and in length;
or, since moments may come a little late, how closely ranks follow the order (Spearman's correlation)."""
REGULAR = 0.5
"""The squared coefficient of variation of the steps between neighbours: 1 of sorted draws, 1/3 of a counter that goes
on by any number up to some limit, 0 of a metronome."""
EVEN = 0.8
"""What lies between the 5 % and 95 % quantiles, as a share of what lies between those at 1 and 99 %: 0.92 of a clock,
0.84 of one that ticks with linearly growing frequency; 0.71 of a normal distribution, 0.64 of an exponential one."""
FEW_WORDS, MOST_WORDS = 50, 254
"""More than 254 words, half of them different, name rows; so do 50, if they have digits and hardly repeat. A column of
fewer words than that can be learned from."""
WORDS_DISTINCT, CODES_DISTINCT = 0.5, 0.95
EPOCH_S = (946_684_800.0, 4_102_444_800.0)
"""Numbers in this range that go one way are Unix seconds, or thousandths of them: years 2000 to 2100."""
MINUTE_S = 60.0
"""Moments that are finer than this are a clock's."""
NAMES = re.compile(r"(^|[_ .-])(id|uuid|guid|key|index|rowid)$|[a-z](Id|ID|Key)$", re.ASCII)
CLOCKS = re.compile(
    r"time|(^|[_ .-])(ts|date|seconds|ticks?|counter|seq(uence)?|row|step|nr|no|number)$", re.IGNORECASE
)
"""Names that confirm what values leave open: any whole numbers of a wide range that never repeat; and those that go one
way."""


def identifying(
    name: str, profile: Profile, order: Floats | None, now: ColumnValues | None = None, *, moments: bool = False
) -> str | None:
    """Why a column of that profile names or dates its rows, None where it does not. `order` are its values in the order
    of the rows, or what stands for them (`order_of`); None where that is not known. `now` are the values of another
    file, where there is one; `moments`: they are Unix seconds.

    >>> from drift.profiles.numeric import numeric_profile
    >>> values = np.arange(1000.0, 3000.0)
    >>> identifying("order", numeric_profile(values), values)
    'numbers the rows in steps of 1: 1,000 to 2,999'
    >>> prices = np.random.default_rng(0).lognormal(8, 1, 2000).round()
    >>> identifying("price", numeric_profile(prices), prices) is None
    True
    """
    if isinstance(profile, CategoricalProfile):
        return _words(profile)
    if profile.count < CONSECUTIVE_ROWS:
        return None
    return _moments(profile, order) if moments else _numbers(name, profile, order, now)


def order_of(parts: Parts | None) -> Floats | None:
    """What stands for the order of a numeric column's values: the mean place of each consecutive part, shape (k,).

    >>> from drift.profiles.parts import count_parts
    >>> np.diff(order_of(count_parts(np.arange(1000.0)))).min() > 0
    np.True_
    """
    if parts is None or parts.kind != "numeric":
        return None
    counts = parts.counts[parts.counts.sum(axis=1) > 0]
    return np.asarray(counts @ np.arange(counts.shape[1]) / counts.sum(axis=1), dtype=np.float64)


def naming_files(files: FileCounts | None, now: ColumnValues) -> str | None:
    """Why a column names its file, such as the day of an export or the number of a run; None where it does not. `files`
    are the reference's, `now` the values of the file that is judged.

    >>> from drift.profiles.files import count_files
    >>> days = np.repeat([1.0, 2.0, 3.0], 300)
    >>> naming_files(count_files(days, np.repeat([0, 1, 2], 300)), np.full(300, 4.0))
    'one value in all rows, and another one in each of the 3 files before'
    >>> naming_files(count_files(np.ones(900), np.repeat([0, 1, 2], 300)), np.full(300, 4.0)) is None
    True
    """
    if files is None or files.missing.any() or np.count_nonzero(files.rows) < FILES or not _constant(now):
        return None
    if (np.count_nonzero(files.counts, axis=0) > 1).any():
        return None
    return f"one value in all rows, and another one in each of the {np.count_nonzero(files.rows)} files before"


def _constant(values: ColumnValues) -> bool:
    held = values.codes if isinstance(values, Codes) else values
    return len(held) > 0 and bool(np.all(held == held[0])) and not (isinstance(values, Codes) and held[0] < 0)


@dataclass(frozen=True)
class _Runs:
    """What runs of neighbouring values show: whether all are `whole` numbers, the largest `step` that all differences
    are multiples of, the share of `distinct` values, repeated values `found` and `expected` of independent rows, and
    the `variation` of the differences, see `REGULAR`."""

    whole: bool
    step: float
    distinct: float
    found: float
    expected: float
    variation: float

    @property
    def never_repeats(self) -> bool:
        """Where chance would repeat values."""
        return self.expected >= REPEATS_EXPECTED and self.found <= REPEATS_FOUND * self.expected


def _numbers(name: str, profile: NumericProfile, order: Floats | None, now: ColumnValues | None) -> str | None:
    values = profile.values
    if not _whole(values[:: max(1, len(values) // RUN)]):
        return _unix_time(profile, order)
    runs = _runs(profile)
    if not runs.whole or not runs.step or runs.distinct < SOME_DISTINCT:
        return None
    span = f"{_plain(profile.minimum)} to {_plain(profile.maximum)}"
    if _consecutive(values, runs.step) and _one_way(order):
        return f"numbers the rows in steps of {_plain(runs.step)}: {span}"
    if profile.count < MIN_ROWS:
        return None
    if profile.exact and runs.distinct >= NEARLY_UNIQUE and runs.never_repeats:
        return f"numbers the rows: whole numbers that never repeat, {span}"
    if _clocklike(runs, profile, order):
        if _unix_unit(profile):
            return _unix_words(profile)
        if runs.variation <= REGULAR or CLOCKS.search(name) or NAMES.search(name) or _goes_on(values, now):
            return f"counts on from row to row: {span}"
    if profile.exact and not runs.found and NAMES.search(name):
        return f"names the rows: whole numbers that never repeat, {span}"
    return None


def _moments(profile: NumericProfile, order: Floats | None) -> str | None:
    span = profile.maximum - profile.minimum
    if not span:
        return f"one moment in all rows: {date(profile.minimum)}"
    between = f"{date(profile.minimum, span)} to {date(profile.maximum, span)}"
    if _one_way(order):
        return f"moments in the order of the rows: {between}"
    runs = _runs(profile)
    if profile.count < MIN_ROWS or runs.distinct < NEARLY_UNIQUE or not profile.exact:
        return None
    if runs.never_repeats or not runs.whole or runs.step % MINUTE_S:
        return f"nearly every row has a moment of its own: {between}"
    return None


def _unix_time(profile: NumericProfile, order: Floats | None) -> str | None:
    """Fractions that read as Unix time."""
    if profile.count < MIN_ROWS or not _unix_unit(profile) or not _clocklike(_runs(profile), profile, order):
        return None
    return _unix_words(profile)


def _unix_unit(profile: NumericProfile) -> float | None:
    """How many of the numbers are a second, if they read as Unix time."""
    low, high = EPOCH_S
    units = (unit for unit in (1.0, 1e3) if low <= profile.minimum / unit and profile.maximum / unit <= high)
    return next(units, None)


def _unix_words(profile: NumericProfile) -> str:
    unit = _unix_unit(profile) or 1.0
    span = (profile.maximum - profile.minimum) / unit
    first, last = (date(value / unit, span) for value in (profile.minimum, profile.maximum))
    return f"Unix time in the order of the rows: {first} to {last}"


def _clocklike(runs: "_Runs", profile: NumericProfile, order: Floats | None) -> bool:
    """Whether values hardly repeat, fill their range evenly, and go one way."""
    shared = profile.count * runs.distinct >= MANY_DISTINCT and runs.distinct >= SOME_DISTINCT
    hardly_repeats = runs.distinct >= NEARLY_UNIQUE or shared
    return hardly_repeats and _even(profile.values) and _one_way(order)


def _goes_on(values: Floats, now: ColumnValues | None) -> bool:
    """Whether another file begins where the sorted `values` end, or ends where they begin, and goes one way as well."""
    if now is None or isinstance(now, Codes) or not _one_way(now):
        return False
    probe = np.sort(now[:: max(1, len(now) // ORDER_PROBE)])
    probe = probe[np.isfinite(probe)]
    low, high = _at(values, 0.05), _at(values, 0.95)
    return len(probe) > 0 and bool(_at(probe, 0.05) >= high or _at(probe, 0.95) <= low)


def _words(profile: CategoricalProfile) -> str | None:
    """Of words beyond the most frequent ones a profile counts only the rows: at least so many are different as there
    are rows of them by the least frequent one that it has."""
    words = len(profile.counts) + profile.other / max(min(profile.counts.values(), default=1), 1)
    share = words / max(profile.count, 1)
    if words <= FEW_WORDS or share <= WORDS_DISTINCT:
        return None
    some = list(profile.counts)[:MIN_ROWS]
    codes = share >= CODES_DISTINCT and sum(any(map(str.isdigit, word)) for word in some) >= 0.9 * len(some)
    if words > MOST_WORDS or codes:
        return f"nearly every row has a text of its own: {number(words)} in {counted(profile.count, 'row')}"
    return None


def _runs(profile: NumericProfile) -> _Runs:
    """Of its values; steps between every k-th of sorted draws vary a k-th as much."""
    values = profile.values
    length = min(RUN, len(values))
    many = min(RUNS, len(values) // length)
    starts = np.linspace(0, len(values) - length, many).astype(np.int64)
    runs = values[starts[:, None] + np.arange(length)]
    steps = np.diff(runs, axis=1)
    found = float(np.count_nonzero(steps == 0))
    distinct = 1 - found / max(steps.size, 1)
    whole = _whole(runs)
    if not whole or distinct < SOME_DISTINCT:
        return _Runs(whole, 0.0, distinct, found, 0.0, np.inf)
    step = float(np.gcd.reduce(np.minimum(steps, 2.0**62).astype(np.int64), axis=None))
    expected = 0.0
    if step:
        cells = (runs[:, -1] - runs[:, 0]) / step + 1
        expected = float(np.sum(length - cells * -np.expm1(length * np.log1p(-1 / np.maximum(cells, 1.0 + 1e-9)))))
    means = steps.mean(axis=1)
    variation = float(np.mean(np.divide(steps.var(axis=1), means**2, out=np.ones(many), where=means > 0)))
    thinned = profile.count / len(values)
    return _Runs(whole, step, distinct, found, expected, variation * thinned)


def _whole(values: Floats) -> bool:
    return bool(np.all(values == np.rint(values)))


def _consecutive(values: Floats, step: float) -> bool:
    return bool(values[-1] - values[0] == step * (len(values) - 1))


def _one_way(order: Floats | None) -> bool:
    """Whether values hardly ever turn back."""
    if order is None:
        return False
    order = order[:: max(1, len(order) // ORDER_PROBE)]
    order = order[np.isfinite(order)]
    steps = np.diff(order)
    if len(steps) < 2 or not steps.any():
        return False
    share, length = max(np.mean(steps >= 0), np.mean(steps <= 0)), abs(steps.sum()) / np.abs(steps).sum()
    if min(share, length) >= ONE_WAY:
        return True
    ranks = np.argsort(np.argsort(order, kind="stable"), kind="stable")
    return bool(abs(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]) >= IN_ORDER)


def _even(values: Floats) -> bool:
    """Whether sorted values fill their range about evenly."""
    low, lower, upper, high = (_at(values, share) for share in (0.01, 0.05, 0.95, 0.99))
    return upper - lower >= EVEN * (high - low)


def _at(values: Floats, share: float) -> float:
    """A quantile of sorted values."""
    return float(values[int(share * (len(values) - 1))])


def _plain(value: float) -> str:
    return f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.6g}"
