"""How much more files differ than their rows explain, told by the consecutive files that a reference counts.

Each file against the next gives a statistic that is 1 on average where rows are independent. The largest is dropped,
so that one step, to which a model has adapted, does not pass for noise; a moderated variance (Smyth 2004) then borrows
strength from the other columns, as far as these vary on their own, of those that vary alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from scipy import special

from drift.check.alike import alike
from drift.profiles.files import FileCounts
from drift.statistics.scores import Counts, Floats

Key = TypeVar("Key")

MIN_FILES = 5
"""Fewer show nothing: two differences are left of four files, of which a step may be one."""
MIN_EXPECTED = 5.0
EFFICIENCY = 2 / 3
"""Degrees of freedom of a squared difference of neighbours, which share files (von Neumann 1941). With the largest of
them dropped, k files leave (2/3)(k − 2): by 40,000 simulated references of 4 to 24 files, within 0.2."""
OWN_DF = 4.0
"""With fewer degrees of freedom, those of up to seven files, the variance of the columns' logarithms is mostly noise:
columns then share one dispersion. Of five independent files of five columns a shift of 0.3 sd was found in 92 ± 4 % in
place of 85 ± 5 % of 60 checks at a budget of 1 %, and nothing that is like the newest file alarmed in either."""
TAIL, TAIL_OFFSET = 1.57, 1.45
"""Of m such squares the largest is on average the quantile of chi-squared with the tail 1/(1.57 m + 1.45), by the same
simulation: what the others are on average follows within 0.01, from m = 4 on."""


@dataclass(frozen=True)
class FileSpread:
    """Files differ `factor` ≥ 1 times as much as their rows explain, on `df` degrees of freedom, where pairs of them
    have `rows` rows (half of the harmonic mean of two sizes)."""

    factor: float = 1.0
    df: float = np.inf
    rows: float = np.inf

    def at(self, rows: float) -> float:
        """The factor of two files of so many rows. What files have of their own weighs more in larger ones, what
        neighbouring rows share does not: the larger of both."""
        return 1 + (self.factor - 1) * max(1.0, rows / self.rows)

    def p_value(self, value: float, df: float, rows: float) -> float:
        """Of a statistic that is chi-squared with `df` degrees of freedom where rows are independent, of two files of
        so many rows. Where files differ much more than rows, they do so in one direction.

        >>> round(FileSpread().p_value(3.841458820694124, 1.0, 500.0), 9)
        0.05
        """
        factor = self.at(rows)
        left = 1 + (df - 1) / factor
        ratio = value / df / factor
        if np.isinf(self.df):
            return float(special.chdtrc(left, left * ratio))
        return float(special.fdtrc(left, self.df, ratio))


@dataclass(frozen=True, eq=False)
class _Squares:
    """Each of k files against the next: chi-squared statistics over their degrees of freedom, shape (k − 1,), and the
    rows of these pairs."""

    ratios: Floats
    df: float
    rows: float


def file_spreads(files: Mapping[Key, FileCounts]) -> dict[Key, dict[str, FileSpread]]:
    """The spreads of the tests "shape" and "missing" of columns with these files, by column; without those that fewer
    than five files have, and those that do not vary at all."""
    found: dict[Key, dict[str, FileSpread]] = {name: {} for name in files}
    for test, squares in (("shape", shape_squares), ("missing", missing_squares)):
        draws = {name: one for name, counts in files.items() if (one := squares(counts)) is not None}
        usable = {name: one for name, one in draws.items() if one.ratios.any()}
        if usable:
            spreads = _moderated(list(usable.values()))
            for name, spread in zip(usable, spreads, strict=True):
                found[name][test] = spread
    return found


def rank_mean(first: Counts, second: Counts) -> float:
    """The squared standardised difference of mean mid-ranks of two rows of counts in ascending bins (Mann and Whitney
    1947, with ties): chi-squared with one degree of freedom where nothing changed; 0 where all is one bin."""
    n, m = float(first.sum()), float(second.sum())
    if not n or not m:
        return 0.0
    both = np.asarray(first + second, dtype=np.float64)
    shares = both / (n + m)
    ranks = np.cumsum(shares) - shares / 2
    variance = float(shares @ (ranks - 0.5) ** 2) * (n + m) / (n + m - 1)
    difference = float(ranks @ (first / n - second / m))
    return difference**2 / (variance * (1 / n + 1 / m)) if variance > 0 else 0.0


def pair_rows(n: float, m: float) -> float:
    """Of two files of n and m rows: nm/(n + m)."""
    return n * m / (n + m) if n and m else 0.0


def shape_squares(files: FileCounts) -> _Squares | None:
    """Of the rank mean of numbers, of Pearson's chi-squared of categories."""
    counts = files.counts[files.rows > 0]
    if len(counts) < MIN_FILES:
        return None
    pairs = list(pairwise(counts))
    rows = float(np.mean([pair_rows(one.sum(), other.sum()) for one, other in pairs]))
    if files.kind == "numeric":
        return _Squares(np.array([rank_mean(*pair) for pair in pairs]), 1.0, rows)
    found = [_pearson(*pair) for pair in pairs]
    df = float(np.median([df for _, df in found]))
    return _Squares(np.array([value / max(own, 1.0) for value, own in found]), max(df, 1.0), rows)


