"""The policy and its baselines over an event log: each batch is answered, then its events are shown, then planned.

The counters follow every batch (and, beside it, every event); what is retrained is the trained version. The same
planner decides when: `retrain.planning.planner.plan`, by the regret of a small fresh version, the price and the
budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from daemon.tools.replay.deployments import DAY_S
from daemon.tools.replay.recommendation.judging import Judged, judge
from daemon.tools.replay.recommendation.player import Player
from daemon.tools.replay.recommendation.source import Stream
from daemon.tools.replay.record import Clock
from retrain.planning.gate import Opening
from retrain.planning.planner import plan
from retrain.recommendation import contest, regret
from retrain.recommendation.blend import FILES, excludes_seen
from retrain.recommendation.contest import METRIC
from retrain.recommendation.counters import Counters, count, merge
from retrain.recommendation.ease import EaseSettings, ItemWeights, fit
from retrain.recommendation.evaluation import held_out
from retrain.recommendation.parts import HALF_LIVES, names
from retrain.recommendation.scene import CLOCKS, LIVE, START, Scene, scene_of
from retrain.records.action import OpenCycle
from retrain.records.assessment import Assessment
from retrain.records.deployment import Champion, Deployment
from retrain.records.observation import CycleResult, Observation
from retrain.records.planner_state import PlannerState
from retrain.records.predictions import Floats
from retrain.records.settings import Budget, ModelSettings, TriggerSettings
from retrain.records.trigger import Trigger

POPULARITIES = names()[: len(HALF_LIVES)]
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
    _assessments: list[Assessment] = field(default_factory=list)

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
            labelled, since = self.stream.batch == place, self.stream.starts_ms[place]
            scene = scene_of(self.stream.events, labelled, since, self.counters, self.seed, place)
        with self.clock.during("serving"):
            judged = judge(scene, self.players, self.exclude_seen, served)
        self._note(scene, judged, served, place)
        last = place + 1 == len(self.stream.starts_ms)
        if served and not last:
            self._assess(scene, judged, place)
        self._learn(scene, judged)
        with self.clock.during("live"):
            self._counters = merge(self.counters, count(self.stream.of(place), self.half_lives))
        if served and not last:
            self._decide(place)

    def _note(self, scene: Scene, judged: Judged, served: bool, place: int) -> None:
        for name, player in self.players.items():
            for clock in CLOCKS:
                player.tracks[clock].note(judged.of(name, clock) if served else None)
        for key in judged.quality:
            if key[0] not in self.players:
                self.parts.setdefault(key, []).append(judged.of(*key))
        if served:
            self.users.append(scene.moments.user)
            self.shown += judged.shown
            self.batches.append(self._account(scene, place))

    def _account(self, scene: Scene, place: int) -> dict[str, Any]:
        """What the batch was like."""
        moments, version = scene.moments, self.players["policy"].version
        assert version is not None
        cold = np.array([not len(one.item) for one in moments.histories])
        return {
            "batch": place, "moments": len(moments), "exclude_seen": self.exclude_seen,
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

    def _assess(self, scene: Scene, judged: Judged, place: int) -> None:
        """What a fresh version would have gained on this batch: a small one trained before it, against an equally small
        one trained with the served version."""
        mean = float(judged.of("policy").mean())
        self._served = regret.served_level(self._served, mean)
        found = {}
        if self._twin_place < place - 1 and self._twin is not None:
            with self.clock.during("probes"):
                fresh, blend = regret.small(self.counters, self.ease), self.players["policy"].tracks[START].blend
                gain = regret.gain(scene, fresh, self._twin, blend, self.exclude_seen, self._served)
            found = {"all": gain}
        self._assessments.append(
            Assessment(place, place + 1, len(scene.moments), METRIC, mean, regret.LEVEL, gains=found, newest=self._name)
        )

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
            champion=self._champion, open_cycle=None, assessments=tuple(self._assessments),
            retrained=self._retrained, batches=float(place + 1),
        )  # fmt: skip
        self.state, action = plan(self.state, observation, (place + 1) * DAY_S, self.settings)
        if isinstance(action, OpenCycle):
            with self.clock.during("retrains"):
                self._cycle(place, action.trigger)

    def _cycle(self, place: int, trigger: Trigger) -> None:
        """Train, compare by the served blend, decide."""
        policy = self.players["policy"]
        assert policy.version is not None
        before = self.stream.events.where(self.stream.batch <= place)
        held = held_out(before, before.time_ms > self.stream.starts_ms[place + 1 - contest.NEWEST])
        edges = [*self.stream.starts_ms[place + 1 - contest.NEWEST : place + 1], before.newest_ms]
        judged = contest.court(before, held, edges, self.half_lives, self.seed, place)
        challenger = fit(judged.counters, self.ease)
        champion, blend = (self._name, policy.version), policy.tracks[START].blend
        result = contest.judge(judged, challenger, champion, blend, self.settings.gate, opening=Opening(trigger.kind))
        self.cycles.append(
            {"batch": place, "trigger": trigger.kind, "reason": trigger.reason, "window": "all", **_told(result)}
        )
        self._retrained = CycleResult(len(self.cycles), result.verdict.promote, result.z)
        if result.verdict.promote:
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
            self._twin, self._twin_place = regret.small(self.counters, self.ease), place

    def best_half_life(self, clock: str, before: int | None = None) -> int:
        """Which popularity did best on the newest batches; `before` counts the judged batches that are known."""
        known = [self.parts.get((name, clock), [])[:before][-RECENT:] for name in POPULARITIES]
        return int(np.argmax([np.concatenate([np.zeros(1), *one]).mean() for one in known]))

    def popularity(self, clock: str) -> list[Floats]:
        """NDCG by served batch of popularity alone, its half-life chosen on the batches before."""
        judged = range(self.initial - 1, len(self.stream.starts_ms) - 1)
        return [self.parts[POPULARITIES[self.best_half_life(clock, place)], clock][place] for place in judged]


def _told(result: contest.Result) -> dict[str, Any]:
    """How a cycle came out, as plain values: NDCG on the held-out moments, whether it was promoted, and why."""
    parties = {"champion": result.champion, "challenger": result.challenger, "popularity": result.baseline}
    values = {name: 0.0 if one is None else one.value for name, one in parties.items()}
    return {"promoted": result.verdict.promote, "outcome": result.verdict.reason, **values}
