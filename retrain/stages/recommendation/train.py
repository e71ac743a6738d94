"""The train stage of a recommendation: the prepared log to a staged table of items, and the blend to begin with."""

import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from retrain import durable
from retrain.operations import PreparedRows, StoredDeployment, TrainRequest, TrainResult
from retrain.recommendation.blend import Blend
from retrain.recommendation.contest import METRIC
from retrain.recommendation.counters import Counters, count, longest_for
from retrain.recommendation.ease import EaseSettings, ItemWeights, fit, pruned, supported
from retrain.recommendation.learning import configured_exclusion, first_blend
from retrain.recommendation.scene import LIVE, START
from retrain.recommendation.version import LoadedRecommender, Trained, half_lives, load_recommender, own_part, stage
from retrain.records.errors import Refused
from retrain.records.settings import ModelSettings
from retrain.stages.recommendation.prepared import PreparedLog, read_log_file
from retrain.user_code import is_own, load_function

MEMORY_SHARE = 0.5
"""Of limits.train_memory, for the dense matrix of items; the rest is for the log, its counters and the libraries."""
KEPT_UNIT = 2.0
"""A new unit within this factor of the champion's is not worth counting everything anew: the champion's is kept."""


def train(request: TrainRequest) -> TrainResult:
    """Train on the prepared log and stage the result in `work`/version, anew. Refused where the data or the
    configuration cannot give a version."""
    started = time.perf_counter()
    folder, settings = request.work / "version", request.settings
    durable.remove(folder, "train.clear")
    log = read_log_file(request.prepared.train)
    champion = _champion(request.champion)
    ease, unit_ms = ease_settings(settings), kept_unit(request.prepared.unit_ms or 1.0, champion)
    half_lives_ms = half_lives(unit_ms)
    weights = fitted(log, half_lives_ms, ease, settings, request.config_dir)
    items, table = own_part(weights, log.events.items)
    served = None if champion is None else _served_blend(champion, request.champion, unit_ms)
    blend = served or first_blend(
        log.events, ~log.held, unit_ms, half_lives_ms, ease, settings.estimator.seed, configured_exclusion(settings),
        LIVE if request.prepared.posted else START,
    )  # fmt: skip
    half_life = 0 if champion is None else champion.trained.half_life
    training, longest = _training(request, log, ease), longest_for(log.events)
    stage(folder, items, table, Trained(unit_ms, half_life, ease, blend, longest), request.schema, settings, training)
    copied = ("estimator", "params", "search", "weighted", "metric", "notes")
    return TrainResult(
        train_rows=training["rows"],
        seconds=round(time.perf_counter() - started, 3),
        **{key: training[key] for key in copied},
    )


def ease_settings(settings: ModelSettings) -> EaseSettings:
    """As configured, bounded by the memory of a training. Refused where a parameter is none of EASE."""
    own = is_own(settings.estimator.type)
    known = {one.name for one in fields(EaseSettings)} - {"items", "memory_bytes"}
    params = {} if own else settings.estimator.params
    if unknown := sorted(set(params) - known):
        raise Refused(f"estimator.params {unknown[0]!r} is unknown", f"expected some of {', '.join(sorted(known))}")
    memory = int(MEMORY_SHARE * settings.limits.train_memory)
    return EaseSettings(items=settings.recommendation.items, memory_bytes=memory, **params)


def kept_unit(unit_ms: float, champion: LoadedRecommender | None) -> float:
    """The unit of a new version's half-lives: the champion's, unless files have come to be much longer or shorter."""
    if champion is None:
        return unit_ms
    before = champion.trained.unit_ms
    return before if before / KEPT_UNIT <= unit_ms <= before * KEPT_UNIT else unit_ms


def fitted(
    log: PreparedLog,
    half_lives_ms: tuple[float | None, ...],
    ease: EaseSettings,
    settings: ModelSettings,
    config_dir: Path,
) -> ItemWeights:
    """EASE, or the user's own estimator, of the events that train."""
    counters = count(log.events.where(log.trains), half_lives_ms, longest_for(log.events))
    name = settings.estimator.type
    if name in ("auto", "ease"):
        return fit(counters, ease)
    if not is_own(name):
        raise Refused(f"estimator.type {name!r} is no recommender", 'expected "auto" or file.py:factory')
    estimator = load_function(name, config_dir, "estimator")(**settings.estimator.params)
    return _own_weights(name, estimator, counters, ease)


def _own_weights(name: str, estimator: Any, counters: Counters, ease: EaseSettings) -> ItemWeights:
    """What the user's estimator learned of the best-supported items: only its numbers are kept."""
    chosen, taught = supported(counters.support, ease), counters.interactions.positive()
    place = np.full(len(taught.items), -1)
    place[chosen] = np.arange(len(chosen))
    inside = place[taught.item] >= 0
    cells = taught.user[inside], place[taught.item[inside]]
    had = sparse.csr_array((np.ones(int(inside.sum()), np.float32), cells), shape=(len(taught.users), len(chosen)))
    had.sum_duplicates()
    had.data[:] = 1
    estimator.fit(had)
    found = getattr(estimator, "item_weights_", None)
    if found is None or found.shape != (len(chosen), len(chosen)):
        shape = "nothing" if found is None else f"shape {found.shape}"
        raise Refused(
            f"estimator {name!r}: item_weights_ is {shape} after fit", f"expected {len(chosen)} × {len(chosen)} numbers"
        )
    dense = np.asarray(found.toarray() if sparse.issparse(found) else found, np.float32)
    if not np.isfinite(dense).all():
        raise Refused(f"estimator {name!r}: item_weights_ has numbers that are not finite")
    inner, size = pruned(dense, ease.weights).tocoo(), len(taught.items)
    table = sparse.csr_array((inner.data, (chosen[inner.row], chosen[inner.col])), shape=(size, size))
    return ItemWeights(table, chosen)


def _champion(stored: StoredDeployment | None) -> LoadedRecommender | None:
    """What answers now; None also where it cannot be loaded: it is replaced."""
    try:
        return None if stored is None else load_recommender(stored.path(stored.heaviest))
    except Refused:
        return None


def _served_blend(champion: LoadedRecommender, stored: StoredDeployment | None, unit_ms: float) -> Blend | None:
    """What is served, as long as its half-lives are those of the new version."""
    if unit_ms != champion.trained.unit_ms:
        return None
    served = None if stored is None else stored.recalibration
    return champion.blend if served is None else Blend.from_json(served)


def _training(request: TrainRequest, log: PreparedLog, ease: EaseSettings) -> dict[str, Any]:
    prepared, settings = request.prepared, request.settings
    own, events = is_own(settings.estimator.type), log.events.where(log.trains)
    return {
        "format": 1,
        "model": request.model,
        "number": request.number,
        "rows": len(events),
        "users": len(np.unique(events.user)),
        "items": len(np.unique(events.item)),
        "snapshots": prepared.snapshots,
        "cut_time": prepared.cut_time,
        "window": prepared.window,
        "prepare": {name: getattr(prepared, name) for name in PreparedRows.__struct_fields__ if name != "cpu_s"},
        "seed": settings.estimator.seed,
        "threads": settings.limits.train_threads,
        "classes": None,
        "metric": {"name": METRIC, "default": METRIC, "initial_median": None},
        "baseline": None,
        "estimator": settings.estimator.type if own else "EASE",
        "params": settings.estimator.params if own else asdict(ease),
        "search": [],
        "weighted": False,
        "features": [],
        "notes": list(prepared.notes),
    }
