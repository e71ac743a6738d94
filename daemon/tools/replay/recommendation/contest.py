"""A retrain in a replay: a challenger is trained, and judged beside the champion on events that it has not seen."""

from dataclasses import asdict, dataclass
from typing import Any

from daemon.tools.replay.recommendation.source import Stream
from retrain.planning.gate import PairedGain, Verdict, decide
from retrain.recommendation.blend import Blend
from retrain.recommendation.counters import count
from retrain.recommendation.ease import EaseSettings, ItemWeights, fit
from retrain.recommendation.evaluation import Gain, compared, gains, held_out
from retrain.recommendation.moments import sampled
from retrain.records.settings.decisions import GateSettings

METRIC = "ndcg@10"
JUDGED = 1000
"""Held-out moments, at most."""
NEWEST = 2
"""Batches, of which a fifth of the users is held out."""


@dataclass(frozen=True)
class Result:
    """How it came out: NDCG on the held-out moments, whether it was promoted, and why; `z` is the challenger's gain in
    standard errors, None where that is unknown."""

    promoted: bool
    outcome: str
    champion: float
    challenger: float
    popularity: float
    z: float | None

    def to_json(self) -> dict[str, Any]:
        """As plain values, without z."""
        return {name: value for name, value in asdict(self).items() if name != "z"}


@dataclass(frozen=True)
class Contest:
    """What a retrain after batch `place` works with."""

    stream: Stream
    place: int
    half_lives: tuple[float | None, ...]
    ease: EaseSettings
    gate: GateSettings
    seed: int

    def held(self, name: str, champion: ItemWeights, blend: Blend, half_life: int) -> tuple[ItemWeights, Result]:
        """Train, compare by the served blend, decide; popularity, at this half-life, must be beaten."""
        events, batch = self.stream.events, self.stream.batch
        held = held_out(events, (batch <= self.place) & (batch > self.place - NEWEST))
        counters = count(events.where((batch <= self.place) & ~held), self.half_lives)
        challenger = fit(counters, self.ease)
        moments = sampled(events, held, self.seed * 100_003 + self.place, JUDGED)
        if not len(moments):
            return challenger, Result(False, "no event was held out to judge it by", 0.0, 0.0, 0.0, None)
        versions = {"champion": champion, "challenger": challenger}
        found = compared(moments, counters, versions, blend, half_life)
        means = {run: float(values.mean()) for run, values in found.items()}
        slices = gains(found["challenger"], found["champion"], moments, counters, self.gate.min_slice_rows)
        verdict = self._verdict(name, len(moments), means, slices)
        z = slices[0].gain / slices[0].se if slices[0].se else None
        return challenger, Result(verdict.promote, verdict.reason, **means, z=z)

    def _verdict(self, name: str, count: int, means: dict[str, float], slices: tuple[Gain, ...]) -> Verdict:
        paired = tuple(PairedGain(one.gain, one.se, one.where, one.moments) for one in slices)
        over = means["challenger"] - means["popularity"]
        champion, most = (name, means["champion"]), self.gate.max_worse_se
        return decide(METRIC, count, means["challenger"], means["popularity"], over, champion, paired, most)
