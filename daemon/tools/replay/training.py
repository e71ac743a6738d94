"""The stages of a replay's cycle: prepare, train, evaluate, in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq

from daemon.tools.replay.labels import Labels
from daemon.tools.replay.past import Past
from retrain.model.deployment import LoadedDeployment
from retrain.model.version import LoadedVersion
from retrain.monitoring.unseen import Unseen, unseen_predictions
from retrain.planning.gate import Opening
from retrain.records.settings import ModelSettings
from retrain.records.trigger import Trigger
from retrain.rows.history import History
from retrain.stages.comparison import judge
from retrain.stages.prepare import Prepared, prepare_rows
from retrain.stages.train import fit_version


def trained(
    trigger: Trigger,
    past: Past,
    labels: Labels,
    served: LoadedDeployment | None,
    settings: ModelSettings,
    number: int,
    config_dir: Path,
    opening: Opening,
) -> tuple[LoadedVersion, Prepared, dict[str, Any]]:
    """Version `number` of what is known now, its rows, and the evaluate stage's result against what is served, judged
    as one of this `opening`. Refused where the rows cannot give one."""
    before = None if served is None else served.version.training
    files = labels.trusting(past.files())
    prepared = prepare_rows(files, past.schema, settings, before, trigger.evidence.get("window"), past.now)
    first = None if before is None else before["metric"]
    version = fit_version(prepared.train, prepared.rows, past.schema, settings, first, "replay", number, config_dir)
    version = replace(version, name=f"v{number:04d}")
    twin = str(trigger.evidence.get("twin") or "all")
    history = History(files, past.schema, settings.labels, past.now)

    def unseen() -> Unseen:
        return unseen_of(version, prepared, settings)

    judged = judge(version, served, prepared.holdout, history, settings, twin, opening, unseen)
    version = replace(version, evaluation={"decision": judged.result["decision"]})
    return version, prepared, judged.result


def unseen_of(version: LoadedVersion, prepared: Prepared, settings: ModelSettings) -> Unseen:
    """What a version says of the rows that it was not trained on, as the evaluate stage asks it."""
    with written(prepared) as (train, holdout):
        return unseen_predictions(version, train, holdout, settings)


@contextmanager
def written(prepared: Prepared) -> Iterator[tuple[Path, Path]]:
    """The files of training and held-out rows, as the prepare stage leaves them."""
    with TemporaryDirectory(prefix="driftd-replay-") as folder:
        train, holdout = Path(folder) / "train.parquet", Path(folder) / "holdout.parquet"
        pq.write_table(prepared.train, train, compression="lz4")
        pq.write_table(prepared.holdout, holdout, compression="lz4")
        yield train, holdout
