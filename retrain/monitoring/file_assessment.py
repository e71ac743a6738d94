"""What the labels of one file say: what the served deployment cost, and what its predecessor, a challenger on trial and
fresh models of several windows would have cost on the same rows."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from retrain.model.deployment import fair_decision
from retrain.model.recalibration import Recalibration
from retrain.monitoring.assessor import FEWEST_ROWS, Assessor, Mask, decided
from retrain.monitoring.twins import Twin, window_twin
from retrain.planning.twin_windows import WINDOWS
from retrain.records.predictions import Floats, Labels, Predictions
from retrain.rows.batches import batches_of
from retrain.rows.history import Batch

FEWEST_RESERVED = 8
"""Labelled rows of a file's reservoir on which a twin that was trained with the file is judged."""
TWINS_EVERY, CALM_EVERY = 2, 4
"""Files for which all windows have twins; the second where nothing asks for a closer look (see `_twins`)."""
RISEN_Z = 1.0
"""Standard errors by which a file costs more than usual."""


def assess_pool(assessor: Assessor, seqs: Sequence[int]) -> dict[str, Any] | None:
    """The evidence of a labelled file, or of small ones together, as `retrain.records.assessment.Assessment` reads it;
    None where their labels are too few or of one class, or the served versions were trained on them."""
    batch = assessor.history.pool(seqs)
    valid = assessor.unseen(list(assessor.served.versions.values()), batch)
    if valid is None or int(valid.sum()) < FEWEST_ROWS:
        return None
    y, answer, decision = assessor.labels(batch), assessor.answer(assessor.served, batch), assessor.decision(batch.seq)
    losses = assessor.losses(decided(answer, decision), y, valid, batch.weights)
    if losses is None:
        return None
    return {
        "seq": batch.seq,
        "rows": int(valid.sum()),
        "newest": assessor.served.newest,
        "metric": assessor.metric.name,
        "score": assessor.metric.score(y[valid], answer.take(valid), _of(batch.weights, valid)),
        "loss": float(losses.mean()),
        "rival": _predecessor(assessor, batch, y, valid, answer, decision),
        "plain": _plain(assessor, batch, y, valid, answer),
        "challenger": _challenger(assessor, batch, y, valid, answer, decision),
        **_twins(assessor, batch, y, valid, losses, decision),
    }


def _of(weights: Floats | None, rows: Mask) -> Floats | None:
    return None if weights is None else weights[rows]


def _plain(assessor: Assessor, batch: Batch, y: Labels, valid: Mask, answer: Predictions) -> list[float] | None:
    """Moments of what the deployment costs more than its newest version alone, unadjusted."""
    version = assessor.served.version
    alone = assessor.predictions({version.name: version}, batch)[version.name]
    rule = fair_decision(version, assessor.settings)
    costs = assessor.losses(answer, y, valid, batch.weights)
    others = assessor.losses(alone if rule is None else rule.apply(alone), y, valid, batch.weights)
    return None if costs is None or others is None else _moments(costs - others)


def _predecessor(
    assessor: Assessor, batch: Batch, y: Labels, valid: Mask, answer: Predictions, decision: Recalibration | None
) -> list[float] | None:
    """Moments of what the deployment costs more than its predecessor, as each answers; where a decision is configured
    both with it, for what was served before may have been served without."""
    predecessor = assessor.predecessor
    unseen = None if predecessor is None else assessor.unseen(list(predecessor.versions.values()), batch)
    if predecessor is None or unseen is None:
        return None
    rows, rule = valid & unseen, decision if assessor.settings.decision.configured else None
    both = (answer, assessor.answer(predecessor, batch))
    costs, others = (assessor.losses(decided(one, rule), y, rows, batch.weights) for one in both)
    return None if costs is None or others is None else _moments(costs - others)


def _challenger(
    assessor: Assessor, batch: Batch, y: Labels, valid: Mask, answer: Predictions, decision: Recalibration | None
) -> dict[str, Any] | None:
    """Moments of what the challenger on trial costs more than the deployment, with the same decision: the challenger's
    own is fitted only once it is served."""
    challenger = assessor.challenger
    unseen = None if challenger is None else assessor.unseen(list(challenger.versions.values()), batch)
    if challenger is None or unseen is None:
        return None
    both, rows = (answer, assessor.answer(challenger, batch)), valid & unseen
    costs, others = (assessor.losses(decided(one, decision), y, rows, batch.weights) for one in both)
    if costs is None or others is None:
        return None
    return {"version": challenger.newest, "costs": _moments(others - costs)}


