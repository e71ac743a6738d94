"""A picture of one column on two sides, of the shares of its bins or of its categories."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from drift.notation import tick
from drift.report import charts

Distribution = Mapping[str, Any]
"""Either `edges` (of `dates` where that is true: seconds since 1970) or `categories`, and the shares of both sides,
`reference` and `current`; the first and the last bin also hold what lies beyond."""
MOST_CATEGORIES = 12
OTHER = "(other)"


def picture(name: str, distribution: Distribution) -> Markup | str:
    """A histogram, or bars of categories, with its numbers as a table; nothing where there is nothing to draw."""
    rows = rows_of(distribution)
    if not rows:
        return ""
    if "edges" in distribution:
        return charts.histogram(name, rows, distribution["edges"], bool(distribution.get("dates")))
    return charts.bars(name, rows)


def rows_of(distribution: Distribution) -> list[tuple[str, float, float]]:
    """Names and shares of bins, or of the largest categories and the sum of the others; nothing to draw: no rows."""
    sides = [[float(value or 0) for value in distribution.get(side, ())] for side in ("reference", "current")]
    if not any(map(any, sides)):
        return []
    if "edges" in distribution:
        edges, dates = distribution["edges"], bool(distribution.get("dates"))
        names = [tick(edge, edges[-1] - edges[0], dates) for edge in edges[:-1]]
        return list(zip(names, *sides, strict=True))
    rows = list(zip(map(str, distribution["categories"]), *sides, strict=True))
    rest = [row for row in rows if row[0] == OTHER]
    rows = sorted((row for row in rows if row[0] != OTHER), key=lambda row: -max(row[1:]))
    shown, rest = rows[:MOST_CATEGORIES], [*rest, *rows[MOST_CATEGORIES:]]
    others = [sum(row[side] for row in rest) for side in (1, 2)]
    return [*shown, (OTHER, *others)] if round(max(others), 9) else shown
