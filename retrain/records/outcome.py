"""What a stage came to."""

from dataclasses import dataclass, field
from typing import Any, Literal

OutcomeKind = Literal["ok", "kept", "retry", "terminal"]


@dataclass(frozen=True)
class Outcome:
    """`ok`, `kept` (evaluate: the champion stays), `retry` (it may go better next time) or `terminal` (it will not).
    `result` is the stage's, as JSON."""

    kind: OutcomeKind
    result: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
