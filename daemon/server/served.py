"""A deployment as a server answers with it: loaded, proven and compiled before it is served."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from retrain.model.encoding import Cells, RowEncoder
from retrain.records.deployment import Deployment
from retrain.records.errors import Refused
from retrain.records.predictions import Predictions
from retrain.records.schema import Schema

if TYPE_CHECKING:
    import pyarrow as pa

    from retrain.model.deployment import LoadedDeployment
    from retrain.model.version import LoadedVersion

SLOW = "scikit-learn"


@dataclass(frozen=True, eq=False)
class ServedDeployment:
    """A loaded deployment, the promotion that put it there (0 for none), and for each member, in their order, how its
    request rows are encoded and what computes its answers: "treelite", or "scikit-learn" and why."""

    deployment: Deployment
    promotion: int
    loaded: "LoadedDeployment"
    encoders: tuple[RowEncoder, ...]
    runtimes: tuple[str, ...]

    @property
    def name(self) -> str:
        """What answers call `version`."""
        return self.deployment.name

    @property
    def schema(self) -> Schema:
        """By which requests are read: the heaviest member's."""
        return self.loaded.version.schema

    @cached_property
    def runs_own_code(self) -> bool:
        """Whether it answers by code of the user's, of which nobody knows how long it takes."""
        return any(version.runs_own_code for version in self.loaded.members)

    def predict(self, rows: Sequence[Cells]) -> Predictions:
        """The recalibrated blend of all members; the cells of rows are in the order of `schema.features`."""
        pairs = zip(self.loaded.members, self.encoders, strict=True)
        return self.loaded.answer(
            {version.name: version.task.predict(version.estimator, encode(rows)) for version, encode in pairs}
        )

    def predict_table(self, table: "pa.Table") -> Predictions:
        """The same of a table with the columns of `schema.features`, as a snapshot has them: the same bits."""
        return self.loaded.predict_table(table)

    def rows_for(self, other: "ServedDeployment", rows: Sequence[Cells]) -> Sequence[Cells]:
        """Rows of this deployment's schema as `other` reads them; what only its schema has is missing."""
        if other is self:
            return rows
        names, wanted = ([column.name for column in served.schema.features] for served in (self, other))
        if names == wanted:
            return rows
        place = {name: at for at, name in enumerate(names)}
        return [tuple(row[place[name]] if name in place else None for name in wanted) for row in rows]


def load_served(
    deployment: Deployment, promotion: int, folder: Path, trusted_types: Sequence[str] = (), accelerate: bool = True
) -> ServedDeployment:
    """Load all members from a model's folder of versions and let each answer its probe rows, which also warms
    it up; Refused if one does not. Boosted trees are accelerated where that gives the same bits."""
    from retrain.model.deployment import LoadedDeployment
    from retrain.model.recalibration import Recalibration
    from retrain.stages.promote import prove_version

    proven = [prove_version(folder / m.version, tuple(trusted_types)) for m in deployment.members]
    quick = [_quickest(version, accelerate) for version in proven]
    names = [column.name for column in proven[0].schema.features]
    versions = {version.name: version for version, _ in quick}
    recalibration = Recalibration.from_json(deployment.calibration)
    return ServedDeployment(
        deployment,
        promotion,
        LoadedDeployment(versions, deployment.weights, proven[0].name, recalibration),
        tuple(RowEncoder(version.preprocessor, names) for version in proven),
        tuple(runtime for _, runtime in quick),
    )


def _quickest(version: "LoadedVersion", accelerate: bool) -> "tuple[LoadedVersion, str]":
    """The version as it is served, and by what: boosted trees by treelite, else by scikit-learn without its column
    transformer, where these give the same bits."""
    from retrain.model.accelerate import NAME, accelerated_version, looped
    from retrain.store.probe import answer_probe, probe_matrix

    probe, runtime = probe_matrix(version), SLOW
    if accelerate:
        try:
            quick = accelerated_version(version, probe)
            answer_probe(quick)
        except Refused as error:
            runtime = f"{SLOW}: {error}"
        else:
            return quick, NAME
    try:
        quick = replace(version, estimator=looped(version.estimator, probe))
        answer_probe(quick)
    except Refused:
        return version, runtime
    return quick, runtime
