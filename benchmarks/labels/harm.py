"""How often what is served after a promotion is worse than what was served before it: a table of the short streams."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

ARMS = ("positives-first", "positives-only", "provisional", "at-once")
HARM_SE = 2.0


def summary(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each arm, with and without a maturity."""
    yield (
        "| labels | maturity | streams | promotions | gain of one | harmful | streams with one | truly harmful "
        "| streams with one | other changes truly harmful |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for arm in ARMS:
        for matures in (False, True):
            found = [one for one in results if one["key"].startswith(f"{arm} ") and one["matures"] == matures]
            if found:
                yield _line(arm, matures, found)


def _line(arm: str, matures: bool, found: Sequence[Mapping[str, Any]]) -> str:
    told = [change for one in found for change in one["changes"] if change["next"] and change["fresh"]]
    promotions = [change for change in told if change["promoted"]]
    others = [change for change in told if not change["promoted"]]
    gain = -np.mean([change["fresh"]["mean"] for change in promotions]) if promotions else float("nan")
    cells = [arm, "yes" if matures else "no", len(found), len(promotions), f"{gain:+.4f}"]
    for harmful in (_harmful, _truly_harmful):
        streams = sum(any(c["promoted"] and harmful(c) for c in one["changes"]) for one in found)
        cells += [sum(map(harmful, promotions)), f"{streams} ({streams / len(found):.2%})"]
    cells.append(f"{sum(map(_truly_harmful, others))} of {len(others)}")
    return f"| {' | '.join(map(str, cells))} |"


def _harmful(change: Mapping[str, Any]) -> bool:
    """Worse on the batches that follow, beyond chance."""
    found = change["next"]
    return bool(found and found["mean"] > HARM_SE * found["se"] and found["mean"] > 0)


def _truly_harmful(change: Mapping[str, Any]) -> bool:
    """Worse on many rows of the moment, by more than the batches that follow can tell."""
    found, fresh = change["next"], change["fresh"]
    return bool(found and fresh and fresh["mean"] > HARM_SE * max(found["se"], fresh["se"]) and fresh["mean"] > 0)
