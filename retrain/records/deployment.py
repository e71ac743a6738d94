"""What a slot serves, and the deployment that is the champion."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Member:
    """A version within a deployment."""

    version: str
    weight: float = 1.0


@dataclass(frozen=True)
class Deployment:
    """What a slot serves: versions with weights, and a calibration (None: as the versions predict)."""

    number: int
    model: str
    members: tuple[Member, ...]
    calibration: dict[str, Any] | None = None
    digest: str = ""

    @property
    def name(self) -> str:
        """What answers call `version`: the version's name, or the deployment's where it is a blend."""
        if len(self.members) == 1:
            return self.members[0].version
        return f"d{self.number:04d}-{self.digest[:8]}"


@dataclass(frozen=True)
class Champion:
    """The promoted deployment as the planner sees it. `train_rows` counts the rows it was trained on,
    `seen_seq` the newest file its cycle could use; `version` is the deployment's name and `newest` the version that its
    last cycle trained; `members` and `recalibration` are the deployment's. `known_rows` counts the labelled rows that
    there were when that version was trained, whatever its window. `fixed` says that it was promoted by hand or rolled
    back to: it is served as it is until a cycle promotes another."""

    deployment: int
    version: str
    promoted_at: float
    train_rows: int
    seen_seq: int
    newest: str = ""
    members: dict[str, float] = field(default_factory=dict)
    recalibration: dict[str, Any] | None = None
    known_rows: int = 0
    fixed: bool = False
