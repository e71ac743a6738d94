"""What a stage came to."""

from dataclasses import dataclass, field
from typing import Any, Literal

OutcomeKind = Literal["ok", "kept", "retry", "terminal"]


@dataclass(frozen=True)
class Outcome:
    """`ok`, `kept` (evaluate: the champion stays), `retry` (it may go better next time) or `terminal` (it will not).
    `result` is the stage's, as JSON; `raised` says that the stage's own code raised the reason of a retry, which the
    world has no part in."""

    kind: OutcomeKind
    result: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    raised: bool = False
