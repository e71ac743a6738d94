"""What a replay serves: its versions, what is served of them, and what was served before."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from retrain.model.deployment import LoadedDeployment
from retrain.model.recalibration import Recalibration
from retrain.model.version import LoadedVersion
from retrain.records.deployment import Champion, Deployment

DAY_S = 86_400.0
"""One day passes a batch."""


@dataclass
class Deployments:
    """All versions by name and the labelled rows that there were when each was trained; `champion` is what the planner
    sees of `served`; `record` has every promotion, roll-back and adjustment; `newest_seq` is the newest file."""

    record: list[dict[str, Any]]
    versions: dict[str, LoadedVersion] = field(default_factory=dict)
    known_rows: dict[str, int] = field(default_factory=dict)
    served: LoadedDeployment | None = None
    predecessor: LoadedDeployment | None = None
    champion: Champion | None = None
    newest_seq: int = 0

    @property
    def current(self) -> LoadedDeployment:
        """What is served, once there is a first model."""
        assert self.served is not None
        return self.served

    def archive(self, most: int) -> dict[str, LoadedVersion]:
        """The newest versions, and those that are served."""
        names = dict.fromkeys(list(self.versions)[-most:])
        return {name: self.versions[name] for name in {**names, **self.current.weights}}

    def promote(self, version: LoadedVersion, known_rows: int, place: int) -> None:
        """Serve a new version alone, with the decision that its evaluation recorded."""
        self.versions[version.name], self.known_rows[version.name] = version, known_rows
        self.predecessor = self.served
        self._serve({version.name: 1.0}, version.name, version.evaluation.get("decision"), place, "promote")

    def roll_back(self, place: int) -> None:
        """Serve what was served before the last promotion."""
        before, self.predecessor = self.predecessor, None
        if before is not None:
            recalibration = None if before.recalibration is None else before.recalibration.to_json()
            self._serve(before.weights, before.newest, recalibration, place, "rollback")

    def adjust(self, proposal: Mapping[str, Any], place: int) -> None:
        """Serve other weights."""
        self._serve(proposal["members"], proposal["newest"], proposal["recalibration"], place, "reweigh")

    def _serve(
        self, members: Mapping[str, float], newest: str, recalibration: dict[str, Any] | None, place: int, kind: str
    ) -> None:
        weights = dict(sorted(members.items(), key=lambda member: -member[1]))
        versions = {name: self.versions[name] for name in {**weights, newest: 1.0}}
        self.served = LoadedDeployment(versions, weights, newest, Recalibration.from_json(recalibration))
        self.record.append({"batch": place, "kind": kind, "members": weights, "recalibrated": bool(recalibration)})
        number = len(self.record)
        self.champion = Champion(
            Deployment.of(number, "", weights, recalibration), number, (place + 1) * DAY_S, kind, newest,
            number, seen_seq=self.newest_seq, known_rows=self.known_rows[newest], is_rollback=kind == "rollback",
        )  # fmt: skip
