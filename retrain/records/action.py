"""What the planner wants done."""

from dataclasses import dataclass
from typing import Any

from retrain.records.trigger import Trigger


@dataclass(frozen=True)
class Action:
    """The planner's answer. `kind` is `open` (a cycle, for `trigger`), `reweigh` (serve `proposal`: no training),
    `rollback`, `idle`, `wait` (until `until`, or for something to happen) or `observe` (would have opened, but the mode
    changes nothing); `reason` is for people."""

    kind: str
    reason: str
    trigger: Trigger | None = None
    until: float | None = None
    proposal: dict[str, Any] | None = None
