"""Why a cycle was opened."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Trigger:
    """Why a cycle was opened. `kind` is one of first_model, environment, schema, regret, drift, performance,
    schedule, age, new_data, growth, manual; `reason` is a sentence with its numbers; `evidence` has the numbers."""

    kind: str
    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)
