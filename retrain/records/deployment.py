"""What a slot serves, and the deployment that is the champion."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drift.notation import percent


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

    @classmethod
    def of(
        cls, number: int, model: str, weights: Mapping[str, float], calibration: Mapping[str, Any] | None = None
    ) -> "Deployment":
        """Of weights by version: the heaviest first, with the digest of what is served."""
        ranked = sorted(weights.items(), key=lambda member: (-member[1], member[0]))
        content = [[{"version": version, "weight": weight} for version, weight in ranked], calibration]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        members = tuple(Member(version, weight) for version, weight in ranked)
        return cls(number, model, members, None if calibration is None else dict(calibration), digest)

    @property
    def name(self) -> str:
        """What answers call `version`: the version's name, or the deployment's where it is a blend."""
        if len(self.members) == 1:
            return self.members[0].version
        return f"d{self.number:04d}-{self.digest[:8]}"

    @property
    def described(self) -> str:
        """For people: the version, or which versions are blended.

        >>> Deployment.of(7, "m", {"v0002-1c2d3e4f": 0.3, "v0003-5a6b7c8d": 0.7}).described
        'the blend of v0003-5a6b7c8d (70%) and v0002-1c2d3e4f (30%)'
        """
        if len(self.members) == 1:
            return self.members[0].version
        *others, last = (f"{member.version} ({percent(member.weight)})" for member in self.members)
        return f"the blend of {', '.join(others)} and {last}"

    @property
    def weights(self) -> dict[str, float]:
        """Of the members, by version."""
        return {member.version: member.weight for member in self.members}


@dataclass(frozen=True)
class Champion:
    """The deployment of a model's newest promotion, and the one that was served before it.

    `newest` is the version that the last cycle's promotion brought, and `era` the number of the deployment that it
    began with: an adjustment stays in the same era. `fixed` says that the deployment was promoted or rolled back
    to by hand: it is served as it is until a cycle promotes another; one that probation rolled back to is adjusted like
    any. `is_rollback`: it was rolled back to, by whomever. Of the newest version, `seen_seq` is the newest file
    that its cycle could use, and `known_rows` counts the labelled rows that there were, whatever its window."""

    deployment: Deployment
    promotion: int
    promoted_at: float
    reason: str
    newest: str
    era: int
    predecessor: Deployment | None = None
    fixed: bool = False
    seen_seq: int = 0
    known_rows: int = 0
    is_rollback: bool = False

    @property
    def deployment_name(self) -> str:
        """What events and reports call `version`."""
        return self.deployment.name

    @property
    def described(self) -> str:
        """For people: the version, or which versions are blended."""
        return self.deployment.described
