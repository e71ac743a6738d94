"""One file as it is judged: its moments, what the counters knew then, and how versions and blends ranked what was
chosen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from retrain.recommendation.blend import Blend
from retrain.recommendation.counters import Counters
from retrain.recommendation.ease import ItemWeights
from retrain.recommendation.evaluation import chunks, quality
from retrain.recommendation.freshness import Increments, at_moments, increments
from retrain.recommendation.interactions import Interactions
from retrain.recommendation.judging import Answers, scores, seen_items, top
from retrain.recommendation.moments import MOST, Moments, sampled
from retrain.recommendation.parts import (
    HALF_LIVES,
    Live,
    live_parts,
    live_tables,
    popular_parts,
    popularities,
    trained_parts,
)
from retrain.recommendation.requests import requests_of
from retrain.records.predictions import Floats

START, LIVE = "start", "live"
"""As of what time the popularities are: the file's start, or each event."""
CLOCKS = (START, LIVE)
LIST = 10
"""Items of an answer."""
SEED_STEP = 100_003
"""Between the seeds of files: no two seeds and files share one."""


@dataclass(frozen=True)
class Scene:
    """A file from the view of its start: `popularity` (half-lives, items) as counted then, and what `later` events
    change. `seed` draws candidates."""

    moments: Moments
    live: Live
    known: NDArray[np.bool_]
    popularity: NDArray[np.float64]
    later: Increments
    seed: tuple[int, int]

    def answers(self, clocks: Sequence[str] = CLOCKS) -> Iterator[tuple[slice, Moments, dict[str, Answers]]]:
        """By pieces of the moments and by clock: what the parts say that need no version."""
        items, start = len(self.known), popular_parts(self.popularity[:, None])
        now = at_moments(self.popularity, self.later, self.moments.time_ms)
        for part in chunks(len(self.moments), items):
            some = self.moments.part(part)
            requests = requests_of(some.histories)
            own, seen = live_parts(requests, self.live, items), seen_items(requests, items)
            said = {START: Answers(requests, start, own, seen, self.known)}
            if LIVE in clocks:
                then = np.stack(list(islice(now, len(some))), axis=1)
                said[LIVE] = Answers(requests, popular_parts(then), own, seen, then[-1] > 0)
            yield part, some, {clock: said[clock] for clock in clocks}


def scene_of(
    events: Interactions,
    labelled: NDArray[np.bool_],
    since_ms: int,
    counters: Counters,
    seed: int,
    place: int,
    most: int = MOST,
) -> Scene:
    """Draw the moments of the events of a mask (n,), of a file that began at `since_ms`, and see what the counters, of
    what came before, knew. `events` and `counters` have the same names; `place` is the file's number."""
    moments = sampled(events, labelled, seed * SEED_STEP + place, most)
    counted = popularities(counters, since_ms)
    later = increments(counters, events, labelled, since_ms)
    return Scene(moments, live_tables(counters), counters.support > 0, counted, later, (seed, place))


def with_versions(
    scene: Scene, versions: Mapping[str, ItemWeights], blend: Blend, exclude_seen: bool, clock: str = START
) -> dict[str, Floats]:
    """NDCG (moments,) of a blend with several versions."""
    found: dict[str, list[Floats]] = {name: [np.zeros(0)] for name in versions}
    for _, some, said in scene.answers([clock]):
        for name, version in versions.items():
            full = said[clock].with_version(trained_parts(said[clock].requests, version))
            found[name].append(quality(scores(full, blend), full, some, exclude_seen))
    return {name: np.concatenate(values) for name, values in found.items()}


@dataclass(frozen=True)
class Ranked:
    """How the moments (n,) of scenes were ranked: NDCG (n,) by version, and of each popularity alone; `shown` are the
    items of all lists of one version, `cold_share` the share of moments of people without history."""

    quality: Mapping[str, Floats]
    popularity: tuple[Floats, ...]
    shown: NDArray[np.int64]
    cold_share: float


def ranked(
    scenes: Sequence[Scene], versions: Mapping[str, ItemWeights], blend: Blend, shown: str, clock: str = START
) -> Ranked:
    """What the blend says with each version, and popularity alone at each half-life; `shown` is the version whose lists
    are kept."""
    found: dict[str, list[Floats]] = {name: [np.zeros(0)] for name in versions}
    alone: list[list[Floats]] = [[np.zeros(0)] for _ in HALF_LIVES]
    lists, cold = [np.zeros(0, np.int64)], [np.zeros(0, bool)]
    for _, some, said in (piece for scene in scenes for piece in scene.answers([clock])):
        bare = said[clock]
        cold.append(bare.requests.cold)
        for name, version in versions.items():
            full = bare.with_version(trained_parts(bare.requests, version))
            score = scores(full, blend)
            found[name].append(quality(score, full, some, blend.exclude_seen))
            if name == shown:
                allowed = full.allowed(blend.exclude_seen)
                lists += [top(one, may, LIST) for one, may in zip(score, allowed, strict=True)]
        for values, one in zip(alone, bare.popular.parts, strict=True):
            values.append(quality(one.scores, bare, some, blend.exclude_seen))
    return Ranked(
        {name: np.concatenate(values) for name, values in found.items()},
        tuple(np.concatenate(values) for values in alone),
        np.concatenate(lists),
        float(np.mean(np.concatenate(cold))) if len(cold) > 1 else 0.0,
    )


def popularity_alone(scenes: Sequence[Scene], exclude_seen: bool, clock: str = START) -> tuple[Floats, ...]:
    """NDCG (moments,) of each popularity alone, by half-life."""
    found: list[list[Floats]] = [[np.zeros(0)] for _ in HALF_LIVES]
    for _, some, said in (piece for scene in scenes for piece in scene.answers([clock])):
        for values, one in zip(found, said[clock].popular.parts, strict=True):
            values.append(quality(one.scores, said[clock], some, exclude_seen))
    return tuple(np.concatenate(values) for values in found)