def missing_squares(files: FileCounts) -> _Squares | None:
    """Of the share of missing rows."""
    if len(files.missing) < MIN_FILES:
        return None
    table = np.stack([files.missing, files.rows], axis=1)
    pairs = list(pairwise(table))
    rows = float(np.mean([pair_rows(one.sum(), other.sum()) for one, other in pairs]))
    return _Squares(np.array([_pearson(one, other, 0.0)[0] for one, other in pairs]), 1.0, rows)


def _pearson(first: Counts, second: Counts, least: float = MIN_EXPECTED) -> tuple[float, float]:
    """Chi-squared of two rows of counts, those expected less than `least` times in either counted together, and its
    degrees of freedom."""
    n, m = float(first.sum()), float(second.sum())
    expected = (first + second) * min(n, m) / (n + m)
    rare = expected < least
    if rare.any():
        first, second = (np.append(one[~rare], one[rare].sum()) for one in (first, second))
    both = first + second
    used = both > 0
    gaps = (first[used] / n - second[used] / m) ** 2 / (both[used] / (n + m))
    return float(gaps.sum() * pair_rows(n, m)), float(used.sum() - 1)


def _moderated(draws: Sequence[_Squares]) -> list[FileSpread]:
    """The dispersion of each column, drawn towards that of all that vary alike (limma's moderated variance); one that
    varies far more stands alone."""
    own = [_trimmed(one) for one in draws]
    factor, df = np.array([one for one, _ in own]), np.array([one for _, one in own])
    used = alike(factor, df)
    prior, strength = _prior(factor[used], df[used])
    many = _independent([one for one, among in zip(draws, used, strict=True) if among])
    strength = min(strength, (many - 1) * float(df[used].mean()))
    borrowed = np.where(used, strength, 0.0)
    whole = (borrowed * prior + df * factor) / (borrowed + df)
    return [
        FileSpread(max(float(value), 1.0), float(degrees), one.rows)
        for value, degrees, one in zip(whole, borrowed + df, draws, strict=True)
    ]


def _trimmed(draws: _Squares) -> tuple[float, float]:
    """The mean ratio without the largest, over what it is for independent rows, and its degrees of freedom. Where files
    differ much, they do so in one direction, and a test of many degrees of freedom tells no more than one of one."""
    kept = np.sort(draws.ratios)[:-1]
    mean = max(float(kept.mean()), 1e-6)
    df = 1 + (draws.df - 1) / max(mean / _usual(len(draws.ratios), draws.df), 1.0)
    return mean / _usual(len(draws.ratios), df), EFFICIENCY * (len(kept)) * df


def _usual(many: int, df: float) -> float:
    """The mean of all but the largest of so many chi-squared ratios."""
    largest = float(special.chdtri(df, 1 / (TAIL * many + TAIL_OFFSET))) / df
    return (many - largest) / (many - 1)


def _prior(factor: Floats, df: Floats) -> tuple[float, float]:
    """What factors vary around, and with how many degrees of freedom they do: by the mean and the variance of their
    logarithms (Smyth 2004, section 6.2)."""
    logs = np.log(factor) - special.digamma(df / 2) + np.log(df / 2)
    mean = float(logs.mean())
    if len(logs) < 2:
        return float(np.exp(mean)), 0.0
    excess = float(logs.var(ddof=1) - special.polygamma(1, df / 2).mean())
    if excess <= 0 or float(np.median(df)) < OWN_DF:
        return float(np.exp(mean)), np.inf
    half = _inverse_trigamma(excess)
    return float(np.exp(mean + special.digamma(half) - np.log(half))), 2 * half


def _inverse_trigamma(value: float) -> float:
    """By Newton's method on the reciprocal, which is nearly linear (Smyth 2004, appendix)."""
    found = 0.5 + 1 / value
    for _ in range(20):
        trigamma = float(special.polygamma(1, found))
        found += trigamma * (1 - trigamma / value) / float(special.polygamma(2, found))
    return found


def _independent(draws: Sequence[_Squares]) -> float:
    """To how many independent columns these amount: k/(1 + (k − 1)ρ²), where the mean correlation of the squares
    estimates ρ², that of what they are squares of. Each column's largest is left out here, too: a step of all columns
    at once does not make them one."""
    longest = max(len(one.ratios) for one in draws)
    table = np.stack([one.ratios for one in draws if len(one.ratios) == longest])
    rows, largest = np.arange(len(table)), table.argmax(axis=1)
    table[rows, largest] = (table.sum(axis=1) - table[rows, largest]) / (longest - 1)
    table = table[table.std(axis=1) > 0]
    many = len(table)
    if many < 2:
        return 1.0
    together = np.corrcoef(table)
    shared = max((float(together.sum()) - many) / (many * (many - 1)), 0.0)
    return many / (1 + (many - 1) * shared)
