"""May a challenger replace the champion? Both are judged with the served blend on events that neither has seen, beside
popularity at its best half-life, which must be beaten. The daemon and the replay ask the same function."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from drift.notation import counted, score
from retrain.metrics.ranking import clustered_error, coverage, gini
from retrain.planning.forecast import Forecast, forecast
from retrain.planning.gate import Judged, Opening, PairedGain, Verdict, decide
from retrain.recommendation.blend import Blend, popularity_blend
from retrain.recommendation.counters import Counters, count, longest_for, merge
from retrain.recommendation.ease import ItemWeights
from retrain.recommendation.evaluation import Gain, gains
from retrain.recommendation.interactions import Interactions
from retrain.recommendation.moments import Moments, joined
from retrain.recommendation.scene import START, Ranked, Scene, popularity_alone, ranked, scene_of
from retrain.records.predictions import Floats
from retrain.records.settings.decisions import GateSettings

METRIC, POPULARITY = "ndcg_at_10", "popularity at its best half-life"
JUDGED = 1000
"""Held-out moments, at most."""
NEWEST = 2
"""Files, of which a fifth of the users is held out."""
HalfLives = tuple[float | None, ...]
"""In milliseconds; None is for ever."""
CHALLENGER, CHAMPION = "challenger", "champion"


@dataclass(frozen=True)
class Party:
    """How one did on the held-out moments: mean NDCG, and its standard error by user."""

    value: float
    se: float | None


@dataclass(frozen=True)
class Lists:
    """What the challenger's lists are like: the share of the known items that is in any, how unevenly they are shown
    (Gini), and the share of lists that popularity alone gave."""

    coverage: float
    gini: float
    fallback_share: float


@dataclass(frozen=True)
class Result:
    """How it came out, with the paired `differences` (of all moments, then of slices); `baseline` is popularity with
    the half-life at place `half_life`. `lists` are the challenger's."""

    verdict: Verdict
    moments: int
    challenger: Party | None = None
    champion: Party | None = None
    baseline: Party | None = None
    half_life: int = 0
    differences: tuple[Gain, ...] = ()
    lists: Lists | None = None
    foretold: Forecast | None = None

    @property
    def z(self) -> float | None:
        """The challenger's gain over the champion in standard errors; None where that is unknown."""
        overall = self.differences[0] if self.differences else None
        return overall.gain / overall.se if overall is not None and overall.se else None


@dataclass(frozen=True)
class Court:
    """What a challenger is judged on: `held` are scenes of held-out events, `others` of events of everybody else in the
    same time, by which the best half-life is chosen; `counters` has all that is not held out."""

    held: tuple[Scene, ...]
    others: tuple[Scene, ...]
    counters: Counters


def court(
    events: Interactions,
    held: NDArray[np.bool_],
    edges_ms: Sequence[int],
    half_lives_ms: HalfLives,
    seed: int,
    place: int,
) -> Court:
    """Of held-out events (a mask), between each two edges in time one scene, as the counters of all that is not held
    out saw it from its start; `place` is the number of the contest."""
    counters = count(events.where(~held & (events.time_ms <= edges_ms[0])), half_lives_ms, longest_for(events))
    scenes, others, most = list[Scene](), list[Scene](), JUDGED // (len(edges_ms) - 1)
    for part, (begin, end) in enumerate(pairwise(edges_ms)):
        inside = (events.time_ms > begin) & (events.time_ms <= end)
        number = place * len(edges_ms) + part
        scenes.append(scene_of(events, held & inside, begin, counters, seed, number, most))
        others.append(scene_of(events, ~held & inside, begin, counters, seed + 1, number, most))
        counters = merge(counters, count(events.where(~held & inside), half_lives_ms))
    return Court(tuple(scenes), tuple(others), counters)


