"""What the labels of one file say about the champion, its twins and its predecessor."""

from dataclasses import dataclass, field
from typing import Any

from msgspec import convert

Moments = tuple[float, float, int]
"""Mean, variance (or standard error, where noted) and number of rows."""


@dataclass(frozen=True)
class Assessment:
    """What the labels of one file say, in the unit of the metric's loss (see `retrain.metrics.losses`).

    `loss` is what the served deployment cost a row. By window: `twins` what twins cost that were trained before the
    file, `gains` how much more the deployment cost (mean, standard error, rows), `fresh` the same on the file's
    reservoir for twins trained with the file; `pairs` "a|b" the moments of the differences of two twins. `rival` are
    the moments of what the deployment cost more than its predecessor, `plain` of what it cost more than its newest
    version alone, without adjustments.

    Small files, and those with few labels, are assessed together: `files` are their seqs, `seq` the newest of these.
    `key` says of which labels and versions it was made: other labels, another assessment in its place."""

    id: int
    seq: int
    rows: int
    metric: str
    score: float | None
    loss: float
    twins: dict[str, float] = field(default_factory=dict)
    pairs: dict[str, Moments] = field(default_factory=dict)
    gains: dict[str, Moments] = field(default_factory=dict)
    fresh: dict[str, Moments] = field(default_factory=dict)
    rival: Moments | None = None
    newest: str = ""
    key: str = ""
    files: tuple[int, ...] = ()
    plain: Moments | None = None

    @classmethod
    def from_json(cls, key: int, value: dict[str, Any]) -> "Assessment":
        """Of a result of `retrain.monitoring.file_assessment`."""
        return convert({**value, "id": key}, cls)
