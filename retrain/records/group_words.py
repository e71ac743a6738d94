"""What happened to a group of rows, in words."""

from collections.abc import Mapping
from typing import Any

from drift.notation import score


def group_words(found: Mapping[str, Any]) -> str:
    """A group that does worse, or two that differ by more than is allowed, as the ledger keeps them.

    >>> group_words({"column": "region", "group": "north", "value": 0.7, "reference": 0.81, "drop": 0.11})
    'region is north: 0.7000, 0.1100 worse than the 0.8100 before'
    >>> group_words({"column": "region", "figure": "selection rate", "high": "south", "low": "north",
    ...              "difference": 0.21, "interval": [0.12, 0.3]})
    'selection rate by region: south is 21.0 points above north (95% interval 12.0 to 30.0)'
    """
    column = found["column"]
    if "figure" in found:
        low, high = found["interval"]
        return (
            f"{found['figure']} by {column}: {found['high']} is {100 * found['difference']:.1f} points above "
            f"{found['low']} (95% interval {100 * low:.1f} to {100 * high:.1f})"
        )
    values = f"{score(found['value'])}, {score(found['drop'])} worse than the {score(found['reference'])} before"
    return f"{column} is {found['group']}: {values}"
