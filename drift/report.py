"""The verdict of a check: a report a column, and the report of all of them."""

from dataclasses import dataclass, field
from typing import Any

from drift.scores import Score, finite
from drift.shares import ShareTest

DECISIVE = ("ks", "chi_squared")


@dataclass(frozen=True)
class ColumnReport:
    """One column, or one output, against its reference.

    `effect` is the KS distance of a numeric column and the total variation of a categorical one; `p_adjusted`
    is of the KS or chi-squared test; `change` tells in words what moved; `reason` why nothing was tested."""

    name: str
    kind: str
    tests: dict[str, Score]
    effect: float | None
    missing: ShareTest
    unseen: ShareTest | None = None
    reason: str | None = None
    change: str = ""
    p_adjusted: float | None = None
    drift: bool = False
    sentence: str = ""

    @property
    def p_value(self) -> float | None:
        """The p-value of the test of the distribution."""
        for name in DECISIVE:
            if name in self.tests:
                return self.tests[name].p_value
        return None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        value: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "drift": self.drift,
            "tests": {name: score.to_json() for name, score in self.tests.items()},
            "p_adjusted": finite(self.p_adjusted),
            "effect": finite(self.effect),
            "missing": self.missing.to_json(),
        }
        if self.unseen is not None:
            unseen = self.unseen.to_json()
            expected = unseen.pop("reference")
            share = unseen.pop("current")
            value["unseen"] = {
                "share": share,
                "values": list(self.unseen.values),
                "expected": expected,
                **unseen,
            }
        if self.reason is not None:
            value["reason"] = self.reason
        if self.sentence:
            value["sentence"] = self.sentence
        return value


@dataclass(frozen=True)
class DriftReport:
    """All columns and outputs of one check; `alpha` is the rate of false alarms of the whole of it.

    `episode` is the drift episode that the check belongs to, known only to who keeps episodes; `notes` are
    sentences about columns that could not be compared."""

    columns: tuple[ColumnReport, ...]
    outputs: tuple[ColumnReport, ...]
    drift: bool
    alpha: float
    min_effect: float
    reference_rows: int
    current_rows: int
    episode: int | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the drifted columns, then of the drifted outputs."""
        return tuple(column.name for column in (*self.columns, *self.outputs) if column.drift)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values: the shape of `driftd compare --json`, with the outputs."""
        return {
            "reference": {"rows": self.reference_rows},
            "current": {"rows": self.current_rows},
            "drift": self.drift,
            "alpha": self.alpha,
            "min_effect": self.min_effect,
            "episode": self.episode,
            "columns": [column.to_json() for column in self.columns],
            "outputs": [column.to_json() for column in self.outputs],
            "notes": list(self.notes),
        }
