"""What serves a model: a loaded deployment behind one pointer. The new one is proven before the old one goes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from retrain.records.deployment import Deployment

if TYPE_CHECKING:
    from daemon.server.trial import ServedTrial
    from retrain.model.encoding import Cells, RowEncoder
    from retrain.model.recalibration import Recalibration
    from retrain.model.version import LoadedVersion
    from retrain.records.predictions import Predictions
    from retrain.records.schema import Schema

SLOW = "scikit-learn"


@dataclass(frozen=True, eq=False)
class Served:
    """A deployment in memory, and the promotion that put it there. `runtimes` says what computes each version's
    answers: "treelite", or "scikit-learn" and why."""

    deployment: Deployment
    promotion: int
    versions: "tuple[LoadedVersion, ...]"
    encoders: "tuple[RowEncoder, ...]"
    runtimes: tuple[str, ...]
    recalibration: "Recalibration | None" = None

    @property
    def name(self) -> str:
        """What answers call `version`."""
        return self.deployment.name

    @property
    def schema(self) -> "Schema":
        """By which requests are read: the heaviest member's."""
        return self.versions[0].schema

    def predict(self, rows: "Sequence[Cells]") -> "Predictions":
        """The recalibrated blend of all members; the cells of rows are in the order of `schema.features`."""
        from retrain.model.blend import blend

        pairs = zip(self.versions, self.encoders, strict=True)
        said = [version.task.predict(version.estimator, encoder(rows)) for version, encoder in pairs]
        raw = blend(said, [member.weight for member in self.deployment.members])
        return raw if self.recalibration is None else self.recalibration.apply(raw)

    def rows_for(self, other: "Served", rows: "Sequence[Cells]") -> "Sequence[Cells]":
        """Rows of this deployment's schema as `other` reads them; what only its schema has is missing."""
        names, wanted = ([column.name for column in served.schema.features] for served in (self, other))
        if names == wanted:
            return rows
        place = {name: at for at, name in enumerate(names)}
        return [tuple(row[place[name]] if name in place else None for name in wanted) for row in rows]


@dataclass
class ModelSlot:
    """One model's place in the server; `served` is replaced whole, so a request sees the old or the new. `trial` is the
    challenger beside it."""

    model: str
    served: Served | None = None
    trial: "ServedTrial | None" = None
    failed: dict[int, str] = field(default_factory=dict)

    @property
    def lack(self) -> str:
        """Why nothing is served."""
        if self.failed:
            return f"the champion of {self.model} cannot be loaded: {list(self.failed.values())[-1]}"
        return f"{self.model} has no promoted version yet; `driftd status` says what it waits for"


def load_deployment(
    deployment: Deployment, promotion: int, folder: Path, trusted_types: Sequence[str] = (), accelerate: bool = True
) -> Served:
    """Load all members from a model's folder of versions and let each answer its probe rows, which also warms
    it up; Refused if one does not. Boosted trees are accelerated where that gives the same bits."""
    from retrain.model.encoding import RowEncoder
    from retrain.model.recalibration import Recalibration
    from retrain.stages.promote import prove_version

    proven = [prove_version(folder / m.version, tuple(trusted_types)) for m in deployment.members]
    quick = [_accelerated(version) if accelerate else _compiled(version) for version in proven]
    names = [column.name for column in proven[0].schema.features]
    return Served(
        deployment,
        promotion,
        tuple(version for version, _ in quick),
        tuple(RowEncoder(version.preprocessor, names) for version in proven),
        tuple(runtime for _, runtime in quick),
        Recalibration.from_json(deployment.calibration),
    )


def _accelerated(version: "LoadedVersion") -> "tuple[LoadedVersion, str]":
    """The version as it is served, and by what."""
    from retrain.model.accelerate import NAME, accelerated_version
    from retrain.records.errors import Refused
    from retrain.store.probe import answer_probe, probe_matrix

    try:
        quick = accelerated_version(version, probe_matrix(version))
        answer_probe(quick)
    except Refused as error:
        return _compiled(version)[0], f"{SLOW}: {error}"
    return quick, NAME


def _compiled(version: "LoadedVersion") -> "tuple[LoadedVersion, str]":
    """The version answered by scikit-learn alone, boosted trees without its column transformer where that gives the
    same bits."""
    from retrain.model.accelerate import looped
    from retrain.records.errors import Refused
    from retrain.store.probe import answer_probe, probe_matrix

    try:
        quick = replace(version, estimator=looped(version.estimator, probe_matrix(version)))
        answer_probe(quick)
    except Refused:
        return version, SLOW
    return quick, SLOW
