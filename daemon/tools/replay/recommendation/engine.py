"""The policy and its baselines over an event log: each batch is answered, then its events are shown, then planned.

The counters follow every batch (and, beside it, every event); what is retrained is the trained version. The same
planner decides when: `retrain.planning.planner.plan`, by the regret of a small fresh version, the price and the
budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from daemon.tools.replay.deployments import DAY_S
from daemon.tools.replay.recommendation.contest import METRIC, Contest
from daemon.tools.replay.recommendation.player import CLOCKS, LIVE, START, Player
from daemon.tools.replay.recommendation.scene import Judged, Scene, judge, scene_of, with_versions
from daemon.tools.replay.recommendation.source import Stream
from daemon.tools.replay.record import Clock
from retrain.metrics.ranking import clustered_error
from retrain.planning.planner import plan
from retrain.recommendation.blend import FILES, excludes_seen
from retrain.recommendation.counters import Counters, count, merge
from retrain.recommendation.ease import EaseSettings, ItemWeights, fit
from retrain.recommendation.parts import HALF_LIVES, names
from retrain.records.action import OpenCycle
from retrain.records.assessment import Assessment
from retrain.records.deployment import Champion, Deployment
from retrain.records.observation import CycleResult, Observation
from retrain.records.planner_state import PlannerState
from retrain.records.predictions import Floats
from retrain.records.settings import Budget, ModelSettings, TriggerSettings
from retrain.records.trigger import Trigger

POPULARITIES = names()[: len(HALF_LIVES)]
TWIN_ITEMS = 1000
"""The items of the small versions that are trained at every batch to see what a fresh one gains: an EASE of them takes
a thirtieth of the time, and NDCG is 0 to 4 % lower."""
LEVEL = 0.1
"""The share of the served NDCG that a retrain's price is a share of, in place of a loss: nobody can earn most of 1 −
NDCG. With the price of 0.5, a retrain pays once a fresh version would have gained 5 % of one batch's NDCG in sum."""
SMOOTHED = 0.1
"""The share of a new batch in the served NDCG that gains are divided by."""
PURPOSES = ("first", "retrains", "probes", "live", "serving", "every")
"""What CPU seconds are for: "live" counts and learns the weights of blends, "every" retrains that baseline."""
RECENT = 3
"""Batches, the newest, by which the half-life of popularity is chosen."""


def planner_settings() -> TriggerSettings:
    """When to retrain. The counters carry most of what is new, so that a version may be older than elsewhere."""
    return TriggerSettings(growth=1.7, retrains=Budget(15.0, 100, None))


