"""All statistics of a column: the judge, the pages, the docs' table and the family's tests iterate this list.

A new one is a file that declares its `STATISTIC`, listed here."""

from collections.abc import Iterator

from drift.statistics import (
    anderson_darling,
    chi_squared,
    cramer_von_mises,
    energy_distance,
    fisher,
    g_test,
    hellinger,
    jensen_shannon,
    ks,
    kullback_leibler,
    mann_whitney,
    psi,
    total_variation,
    wasserstein,
)
from drift.statistics.scores import Score
from drift.statistics.statistic import Kind, Pair, Statistic

STATISTICS: tuple[Statistic, ...] = (
    ks.STATISTIC,
    wasserstein.STATISTIC,
    chi_squared.STATISTIC,
    total_variation.STATISTIC,
    psi.STATISTIC,
    jensen_shannon.STATISTIC,
    cramer_von_mises.STATISTIC,
    anderson_darling.STATISTIC,
    mann_whitney.STATISTIC,
    energy_distance.STATISTIC,
    g_test.STATISTIC,
    hellinger.STATISTIC,
    kullback_leibler.STATISTIC,
    fisher.STATISTIC,
)
"""In the order in which reports have them."""


def statistics_of(kind: Kind, exact: bool = False) -> Iterator[Statistic]:
    """Those of a kind of column: of every check, and with `exact` all.

    >>> [statistic.name for statistic in statistics_of("categorical")]
    ['chi_squared', 'total_variation', 'psi', 'jensen_shannon']
    """
    return (one for one in STATISTICS if kind in one.kinds and (exact or not one.with_exact))


def scores(kind: Kind, pair: Pair, exact: bool = False) -> dict[str, Score]:
    """Every statistic of a column by name."""
    return {statistic.name: statistic.score(pair) for statistic in statistics_of(kind, exact)}


def title(name: str) -> str:
    """What people read for a statistic's name; an unknown name, as of an older report, stands for itself.

    >>> title("ks"), title("jensen_shannon")
    ('KS', 'Jensen–Shannon')
    """
    return next((statistic.title for statistic in STATISTICS if statistic.name == name), name.replace("_", " "))


def statistics_table() -> str:
    """The docs' table of all statistics, in Markdown."""
    lines = ["| name | of | what | source |", "|---|---|---|---|"]
    for one in STATISTICS:
        of = " and ".join({"numeric": "numbers", "categorical": "categories"}[kind] for kind in one.kinds)
        of += ", with `--exact`" if one.with_exact else ""
        lines.append(f"| `{one.name}` | {of} | {one.what} | {one.source} |")
    return "\n".join(lines) + "\n"
