"""One policy of a replay: the version that it serves, the choices that its blend learns from, and how it did."""

from dataclasses import dataclass, field

from retrain.recommendation.blend import FILES, FIRST, Blend, Choices, joined, learn
from retrain.recommendation.ease import ItemWeights
from retrain.recommendation.scene import CLOCKS
from retrain.records.predictions import Floats


@dataclass
class Track:
    """With counters as of one clock: a score a batch, NDCG by moment, the last files' choices, and the blend."""

    scores: list[float | None] = field(default_factory=list)
    moments: list[Floats] = field(default_factory=list)
    choices: list[Choices] = field(default_factory=list)
    blend: Blend = FIRST

    def learn(self, newest: Choices, exclude_seen: bool) -> None:
        """Learn the blend of the newest files."""
        self.choices = [*self.choices, newest][-FILES:]
        self.blend = learn(joined(self.choices), exclude_seen)

    def note(self, quality: Floats | None) -> None:
        """Keep how a batch was ranked; None before there is a model."""
        self.scores.append(None if quality is None or not len(quality) else float(quality.mean()))
        if quality is not None:
            self.moments.append(quality)


@dataclass
class Player:
    """`version` is what it serves; None before the first."""

    name: str
    version: ItemWeights | None = None
    tracks: dict[str, Track] = field(default_factory=lambda: {clock: Track() for clock in CLOCKS})
