"""Answers of a model over its life, a file at a time: steady, dependent in several ways, and with a planted drop.

A label is "yes" or "no", the model's probability of "yes" a draw from one of two normal distributions; how far these
are apart is the ROC AUC. Nothing is trained here: `streams` does that."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import expit, ndtri

from retrain.metrics.registry import MetricContext, get_metric
from retrain.monitoring.drop import Evaluated
from retrain.monitoring.performance import measured, score_of
from retrain.operations import Json
from retrain.records.predictions import Floats, Predictions
from retrain.records.settings import ModelSettings

METRIC = get_metric("roc_auc", MetricContext("classification"))
CLASSES = ("no", "yes")
SETTINGS = ModelSettings(data_dir="d", task="classification", target="y", metric="roc_auc")
FILES, WITHIN = 25, 3
"""Files in which nothing changes, and settled files after a drop, in which it is to be found."""
AUC, DROP = 0.695, 0.083
RUN_OF_FILES = 0.7
"""Correlation of neighbouring files' difficulty where it wanders."""
OPTIMISM = 0.015
"""Standard deviation of an evaluation around what is served later, beside chance."""


@dataclass(frozen=True)
class Setting:
    """Files of `rows` rows of which a `share` is "yes". How they depend is `kind`: "rows" (not at all), "near" (the
    scores of neighbours are correlated by `strength`), "labels" (scores and labels both), "level" (each file has a
    difficulty of its own, of this standard deviation in standard deviations of a score), "wander" (the same, and files
    in a row resemble each other) or "shares" (each file has its own share). The version was trained on `folds`
    files."""

    kind: str = "rows"
    strength: float = 0.0
    rows: int = 1_000
    share: float = 0.5
    folds: int = 8

    @property
    def words(self) -> str:
        """For a table."""
        told = {
            "rows": "rows independent", "near": f"scores AR(1) {self.strength}",
            "labels": f"scores and labels AR(1) {self.strength}",
            "level": f"files differ, AUC sd {auc_spread(self.strength):.3f}",
            "wander": f"files wander, AUC sd {auc_spread(self.strength):.3f}",
            "shares": f"class shares of files, sd {self.strength}",
        }  # fmt: skip
        return told[self.kind]


def auc_spread(strength: float) -> float:
    """Standard deviation of the ROC AUC of files whose difficulty has this standard deviation."""
    density = math.exp(-(_distance(AUC) ** 2) / 4) / math.sqrt(2 * math.pi)
    return strength * density / math.sqrt(2)


def answers(setting: Setting, files: int, rng: np.random.Generator, drop: float = 0.0) -> list[Json]:
    """The performance of so many files, each measured as the daemon does; the ROC AUC is lower by `drop`."""
    rows = files * setting.rows
    noise, labels = _dependent(setting, rows, rng)
    share = np.full(files, setting.share)
    apart = np.full(files, _distance(AUC - drop))
    if setting.kind in ("level", "wander"):
        apart += setting.strength * _files(setting, files, rng)
    if setting.kind == "shares":
        share = np.clip(share + setting.strength * rng.normal(size=files), 0.05, 0.95)
    yes = labels < np.repeat(share, setting.rows)
    scores = noise + np.repeat(apart, setting.rows) * yes
    parts = (slice(k * setting.rows, (k + 1) * setting.rows) for k in range(files))
    return [_measured(yes[part], scores[part]) for part in parts]


def life(setting: Setting, rng: np.random.Generator) -> tuple[list[Json], list[Json], Evaluated | None]:
    """Steady files, files with a drop, and what the version's evaluation knew."""
    return answers(setting, FILES, rng), answers(setting, WITHIN, rng, DROP), evaluated(setting, rng)


def evaluated(setting: Setting, rng: np.random.Generator) -> Evaluated | None:
    """What the evaluation of a version knows: a score on 400 held-out rows, and files out of fold."""
    folds = tuple(score for one in answers(setting, setting.folds, rng) if (score := score_of(one)) is not None)
    (told,) = answers(replace(setting, rows=400), 1, rng)
    held_out = score_of(told)
    if held_out is None:
        return None
    held_out = replace(held_out, value=held_out.value + OPTIMISM * rng.normal())
    return Evaluated(held_out, AUC - 0.5, folds)


def _distance(auc: float) -> float:
    return float(math.sqrt(2) * ndtri(auc))


def _dependent(setting: Setting, rows: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Of each row the noise of its score (n,), and a uniform number that decides its label (n,)."""
    noise, labels = rng.normal(size=rows), rng.random(rows)
    if setting.kind in ("near", "labels"):
        noise = _autoregressive(noise, setting.strength)
    if setting.kind == "labels":
        hidden = _autoregressive(rng.normal(size=rows), setting.strength)
        labels = np.argsort(np.argsort(hidden)) / rows
    return noise, labels


def _files(setting: Setting, files: int, rng: np.random.Generator) -> Floats:
    own = rng.normal(size=files)
    return _autoregressive(own, RUN_OF_FILES) if setting.kind == "wander" else own


def _autoregressive(noise: Floats, correlation: float) -> Floats:
    """Of variance 1, neighbours correlated so much."""
    steps = noise * math.sqrt(1 - correlation**2)
    steps[0] = noise[0]
    return np.asarray(lfilter([1.0], [1.0, -correlation], steps), dtype=np.float64)


def _measured(yes: NDArray[np.bool_], scores: Floats) -> Json:
    probability = expit(scores)
    said = Predictions(
        np.where(probability > 0.5, "yes", "no"), np.column_stack([1 - probability, probability]), CLASSES
    )
    return measured(METRIC, np.where(yes, "yes", "no"), said, 0)