def judge(
    judged: Court,
    challenger: ItemWeights,
    champion: tuple[str, ItemWeights] | None,
    blend: Blend,
    gate: GateSettings,
    clock: str = START,
    opening: Opening | None = None,
) -> Result:
    """Compare on the scenes of held-out events and decide."""
    moments, counters = joined([one.moments for one in judged.held]), judged.counters
    if not len(moments):
        return Result(Verdict(False, "no event was held out to judge it by"), 0)
    versions = {CHALLENGER: challenger} | ({CHAMPION: champion[1]} if champion is not None else {})
    found = ranked(judged.held, versions, blend, CHALLENGER, clock)
    elsewhere = popularity_alone(judged.others, blend.exclude_seen, clock)
    half_life = int(np.argmax([one.mean() if len(one) else 0.0 for one in elsewhere]))
    popular, own = found.popularity[half_life], found.quality[CHALLENGER]
    before = found.quality.get(CHAMPION)
    differences = () if before is None else gains(own, before, moments, counters, gate.min_slice_rows)
    rival = None if champion is None or before is None else (champion[0], float(before.mean()))
    foretold = _foretold(differences, opening or Opening())
    verdict = _verdict(own, popular, rival, differences, foretold, opening or Opening(), gate)
    if before is not None and champion is not None and np.array_equal(own, before) and _alike(challenger, champion[1]):
        verdict = Verdict(False, f"it ranks exactly as {champion[0]} does")
    return Result(
        verdict, len(moments), _party(own, moments), None if before is None else _party(before, moments),
        _party(popular, moments), half_life, differences, _lists(found, counters), foretold,
    )  # fmt: skip


def first(
    judged: Court, challenger: ItemWeights, blend: Blend, gate: GateSettings, clock: str = START
) -> tuple[Blend, Result]:
    """The blend of a first version, and how it did. Where what was learned does not beat popularity yet, popularity
    alone answers: better than nothing, and the blend follows the next files."""
    found = judge(judged, challenger, None, blend, gate, clock)
    if found.verdict.promote or found.challenger is None or found.baseline is None:
        return blend, found
    alone = popularity_blend(found.half_life, blend.exclude_seen)
    reason = (
        f"popularity alone answers, with {METRIC} {score(found.baseline.value)} on "
        f"{counted(found.moments, 'held-out moment')}: what was learned so far reaches "
        f"{score(found.challenger.value)}; the blend follows new files"
    )
    return alone, replace(judge(judged, challenger, None, alone, gate, clock), verdict=Verdict(True, reason))


def _foretold(differences: tuple[Gain, ...], opening: Opening) -> Forecast | None:
    """Over files of as many moments; None without a champion."""
    overall = differences[0] if differences else None
    if overall is None or overall.se is None:
        return None
    return forecast(overall.gain, overall.se, overall.moments, overall.moments, opening.trigger, opening.past)


def _verdict(
    own: Floats,
    popular: Floats,
    champion: tuple[str, float] | None,
    differences: tuple[Gain, ...],
    foretold: Forecast | None,
    opening: Opening,
    gate: GateSettings,
) -> Verdict:
    paired = [PairedGain(one.gain, one.se, one.where, one.moments) for one in differences]
    value, least = float(own.mean()), float(popular.mean())
    if champion is None:
        return _of_first(value, least, len(own), gate)
    judged = Judged(
        METRIC, len(own), value, least, PairedGain(value - least, None), champion,
        next(iter(paired), None), foretold, paired[1:], "held-out moment", POPULARITY,
    )  # fmt: skip
    return decide(judged, opening, gate)


def _of_first(value: float, least: float, moments: int, gate: GateSettings) -> Verdict:
    """Of a version beside none, by any gain: where it has none, popularity alone answers."""
    better = "better" if value > least else "not better"
    anyway = "; it is served all the same (gate.serve_anyway)" if value <= least and gate.serve_anyway else ""
    reached = f"{METRIC} {score(value)} on {counted(moments, 'held-out moment')}"
    told = f"{reached} is {better} than {score(least)} of {POPULARITY}{anyway}"
    return Verdict(value > least or gate.serve_anyway, told)


def _party(quality: Floats, moments: Moments) -> Party:
    return Party(float(quality.mean()), clustered_error(quality, moments.user))


def _lists(found: Ranked, counters: Counters) -> Lists:
    items = int((counters.support > 0).sum())
    codes: NDArray[np.int64] = np.unique(found.shown, return_inverse=True)[1]
    return Lists(coverage(found.shown, items), gini(codes, max(items, 1)), found.cold_share)


def _alike(one: ItemWeights, other: ItemWeights) -> bool:
    same = one.table.nnz == other.table.nnz and np.array_equal(one.trained, other.trained)
    return same and (one.table != other.table).nnz == 0
