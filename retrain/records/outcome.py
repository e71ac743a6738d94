"""What a stage came to."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What a stage came to: `ok`, `retry` (may go better next time), `terminal` (will not) or `kept` (evaluate)."""

    kind: str
    result: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