def _twins(
    assessor: Assessor, batch: Batch, y: Labels, valid: Mask, losses: Floats, decision: Recalibration | None
) -> dict[str, Any]:
    """What twins of each window, trained before this file, cost on it; and trained with it, on its reservoir.

    The window that the planner watches has twins for each file, and the others where several files are judged together,
    or one is as long as several, which is seldom; else for each second file, or, where a fresh model would have saved
    nothing on the newest file and this one costs no more than usual, for each fourth."""
    if assessor.served.version.is_recorded and not assessor.settings.challengers:
        return {"twins": {}, "pairs": {}, "gains": {}, "fresh": {}}
    watched = {assessor.twin_window: WINDOWS[assessor.twin_window]}
    place = sum(pool[-1] < batch.seq for pool in assessor.history.pools()) + 1
    calm = assessor.calm and not _risen(losses, assessor.usual_loss)
    seldom = len(batch.parts) > 1 or batches_of(batch.rows) >= TWINS_EVERY
    every = dict(WINDOWS) if seldom or place % (CALM_EVERY if calm else TWINS_EVERY) == 0 else watched
    ahead = _twin_losses(assessor, every, batch, y, valid, decision, batch.parts[0].seq - 1)
    reserved, with_it = valid & batch.reserved, {}
    if int(reserved.sum()) >= FEWEST_RESERVED:
        with_it = _twin_losses(assessor, watched, batch, y, reserved, decision, batch.seq)
    inner = losses[batch.reserved[valid]]
    names = list(ahead)
    pairs = {f"{a}|{b}": _moments(ahead[a] - ahead[b]) for i, a in enumerate(names) for b in names[i + 1 :]}
    return {
        "twins": {name: float(costs.mean()) for name, costs in ahead.items()},
        "pairs": pairs,
        "gains": {name: _mean_error(losses - costs) for name, costs in ahead.items()},
        "fresh": {name: _mean_error(inner - costs) for name, costs in with_it.items() if len(costs) == len(inner)},
    }


def _risen(losses: Floats, usual: float | None) -> bool:
    """Whether a file's losses (n,) are above the usual loss beyond chance; also where that is not known yet."""
    mean, error, _ = _mean_error(losses)
    return usual is None or mean > usual + RISEN_Z * error


def _twin_losses(
    assessor: Assessor,
    windows: Mapping[str, int | None],
    batch: Batch,
    y: Labels,
    rows: Mask,
    decision: Recalibration | None,
    up_to: int,
) -> dict[str, Floats]:
    """By window, the losses of a twin that was trained on the labelled files up to one."""
    found = {}
    for window, batches in windows.items():
        twin = _twin(assessor, batches, up_to)
        said = None if twin is None else twin(_matrix(assessor, batch))
        if said is None:
            continue
        losses = assessor.losses(decided(said, decision), y, rows, batch.weights)
        if losses is not None:
            found[window] = losses
    return found


def _twin(assessor: Assessor, batches: int | None, up_to: int) -> Twin | None:
    version, seed = assessor.served.version, assessor.settings.estimator.seed
    history = assessor.history
    pools = history.pools(up_to)
    whole = batches is None or len(history.newest(pools, batches)) == len(pools)  # of so few all windows are one
    reach = None if whole else batches
    twin: Twin | None = assessor.memory.get(
        ("twin", version.name, reach, up_to, history.labels_key([seq for pool in pools for seq in pool])),
        lambda: window_twin(history, version, batches, up_to, seed, assessor.memory),
    )
    return twin


def _matrix(assessor: Assessor, batch: Batch) -> Floats:
    version = assessor.served.version
    key = ("matrix", version.preprocessor, batch.rows_key)
    matrix: Floats = assessor.memory.get(key, lambda: version.matrix(batch.table))
    return matrix


def _moments(differences: Floats) -> list[float]:
    """Mean, variance, rows."""
    return [float(differences.mean()), float(differences.var()), len(differences)]


def _mean_error(differences: Floats) -> list[float]:
    """Mean, its standard error, rows."""
    rows = len(differences)
    error = float(differences.std()) / math.sqrt(rows) if rows else 0.0
    return [float(differences.mean()) if rows else 0.0, error, rows]
