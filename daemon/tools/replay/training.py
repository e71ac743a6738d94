"""The stages of a replay's cycle: prepare, train, evaluate, in memory."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from daemon.tools.replay.labels import Labels
from daemon.tools.replay.past import Past
from retrain.model.deployment import LoadedDeployment
from retrain.model.version import LoadedVersion
from retrain.records.settings import ModelSettings
from retrain.records.trigger import Trigger
from retrain.rows.history import History
from retrain.stages.evaluate import judge
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
) -> tuple[LoadedVersion, Prepared, dict[str, Any]]:
    """Version `number` of what is known now, its rows, and the evaluate stage's result against what is served. Refused
    where the rows cannot give one."""
    before = None if served is None else served.version.training
    files = labels.trusting(past.files())
    prepared = prepare_rows(files, past.schema, settings, before, trigger.evidence.get("window"), past.now)
    first = None if before is None else before["metric"]
    version = fit_version(prepared.train, prepared.rows, past.schema, settings, first, "replay", number, config_dir)
    version = replace(version, name=f"v{number:04d}")
    twin = str(trigger.evidence.get("twin") or "all")
    history = History(files, past.schema, settings.labels, past.now)
    judged = judge(version, served, prepared.holdout, history, settings, twin)
    return version, prepared, judged.result
