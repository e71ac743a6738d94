"""What the planner wants done: one of a closed set of actions, each with a reason for people."""

from dataclasses import dataclass
from typing import Any

from retrain.records.trigger import Trigger


@dataclass(frozen=True)
class OpenCycle:
    """Open a cycle."""

    trigger: Trigger

    @property
    def reason(self) -> str:
        """The trigger's."""
        return self.trigger.reason


@dataclass(frozen=True)
class ObserveOnly:
    """A cycle would be opened, but mode "observe" changes nothing."""

    reason: str
    trigger: Trigger


@dataclass(frozen=True)
class Adjust:
    """Serve the proposed weights and recalibration; nothing is trained."""

    reason: str
    proposal: dict[str, Any]


@dataclass(frozen=True)
class RollBack:
    """Serve again what was served before the last promotion; `evidence` are the files that say so, as JSON."""

    reason: str
    evidence: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Wait:
    """A cycle cannot be opened before `until` (Unix seconds), or before something happens."""

    reason: str
    until: float | None = None


@dataclass(frozen=True)
class Idle:
    """Nothing asks for a cycle; age alone will at `until` (Unix seconds)."""

    reason: str
    until: float | None = None


Action = OpenCycle | ObserveOnly | Adjust | RollBack | Wait | Idle
