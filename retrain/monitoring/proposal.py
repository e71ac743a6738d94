"""What to serve from now on, by the newest labelled files: weights of the archive's versions, and a recalibration."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from retrain.metrics.classification import brier_losses
from retrain.model.blend import blend, concatenate
from retrain.model.deployment import LoadedDeployment
from retrain.model.recalibration import Recalibration, fit_line, fit_offsets
from retrain.model.version import LoadedVersion
from retrain.monitoring.assessor import FEWEST_ROWS, Assessor, Mask, decided
from retrain.monitoring.blend_weights import FEWEST_ROWS as FEWEST_WEIGHED
from retrain.monitoring.blend_weights import blend_weights
from retrain.records.predictions import Floats, Labels, Predictions
from retrain.rows.history import Batch

RECENT_FILES = 2
"""The newest labelled files that weights and recalibration are fitted on."""
GAIN_DECAY = 0.5
"""Of a recalibration's smoothed gain, with each labelled file."""
NEW_CHAMPION_DECAY = 0.3
"""Of the same, with another newest version: what helped its predecessor says less of it."""


def propose(assessor: Assessor, up_to: int) -> dict[str, Any]:
    """From the newest labelled files up to one, as JSON: `members` (weights by version), `newest`, `recalibration`
    (None: none), and what the next proposal needs (`candidate`, `gain`)."""
    history, decision = assessor.history, assessor.decision(up_to)
    recent = history.newest_pools(RECENT_FILES, up_to)
    weights = _weights(assessor, recent, decision)
    if not _telling(assessor, recent):
        return _unchanged(assessor, decision)
    proposal: dict[str, Any] = {"members": weights, "newest": assessor.served.newest, "recalibration": None}
    if not assessor.settings.adaptation.recalibration:
        return proposal | {"recalibration": None if decision is None else decision.to_json()}
    gain = _recalibration_gain(assessor, recent, decision)
    candidate = _recalibration(assessor, recent, weights, decision)
    applied = candidate if candidate is not None and gain > 0 else decision
    return proposal | {
        "recalibration": None if applied is None else applied.to_json(),
        "candidate": None if candidate is None else candidate.to_json(),
        "gain": gain,
    }


def _telling(assessor: Assessor, recent: Sequence[Batch]) -> bool:
    """Whether labels of several classes, or numbers, are there to fit to."""
    classes = {str(name) for batch in recent for name in np.unique(assessor.labels(batch))}
    return len(classes) > 1


def _unchanged(assessor: Assessor, decision: Recalibration | None) -> dict[str, Any]:
    """What was proposed before for the same version; else that alone."""
    newest, before = assessor.served.newest, assessor.before
    if before.get("newest") == newest and before.get("members"):
        return dict(before)
    recalibration = None if decision is None else decision.to_json()
    return {"members": {newest: 1.0}, "newest": newest, "recalibration": recalibration}


def harm(assessor: Assessor, proposed: LoadedDeployment) -> dict[str, Any] | None:
    """By how much a proposed deployment costs more than what is served, as each answers, on the newest labelled rows
    that none of them was trained on: mean, standard error, rows, and whether the newest version was `chosen` by just
    these. None where that cannot be told."""
    differences, chosen = [], True
    versions = {**assessor.served.versions, **proposed.versions}
    for batch in assessor.history.newest_pools(RECENT_FILES):
        valid = assessor.unseen(list(versions.values()), batch)
        if valid is None or int(valid.sum()) < FEWEST_WEIGHED:
            continue
        y, answers = assessor.labels(batch), (assessor.answer(one, batch) for one in (proposed, assessor.served))
        costs, others = (assessor.losses(answer, y, valid, batch.weights) for answer in answers)
        if costs is not None and others is not None:
            differences.append(costs - others)
            chosen = chosen and _held_out(assessor.served.version, batch)
    if not differences:
        return None
    found = np.concatenate(differences)
    error = float(found.std() / np.sqrt(len(found)))
    return {"mean": float(found.mean()), "se": error, "rows": len(found), "chosen": chosen}


def _held_out(version: LoadedVersion, batch: Batch) -> bool:
    """Whether a version held out rows of all files of a batch: what is unseen of these judged it."""
    held_out = version.training["prepare"].get("reserved_snapshots", ())
    return all(part.digest in held_out for part in batch.parts)


def _weights(assessor: Assessor, recent: Sequence[Batch], decision: Recalibration | None) -> dict[str, float]:
    adaptation, newest = assessor.settings.adaptation, assessor.served.newest
    if adaptation.archive < 2 or len(assessor.archive) < 2:
        return {newest: 1.0}
    parts = [losses for batch in recent if (losses := _archive_losses(assessor, batch, decision)) is not None]
    names = distinct(assessor, recent) if parts else []
    whole = {name: np.concatenate([losses[name] for losses in parts]) for name in names}
    return blend_weights(whole, newest, adaptation.members)


