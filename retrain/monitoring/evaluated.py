"""What a version's evaluation says of the files that it will answer: its score on held-out rows, and how files differed
for it out of fold."""

from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from retrain.model.deployment import fair_decision
from retrain.model.version import LoadedVersion
from retrain.monitoring.cache import Memory
from retrain.monitoring.drop import Evaluated, Score
from retrain.monitoring.performance import measured, score_of
from retrain.monitoring.unseen import Unseen
from retrain.records.settings import ModelSettings
from retrain.rows.pools import pool_of_each
from retrain.store.versions import unseen_path

MOST_FOLD_FILES = 50
"""The newest of the files that it was trained on."""


def evaluated_before(version: LoadedVersion, settings: ModelSettings) -> Evaluated | None:
    """Of a published version; None where it was never evaluated, as the first of an older driftd."""
    found, baseline = (version.evaluation.get(who) or {} for who in ("challenger", "baseline"))
    held_out = score_of({"rows": version.evaluation.get("rows", 0), **found})
    if held_out is None:
        return None
    skill = 0.0 if baseline.get("value") is None else abs(held_out.value - baseline["value"])
    return Evaluated(held_out, skill, _scores_out_of_fold(version, settings))


def load_unseen(version: LoadedVersion) -> Unseen | None:
    """What a published version said of rows that it was not trained on; None where that was not stored."""
    path = unseen_path(version.folder)
    return None if path is None else _read(path, version.classes)


@lru_cache(maxsize=8)
def _read(path: Path, classes: tuple[str, ...] | None) -> Unseen:
    return Unseen.from_table(pq.read_table(path, pre_buffer=False), classes)


def _scores_out_of_fold(version: LoadedVersion, settings: ModelSettings) -> tuple[Score, ...]:
    key = "scores out of fold", version.folder, settings.adaptation.recalibration, fair_decision(version, settings)
    scores: tuple[Score, ...] = _MEMORY.get(key, lambda: _scores(version, settings))
    return scores


def _scores(version: LoadedVersion, settings: ModelSettings) -> tuple[Score, ...]:
    """Of each file, small ones together, with the decision that what is served gets."""
    unseen = load_unseen(version)
    if unseen is None:
        return ()
    rule, files = fair_decision(version, settings), pool_of_each(unseen.files, Counter(unseen.files.tolist()))
    said = unseen.predictions if rule is None else rule.apply(unseen.predictions)
    scores = []
    for seq in np.unique(files)[-MOST_FOLD_FILES:]:
        of_file = files == seq
        found = measured(version.metric, unseen.y[of_file], said.take(of_file), settings.estimator.seed)
        scores.append(score_of(found))
    return tuple(score for score in scores if score is not None)


_MEMORY = Memory(32)