@dataclass
class Engine:
    """A replay; `initial` batches train the first version. `rivals` are the baselines with versions, every last."""

    stream: Stream
    initial: int
    settings: ModelSettings
    rivals: Sequence[str] = ("never", "every")
    seed: int = 0
    ease: EaseSettings = field(default_factory=EaseSettings)
    clock: Clock = field(default_factory=lambda: Clock(dict.fromkeys(PURPOSES, 0.0)))
    state: PlannerState = field(default_factory=PlannerState)
    cycles: list[dict[str, Any]] = field(default_factory=list)
    batches: list[dict[str, Any]] = field(default_factory=list)
    users: list[np.ndarray] = field(default_factory=list)
    parts: dict[tuple[str, str], list[Floats]] = field(default_factory=dict)
    shown: list[np.ndarray] = field(default_factory=list)
    exclude_seen: bool = False
    _counters: Counters | None = None
    _twin: ItemWeights | None = None
    _twin_place: int = 0
    _champion: Champion | None = None
    _retrained: CycleResult | None = None
    _repeaters: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    _served: float = 0.0

    def __post_init__(self) -> None:
        typical = self.stream.typical_ms
        self.half_lives = tuple(None if one is None else one * typical for one in HALF_LIVES)
        self.players = {name: Player(name) for name in ("policy", *self.rivals)}

    @property
    def counters(self) -> Counters:
        """Of all batches before the one that is played."""
        assert self._counters is not None
        return self._counters

    def play(self, progress: Callable[[int], None] | None = None) -> None:
        """All batches; the first one is only counted."""
        self._counters = count(self.stream.of(0), self.half_lives)
        for player in self.players.values():
            for clock in CLOCKS:
                player.tracks[clock].note(None)
        for place in range(1, len(self.stream.starts_ms)):
            self._versions(place)
            self._batch(place)
            if progress is not None:
                progress(place + 1)

    def _versions(self, place: int) -> None:
        """Train what is due before a batch: before the first served one a version for all, and at each one for
        `every`."""
        if place <= self.initial:
            with self.clock.during("first"):
                version = fit(self.counters, self.ease)
            for player in self.players.values():
                player.version = version
            if place == self.initial:
                self._promoted(place - 1)
            return
        if "every" in self.players:
            with self.clock.during("every"):
                self.players["every"].version = fit(self.counters, self.ease)

    def _batch(self, place: int) -> None:
        served = place >= self.initial
        with self.clock.during("live"):
            scene = scene_of(self.stream, place, self.counters, self.seed)
        with self.clock.during("serving"):
            judged = judge(scene, self.players, self.exclude_seen, served)
        self._note(scene, judged, served)
        last = place + 1 == len(self.stream.starts_ms)
        if served and not last:
            self._assess(scene, judged)
        self._learn(scene, judged)
        with self.clock.during("live"):
            self._counters = merge(self.counters, count(self.stream.of(place), self.half_lives))
        if served and not last:
            self._decide(place)

    def _note(self, scene: Scene, judged: Judged, served: bool) -> None:
        for name, player in self.players.items():
            for clock in CLOCKS:
                player.tracks[clock].note(judged.of(name, clock) if served else None)
        for key in judged.quality:
            if key[0] not in self.players:
                self.parts.setdefault(key, []).append(judged.of(*key))
        if served:
            self.users.append(scene.moments.user)
            self.shown += judged.shown
            self.batches.append(self._account(scene))

    def _account(self, scene: Scene) -> dict[str, Any]:
        """What the batch was like."""
        moments, version = scene.moments, self.players["policy"].version
        assert version is not None
        cold = np.array([not len(one.item) for one in moments.histories])
        return {
            "batch": scene.place, "moments": len(moments), "exclude_seen": self.exclude_seen,
            "without_history": float(cold.mean()), "repeats": float(moments.repeats.mean()),
            "unknown_to_version": float((~np.isin(moments.target, version.trained)).mean()),
            "weights": dict(self.players["policy"].tracks[LIVE].blend.warm),
        }  # fmt: skip

    def _learn(self, scene: Scene, judged: Judged) -> None:
        """The labels of a batch: whether seen items are left out from now on, and the blends' weights."""
        self._repeaters = [*self._repeaters, scene.moments.repeaters][-FILES:]
        repeaters, people = (len(np.unique(np.concatenate(users))) for users in zip(*self._repeaters, strict=True))
        self.exclude_seen = excludes_seen(repeaters, people)
        for name, player in self.players.items():
            with self.clock.during("live" if name == "policy" else "serving"):
                for clock in CLOCKS:
                    player.tracks[clock].learn(judged.learned(name, clock), self.exclude_seen)

    def _assess(self, scene: Scene, judged: Judged) -> None:
        """What a fresh version would have gained on this batch: a small one trained before it, against an equally small
        one trained with the served version."""
        mean = float(judged.of("policy").mean())
        self._served = mean if not self._served else (1 - SMOOTHED) * self._served + SMOOTHED * mean
        found = {}
        if self._twin_place < scene.place - 1 and self._twin is not None:
            with self.clock.during("probes"):
                fresh = fit(self.counters, replace(self.ease, items=TWIN_ITEMS))
                versions = {"fresh": fresh, "old": self._twin}
                quality = with_versions(scene, versions, self.players["policy"], self.exclude_seen)
            found = {"all": self._relative(quality["fresh"] - quality["old"], scene.moments.user)}
        self._assessment = Assessment(
            scene.place, scene.place + 1, len(scene.moments), METRIC, mean, LEVEL, gains=found, newest=self._name
        )

    def _relative(self, difference: Floats, users: np.ndarray) -> tuple[float, float, int]:
        """The gain and its standard error by user as shares of the served NDCG."""
        level = max(self._served, 1e-3)
        error = clustered_error(difference, users) or 0.0
        return float(difference.mean()) / level, error / level, len(difference)

    @property
    def _name(self) -> str:
        assert self._champion is not None
        return self._champion.newest

    def _decide(self, place: int) -> None:
        """Ask the planner; a cycle trains, is judged, and is promoted or kept."""
        assert self._champion is not None
        rows = int((self.stream.batch <= place).sum())
        observation = Observation(
            labelled_rows=rows, new_labelled_rows=rows - self._champion.known_rows, class_rows={}, newest_seq=place + 1,
            champion=self._champion, open_cycle=None, assessments=(self._assessment,), retrained=self._retrained,
        )  # fmt: skip
        self.state, action = plan(self.state, observation, (place + 1) * DAY_S, self.settings)
        if isinstance(action, OpenCycle):
            with self.clock.during("retrains"):
                self._cycle(place, action.trigger)

    def _cycle(self, place: int, trigger: Trigger) -> None:
        policy = self.players["policy"]
        assert policy.version is not None
        contest = Contest(self.stream, place, self.half_lives, self.ease, self.settings.gate, self.seed)
        challenger, result = contest.held(
            self._name, policy.version, policy.tracks[START].blend, self.best_half_life(START)
        )
        self.cycles.append(
            {"batch": place, "trigger": trigger.kind, "reason": trigger.reason, "window": "all", **result.to_json()}
        )
        self._retrained = CycleResult(len(self.cycles), result.promoted, result.z)
        if result.promoted:
            policy.version = challenger
            self._promoted(place)

    def _promoted(self, place: int) -> None:
        """A version is served from the next batch on."""
        number = 1 + sum(cycle["promoted"] for cycle in self.cycles)
        name, rows = f"v{number:04d}", int((self.stream.batch <= place).sum())
        self._champion = Champion(
            Deployment.of(number, "", {name: 1.0}), number, (place + 1) * DAY_S, "promote", name, number,
            seen_seq=place + 1, known_rows=rows,
        )  # fmt: skip
        with self.clock.during("probes"):
            self._twin, self._twin_place = fit(self.counters, replace(self.ease, items=TWIN_ITEMS)), place

    def best_half_life(self, clock: str, before: int | None = None) -> int:
        """Which popularity did best on the newest batches; `before` counts the judged batches that are known."""
        known = [self.parts.get((name, clock), [])[:before][-RECENT:] for name in POPULARITIES]
        return int(np.argmax([np.concatenate([np.zeros(1), *one]).mean() for one in known]))

    def popularity(self, clock: str) -> list[Floats]:
        """NDCG by served batch of popularity alone, its half-life chosen on the batches before."""
        judged = range(self.initial - 1, len(self.stream.starts_ms) - 1)
        return [self.parts[POPULARITIES[self.best_half_life(clock, place)], clock][place] for place in judged]
