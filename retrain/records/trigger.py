"""Why a cycle was opened."""

from dataclasses import dataclass, field
from typing import Any, Literal

TriggerKind = Literal[
    "first_model", "environment", "schema", "prepare", "regret", "drift", "performance", "schedule", "age", "new_data",
    "growth", "manual", "adopt", "reference",
]  # fmt: skip


@dataclass(frozen=True)
class Trigger:
    """`reason` is a sentence with its numbers; `evidence` has the numbers, as JSON."""

    kind: TriggerKind
    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)