def distinct(assessor: Assessor, recent: Sequence[Batch]) -> list[str]:
    """The versions of the archive without those that answer the recent rows as a newer one does, to the bit: one that
    was trained again on the same rows, say. Of classes alone several may be alike by chance: all count."""
    newest_first = sorted(assessor.archive, key=lambda name: (name != assessor.served.newest, -_place(assessor, name)))
    said = {name: [assessor.predictions(assessor.archive, batch)[name] for batch in recent] for name in newest_first}
    kept: list[str] = []
    for name in newest_first:
        tells = all(one.classes is None or one.probabilities is not None for one in said[name])
        alike = any(all(a.equals(b) for a, b in zip(said[name], said[other], strict=True)) for other in kept)
        kept += [] if tells and alike else [name]
    return [name for name in assessor.archive if name in kept]


def _place(assessor: Assessor, name: str) -> int:
    return list(assessor.archive).index(name)


def _archive_losses(assessor: Assessor, batch: Batch, decision: Recalibration | None) -> dict[str, Floats] | None:
    """By version of the archive, on the rows that none was trained on; None where these are too few."""
    valid = assessor.unseen(list(assessor.archive.values()), batch)
    if valid is None or int(valid.sum()) < FEWEST_WEIGHED:
        return None
    y, found = assessor.labels(batch), {}
    for name, predictions in assessor.predictions(assessor.archive, batch).items():
        losses = assessor.losses(decided(predictions, decision), y, valid, batch.weights)
        if losses is None:
            return None
        found[name] = losses
    return found


def _recalibration(
    assessor: Assessor, recent: Sequence[Batch], weights: Mapping[str, float], decision: Recalibration | None
) -> Recalibration | None:
    """Fitted on the blend's predictions of the recent rows; None where these are too few, or have no probabilities."""
    versions = {name: assessor.archive[name] for name in weights}
    pieces, labels = [], []
    for batch in recent:
        valid = assessor.unseen(list(versions.values()), batch)
        if valid is None or not valid.any():
            continue
        pieces.append(_blended(assessor, versions, weights, batch).take(valid))
        labels.append(assessor.labels(batch)[valid])
    if sum(map(len, labels)) < FEWEST_ROWS:
        return None
    if any(piece.classes != pieces[0].classes for piece in pieces):
        return None
    y, whole = np.concatenate(labels), concatenate(pieces)
    if whole.classes is None:
        return fit_line(whole.values, np.asarray(y, dtype=np.float64))
    return None if whole.probabilities is None else fit_offsets(whole, y, decision)


def _recalibration_gain(assessor: Assessor, recent: Sequence[Batch], decision: Recalibration | None) -> float:
    """The smoothed gain of the last candidate, one file ahead; positive: it would have helped."""
    before = assessor.before
    candidate, gain = Recalibration.from_json(before.get("candidate")), float(before.get("gain") or 0.0)
    if before.get("newest") not in (None, assessor.served.newest):
        gain *= NEW_CHAMPION_DECAY
    weights = {name: share for name, share in before.get("members", {}).items() if name in assessor.archive}
    if candidate is None or not weights:
        return gain
    candidate = replace(candidate, rule=None if decision is None else decision.rule)
    versions = {name: assessor.archive[name] for name in weights}
    for batch in recent:
        valid = assessor.unseen(list(versions.values()), batch)
        if batch.seq <= int(before.get("up_to") or 0) or valid is None or int(valid.sum()) < FEWEST_ROWS:
            continue
        y, raw = assessor.labels(batch), _blended(assessor, versions, weights, batch)
        plain = _smooth_losses(assessor, decided(raw, decision), y, valid)
        moved = _smooth_losses(assessor, candidate.apply(raw), y, valid)
        if plain is not None and moved is not None:
            gain = GAIN_DECAY * gain + float((plain - moved).mean())
    return gain


def _blended(
    assessor: Assessor, versions: Mapping[str, LoadedVersion], weights: Mapping[str, float], batch: Batch
) -> Predictions:
    predictions = assessor.predictions(versions, batch)
    return blend([predictions[name] for name in weights], list(weights.values()))


def _smooth_losses(assessor: Assessor, predictions: Predictions, y: Labels, rows: Mask) -> Floats | None:
    """Losses that a recalibration moves even where the metric ranks: Brier's, but the metric's own where the decision
    is what counts or numbers are predicted."""
    if predictions.classes is None or assessor.balanced or predictions.probabilities is None:
        return assessor.losses(predictions, y, rows)
    return brier_losses(y[rows], predictions.take(rows))
