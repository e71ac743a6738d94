"""What would have been: on each file whose labels are in, the version before the one that was served, and a fresh small
model, as the assessments of the planner measured them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from daemon.ledger import quality
from daemon.reading.rejects import printable

NEAR = 0.005
"""A metric of which 1 less the mean loss of a row, or that mean itself, is the value but for so much is one of rows: a
difference of losses is one of the metric. Of others nothing is told."""
Point = dict[str, Any]


def with_ghosts(conn: Connection, model: str, task: str, points: Sequence[Point]) -> list[Point]:
    """The points with `without`, what the file would have had without the last retrain, and `fresh`, with a small model
    that was trained right before it, of the window that most files were judged by; None where that is not known, as of
    recommendations, whose savings are shares of what was served."""
    is_known = points and task != "recommendation"
    assessed = quality.of_assessments(conn, model, len(points)) if is_known else ()
    found = {(printable(row.path), row.at): row.found for row in assessed}
    windows = Counter(window for one in found.values() for window in one.get("gains") or ())
    window = max(windows, key=lambda name: (windows[name], name), default="")
    return [point | _ghosts(point, found.get((point["file"], point["at"])), window) for point in points]


def _ghosts(point: Point, found: Mapping[str, Any] | None, window: str) -> dict[str, float | None]:
    """A file's. `rival` has how much more what is served cost a row than the version before it, `gains` than twins of
    each window: from the `score` of what is served on the same rows, which may be another than what was answered then.

    >>> found = {"metric": "accuracy", "score": 0.8, "loss": 0.2, "rival": [-0.05, 0.1, 9]}
    >>> found["gains"] = {"all": [0.01, 0.0, 9]}
    >>> {key: round(value, 3) for key, value in _ghosts({"metric": "accuracy", "value": 0.7}, found, "all").items()}
    {'without': 0.75, 'fresh': 0.81}
    """
    nothing: dict[str, float | None] = {"without": None, "fresh": None}
    if found is None or point["value"] is None or found.get("metric") != point["metric"]:
        return nothing
    score = found.get("score")
    sign = _sign(score, found.get("loss"))
    fresh = (found.get("gains") or {}).get(window) or [None]
    differences = {"without": (found.get("rival") or [None])[0], "fresh": fresh[0]}
    if sign is None or score is None:
        return nothing
    return {key: None if by is None else score + sign * by for key, by in differences.items()}


def _sign(score: float | None, loss: float | None) -> int | None:
    """1 where less loss is a larger value, -1 where it is a smaller one; None where the loss does not tell the value.

    >>> _sign(0.8, 0.2), _sign(3.1, 3.1), _sign(0.91, 0.3)
    (1, -1, None)
    """
    if score is None or loss is None:
        return None
    near = NEAR * max(1.0, abs(score))
    return 1 if abs(1 - loss - score) <= near else -1 if abs(loss - score) <= near else None
