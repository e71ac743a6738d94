"""What serves a model: a loaded deployment behind one pointer. The new one is proven before the old one goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrain.records import Deployment

if TYPE_CHECKING:
    from daemon.trial import ServedTrial
    from retrain.predictions import Predictions
    from retrain.recalibration import Recalibration
    from retrain.version import LoadedVersion


@dataclass(frozen=True, eq=False)
class Served:
    """A deployment in memory, and the promotion that put it there."""

    deployment: Deployment
    promotion: int
    versions: "tuple[LoadedVersion, ...]"
    recalibration: "Recalibration | None" = None

    @property
    def name(self) -> str:
        """What answers call `version`."""
        return self.deployment.name

    def predict_rows(self, rows: Sequence[Mapping[str, Any]]) -> "Predictions":
        """The recalibrated blend of all members; Refused names a wrong value."""
        from retrain.blend import blend

        said = [version.predict_rows(rows) for version in self.versions]
        raw = blend(said, [member.weight for member in self.deployment.members])
        return raw if self.recalibration is None else self.recalibration.apply(raw)


@dataclass
class ModelSlot:
    """One model's place in the server; `served` is replaced whole, so a request sees the old or the new. `trial` is the
    challenger beside it."""

    model: str
    served: Served | None = None
    trial: "ServedTrial | None" = None
    failed: dict[int, str] = field(default_factory=dict)


def load_deployment(deployment: Deployment, promotion: int, folder: Path, trusted_types: Sequence[str] = ()) -> Served:
    """Load all members from a model's folder of versions and let each answer its probe rows, which also warms
    it up; Refused if one does not."""
    from retrain.promote import prove_version
    from retrain.recalibration import Recalibration

    versions = tuple(prove_version(folder / m.version, tuple(trusted_types)) for m in deployment.members)
    return Served(deployment, promotion, versions, Recalibration.from_json(deployment.calibration))
