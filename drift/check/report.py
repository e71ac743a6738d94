"""The verdict of a check: a report a column, and the report of all of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from drift.check.dispersion import Evidence
from drift.statistics.scores import Score, finite
from drift.statistics.shares import ShareTest

DECISIVE = ("ks", "chi_squared")


@dataclass(frozen=True)
class ColumnReport:
    """One column, or one output, against its reference.

    `effect` is the KS distance of a numeric column and the total variation of a categorical one; `p_adjusted`
    is of the KS or chi-squared test, for all tests of the check and for rows that depend on each other; `dispersion`
    is by how much these multiply the test's statistic; `p_newest` is the adjusted p-value of the second test, against
    the newest file, None where the first rejected nothing or there is no such file; `change` tells in words what moved;
    `means` are those of numbers before and now; `reason` why nothing was tested; `evidence` are the statistics of its
    tests, by "shape", "missing" and "unseen"."""

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
    dispersion: float | None = None
    p_newest: float | None = None
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    means: tuple[float, float] | None = None

    @property
    def p_value(self) -> float | None:
        """The p-value of the test of the distribution."""
        for name in DECISIVE:
            if name in self.tests:
                return self.tests[name].p_value
        return None

    @property
    def p_values(self) -> dict[str, float]:
        """Those of its tests that have one: "shape", "missing" and "unseen"."""
        unseen = None if self.unseen is None else self.unseen.p_value
        found = {"shape": self.p_value, "missing": self.missing.p_value, "unseen": unseen}
        return {test: p_value for test, p_value in found.items() if p_value is not None}

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        value: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "drift": self.drift,
            "tests": {name: score.to_json() for name, score in self.tests.items()},
            "p_adjusted": finite(self.p_adjusted),
            "effect": finite(self.effect),
            "dispersion": finite(self.dispersion),
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
        if self.p_newest is not None:
            value["p_newest"] = self.p_newest
        if self.reason is not None:
            value["reason"] = self.reason
        if self.sentence:
            value["sentence"] = self.sentence
        return value


@dataclass(frozen=True)
class Calibration:
    """What the rate of false alarms rests on.

    `threshold` is the p_adjusted up to which a test alarms, below alpha where the reference is large enough to be kept;
    `checks_per_false_alarm` is how many checks without drift one expects to alarm falsely; `kept_rate` what 95 % of
    references of this size stay below when kept for many checks; `dependent` whether the reference's `parts`, of
    `part_rows` rows each, differ more than independent rows would, and `dispersion` by how much; `warnings` say in
    words what the budget does not cover."""

    threshold: float
    checks_per_false_alarm: float
    kept_rate: float
    parts: int = 0
    part_rows: float = 0.0
    dependent: bool = False
    dispersion: float = 1.0
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {key: finite(value) for key, value in asdict(self).items()} | {"warnings": list(self.warnings)}


@dataclass(frozen=True)
class DriftReport:
    """All columns and outputs of one check; `alpha` is the rate of false alarms of the whole of it.

    `notes` are sentences about columns that could not be compared; `left_out` tells by name why columns were not."""

    columns: tuple[ColumnReport, ...]
    outputs: tuple[ColumnReport, ...]
    drift: bool
    alpha: float
    min_effect: float
    reference_rows: int
    current_rows: int
    calibration: Calibration
    notes: tuple[str, ...] = field(default=())
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def untested(self) -> str | None:
        """Why no column or output was tested at all: the reason of the first one; None where any was."""
        reports = (*self.columns, *self.outputs)
        if any(report.evidence or report.p_adjusted is not None for report in reports):
            return None
        return next((report.reason for report in reports if report.reason), "no column is left to compare")

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
            "untested": self.untested,
            "alpha": self.alpha,
            "min_effect": self.min_effect,
            "calibration": self.calibration.to_json(),
            "columns": [column.to_json() for column in self.columns],
            "outputs": [column.to_json() for column in self.outputs],
            "left_out": [{"name": name, "reason": reason} for name, reason in self.left_out.items()],
            "notes": list(self.notes),
        }
