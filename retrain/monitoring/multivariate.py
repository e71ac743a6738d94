"""All features of the recent window together against whole rows of the champion's training, beside the verdict."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from drift.multivariate.check_rows import judge_together, thinned
from retrain.monitoring.champion import MonitoredDeployment
from retrain.monitoring.prepared import prepared_snapshots
from retrain.records.settings import ModelSettings
from retrain.rows.columns import read_column
from retrain.store.versions import sample_path


def check_together(
    champion: MonitoredDeployment, snapshots: list[Path], settings: ModelSettings, apart: Collection[str], work: Path
) -> dict[str, Any]:
    """A domain classifier, MMD and PCA on at most 5,000 rows a side, as plain JSON values, see `judge_together`.

    Time and id columns are no features and dates always tell old rows from new ones: both are left out, as are columns
    kept `apart` and what the configuration ignores. The three tests share `false_alarms` among themselves and decide
    nothing. The `snapshots` are prepared, `work` is a folder for what is prepared of the training's.
    """
    version = champion.version
    sample = sample_path(version.folder)
    if sample is None:
        reason = f"{version.name} has no sample of whole rows to compare with; the next version will"
        return {"reason": reason, "left_out": [], "sentences": [reason]}
    with prepared_snapshots(version, [sample], work) as samples:
        pairs, left_out = _pairs(champion, (samples, snapshots), {*apart, *settings.drift.ignore})
    found = judge_together(pairs, settings.drift.false_alarms)
    return found | {"left_out": [*left_out, *found["left_out"]]}


def _pairs(
    champion: MonitoredDeployment, sides: tuple[list[Path], list[Path]], apart: Collection[str]
) -> tuple[list[tuple[str, Any, Any]], list[str]]:
    """Name and both sides' values of each feature that is compared, and the names of the others."""
    pairs, left_out = [], []
    for column in champion.version.model_schema.features:
        if column.kind in ("datetime", "text") or column.name in apart:
            left_out.append(column.name)
            continue
        before, now = (read_column(paths, column.name, column.kind) for paths in sides)
        if before is None or now is None:
            left_out.append(column.name)
        else:
            pairs.append((column.name, thinned(before), thinned(now)))
    return pairs, left_out
