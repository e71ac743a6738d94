"""One batch as it is judged: its moments, what the counters knew then, and how every run ranked what was chosen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from daemon.tools.replay.recommendation.player import CLOCKS, LIVE, START, Player
from daemon.tools.replay.recommendation.source import Stream
from retrain.recommendation.blend import Choices, joined
from retrain.recommendation.counters import Counters
from retrain.recommendation.ease import ItemWeights
from retrain.recommendation.evaluation import chunks, quality
from retrain.recommendation.freshness import Increments, at_moments, increments
from retrain.recommendation.judging import Answers, choices, scores, seen_items, top
from retrain.recommendation.moments import Moments, sampled
from retrain.recommendation.parts import (
    HALF_LIVES,
    PERSONAL,
    Live,
    Part,
    live_parts,
    live_tables,
    names,
    popular_parts,
    popularities,
    trained_parts,
)
from retrain.recommendation.requests import requests_of
from retrain.records.predictions import Floats

LIST = 10
"""Items of an answer."""


@dataclass(frozen=True)
class Scene:
    """A batch from the view of its start: `popularity` (half-lives, items) as counted then, and what `later` events
    change."""

    place: int
    seed: int
    moments: Moments
    live: Live
    known: NDArray[np.bool_]
    popularity: NDArray[np.float64]
    later: Increments

    def answers(self, clocks: Sequence[str] = CLOCKS) -> Iterator[tuple[slice, Moments, dict[str, Answers]]]:
        """By pieces of the moments and by clock: what the parts say that need no version."""
        items, start = len(self.known), popular_parts(self.popularity[:, None])
        live = at_moments(self.popularity, self.later, self.moments.time_ms)
        for part in chunks(len(self.moments), items):
            some = self.moments.part(part)
            requests = requests_of(some.histories)
            own, seen = live_parts(requests, self.live, items), seen_items(requests, items)
            said = {START: Answers(requests, start, own, seen, self.known)}
            if LIVE in clocks:
                now = np.stack(list(islice(live, len(some))), axis=1)
                said[LIVE] = Answers(requests, popular_parts(now), own, seen, now[-1] > 0)
            yield part, some, said


@dataclass
class Judged:
    """What came of a batch: NDCG (moments,) by run and clock, and what blends can learn. `shown` are the items of the
    lists of the policy with live counters."""

    quality: dict[tuple[str, str], list[Floats]] = field(default_factory=dict)
    choices: dict[tuple[str, str], list[Choices]] = field(default_factory=dict)
    shown: list[NDArray[np.int64]] = field(default_factory=list)

    def of(self, name: str, clock: str = START) -> Floats:
        """NDCG of all moments of a run."""
        return np.concatenate([np.zeros(0), *self.quality.get((name, clock), ())])

    def learned(self, name: str, clock: str) -> Choices:
        """The choices of a player."""
        return joined(self.choices[name, clock])

    def add(self, name: str, clock: str, found: Floats) -> None:
        self.quality.setdefault((name, clock), []).append(found)


def scene_of(stream: Stream, place: int, counters: Counters, seed: int) -> Scene:
    """Draw the batch's moments, and see what the counters knew."""
    labelled, since = stream.batch == place, stream.starts_ms[place]
    moments = sampled(stream.events, labelled, seed * 100_003 + place)
    counted = popularities(counters, since)
    later = increments(counters, stream.events, labelled, since)
    return Scene(place, seed, moments, live_tables(counters), counters.support > 0, counted, later)


def judge(scene: Scene, players: Mapping[str, Player], exclude_seen: bool, shown: bool) -> Judged:
    """How each player's blend ranked the moments, with both clocks, and each part alone by the last player's
    version."""
    freshest = list(players)[-1]
    judged = Judged()
    for part, some, said in scene.answers():
        trained: dict[int, dict[str, Part]] = {}
        for name, player in players.items():
            assert player.version is not None
            if id(player.version) not in trained:
                trained[id(player.version)] = trained_parts(said[START].requests, player.version)
            for clock in CLOCKS:
                full = said[clock].with_version(trained[id(player.version)])
                score = scores(full, player.tracks[clock].blend)
                judged.add(name, clock, quality(score, full, some, exclude_seen))
                drawn = choices(full, some, exclude_seen, (scene.seed, scene.place, part.start))
                judged.choices.setdefault((name, clock), []).append(drawn)
                if name == freshest:
                    _parts_alone(judged, full, some, exclude_seen, clock)
                if name == "policy" and clock == LIVE and shown:
                    allowed = full.allowed(exclude_seen)
                    judged.shown += [top(one, may, LIST) for one, may in zip(score, allowed, strict=True)]
    return judged


def with_versions(
    scene: Scene, versions: Mapping[str, ItemWeights], player: Player, exclude_seen: bool
) -> dict[str, Floats]:
    """NDCG (moments,) of a player's blend with other versions, with counters as of the batch's start."""
    judged = Judged()
    for _, some, said in scene.answers([START]):
        for name, version in versions.items():
            full = said[START].with_version(trained_parts(said[START].requests, version))
            score = scores(full, player.tracks[START].blend)
            judged.add(name, START, quality(score, full, some, exclude_seen))
    return {name: judged.of(name) for name in versions}


def _parts_alone(judged: Judged, full: Answers, some: Moments, exclude_seen: bool, clock: str) -> None:
    for name, part in zip(names()[: len(HALF_LIVES)], full.popular.parts, strict=True):
        judged.add(name, clock, quality(part.scores, full, some, exclude_seen))
    if clock == START:
        for name in PERSONAL:
            judged.add(name, clock, quality(full.personal[name].scores, full, some, exclude_seen))
