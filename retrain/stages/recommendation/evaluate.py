"""The evaluate stage of a recommendation: challenger, champion and popularity on held-out moments, and the gate's
verdict.

It also completes the staged version: metrics, histories that prove it, and what checks compare new files with."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from retrain.operations import EvaluateRequest, EvaluateResult, PreparedRows, StoredDeployment, to_json
from retrain.planning.gate import Opening
from retrain.recommendation.blend import Blend
from retrain.recommendation.contest import METRIC, NEWEST, Party, Result, court, first, judge
from retrain.recommendation.log import read_log
from retrain.recommendation.moments import Moments, joined
from retrain.recommendation.reference import write_reference
from retrain.recommendation.scene import LIVE, START
from retrain.recommendation.version import (
    LoadedRecommender,
    load_recommender,
    load_staged_recommender,
    write_probe,
    write_recommender,
)
from retrain.records.errors import Refused
from retrain.stages.recommendation.prepared import PreparedLog, read_log_file
from retrain.store.versions import write_json

PROBE_HISTORIES = 20
PROBE_LENGTH = 50
"""Items of a recorded history, the newest."""


def evaluate(request: EvaluateRequest) -> EvaluateResult:
    """Judge the staged version in `work`/version."""
    staged, settings = request.work / "version", request.settings
    challenger, log = load_staged_recommender(staged), read_log_file(request.prepared.train)
    notes: list[str] = []
    champion = _champion(request.champion, notes)
    blend = _served(request.champion, champion) or challenger.blend
    names, number = log.events.items, int(challenger.training["number"])
    judged = court(
        log.events, log.held, _edges(request.prepared, log), challenger.half_lives_ms, settings.estimator.seed, number
    )
    clock, weights = LIVE if request.prepared.posted else START, challenger.item_weights(names)
    if champion is None:
        blend, found = first(judged, weights, blend, settings.gate, clock)
    else:
        rival = champion.name, champion.item_weights(names)
        opening = Opening(request.trigger, tuple(request.past))
        found = judge(judged, weights, rival, blend, settings.gate, clock, opening)
    result = _result(found, champion, notes)
    own = blend if champion is None else challenger.blend
    write_recommender(staged, replace(challenger.trained, half_life=found.half_life, blend=own))
    write_json(staged, "metrics.json", to_json(result), "evaluate.metrics")
    write_probe(staged, challenger, _histories(joined([one.moments for one in judged.held]), log))
    everything = read_log(request.files, challenger.schema, settings)
    write_reference(staged, everything, request.files, challenger.schema, settings, challenger.items)
    return result


def _edges(prepared: PreparedRows, log: PreparedLog) -> list[int]:
    """Of the span that events are held out of, in NEWEST equal parts."""
    since_ms = prepared.held_since_ms or 0
    return [round(one) for one in np.linspace(since_ms, log.events.newest_ms, NEWEST + 1)]


def _champion(stored: StoredDeployment | None, notes: list[str]) -> LoadedRecommender | None:
    """What answers now; None, with a note, where it cannot be loaded."""
    if stored is None:
        return None
    try:
        return load_recommender(stored.path(stored.heaviest))
    except Refused as error:
        notes.append(f"the champion cannot be compared: {error}")
        return None


def _served(stored: StoredDeployment | None, champion: LoadedRecommender | None) -> Blend | None:
    if stored is None or champion is None:
        return None
    return champion.blend if stored.recalibration is None else Blend.from_json(stored.recalibration)


def _result(found: Result, champion: LoadedRecommender | None, notes: list[str]) -> EvaluateResult:
    overall = found.differences[0] if found.differences else None
    before = None if found.champion is None or champion is None else _party(found.champion) | {"version": champion.name}
    return EvaluateResult(
        verdict="promote" if found.verdict.promote else "keep",
        reason=found.verdict.reason,
        metric=METRIC,
        greater_is_better=True,
        rows=found.moments,
        challenger=_party(found.challenger),
        champion=before,
        baseline=_party(found.baseline) | {"half_life": found.half_life},
        difference=None if overall is None else overall.gain,
        difference_se=None if overall is None else overall.se,
        slices=[
            {"where": one.where, "rows": one.moments, "difference": one.gain, "se": one.se}
            for one in found.differences[1:]
        ],
        handicap=None,
        notes=notes,
        error_span=None,
        runtime={},
        importance={},
        lists=None if found.lists is None else asdict(found.lists),
        forecast=None if found.foretold is None else found.foretold.to_json(),
    )


def _party(party: Party | None) -> dict[str, Any]:
    if party is None:
        return {"value": None, "se": None, "reason": "no event was held out"}
    return {"value": party.value, "se": party.se, "reason": None}


def _histories(moments: Moments, log: PreparedLog) -> list[list[str]]:
    """Some held-out histories as item names, newest first."""
    places = np.unique(np.linspace(0, max(0, len(moments) - 1), PROBE_HISTORIES).astype(int))
    return [
        [str(log.events.items[one]) for one in moments.histories[place].item[:PROBE_LENGTH]]
        for place in places
        if place < len(moments)
    ]
