"""How each policy of a replay ranked one batch, with both clocks, and each part alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from daemon.tools.replay.recommendation.player import Player
from retrain.recommendation.blend import Choices, joined
from retrain.recommendation.evaluation import quality
from retrain.recommendation.judging import Answers, choices, scores, top
from retrain.recommendation.moments import Moments
from retrain.recommendation.parts import HALF_LIVES, PERSONAL, Part, names, trained_parts
from retrain.recommendation.scene import CLOCKS, LIST, LIVE, START, Scene
from retrain.records.predictions import Floats


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
                drawn = choices(full, some, exclude_seen, (*scene.seed, part.start))
                judged.choices.setdefault((name, clock), []).append(drawn)
                if name == freshest:
                    _parts_alone(judged, full, some, exclude_seen, clock)
                if name == "policy" and clock == LIVE and shown:
                    allowed = full.allowed(exclude_seen)
                    judged.shown += [top(one, may, LIST) for one, may in zip(score, allowed, strict=True)]
    return judged


def _parts_alone(judged: Judged, full: Answers, some: Moments, exclude_seen: bool, clock: str) -> None:
    for name, part in zip(names()[: len(HALF_LIVES)], full.popular.parts, strict=True):
        judged.add(name, clock, quality(part.scores, full, some, exclude_seen))
    if clock == START:
        for name in PERSONAL:
            judged.add(name, clock, quality(full.personal[name].scores, full, some, exclude_seen))
