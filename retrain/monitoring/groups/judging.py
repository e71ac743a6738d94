"""Did a group do worse than before? Its scores file by file against its own earlier ones, as those of all rows are
judged (`retrain.monitoring.drop`), and when that is over.

Each file asks as many questions as groups were scored in the deployment's time: they share the chance of a false alarm
equally (Bonferroni), however they depend on each other."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from msgspec import structs

from retrain.monitoring.drop import Score, judge_drop
from retrain.records.groups import ALL_ROWS, Degraded, Group, GroupCounts

OVER_FILES = 3
"""The newest so many scores after an alarm lie, in the mean, nearer to what was before than to what it showed: it is
over."""


@dataclass(frozen=True)
class Scored:
    """A score as the test reads it, of file `seq`; `apart` from those that later ones are compared with."""

    seq: int
    score: Score
    apart: bool


@dataclass
class Series:
    """The scores of each group so far, oldest first, and which are degraded."""

    scores: dict[Group, list[Scored]] = field(default_factory=lambda: defaultdict(list))
    degraded: dict[Group, Degraded] = field(default_factory=dict)

    def add(self, seq: int, groups: Iterable[GroupCounts], degraded: Iterable[Degraded]) -> None:
        """With one more file, which was judged."""
        for one in groups:
            if one.score is not None and one.se is not None and one.name != ALL_ROWS:
                self.scores[one.name].append(Scored(seq, Score(one.score, one.se, one.scored_rows), one.apart))
        self.degraded = {one.name: one for one in degraded}


@dataclass(frozen=True)
class DropTest:
    """`sign` is 1 where a greater metric is better, else −1; `level` the chance of a false alarm that all groups of a
    file have together; a drop smaller than `min_drop` does not count."""

    sign: float
    level: float
    min_drop: float


def judged(
    series: Series, seq: int, groups: Sequence[GroupCounts], test: DropTest
) -> tuple[tuple[GroupCounts, ...], tuple[Degraded, ...]]:
    """A file's groups, those in an episode marked as `apart`, and which groups are degraded after it."""
    fresh = {one.name: one for one in groups if one.score is not None and one.name != ALL_ROWS}
    asked = len(series.scores.keys() | fresh.keys())
    after, apart = dict(series.degraded), set[Group]()
    for name, one in fresh.items():
        before, known = series.degraded.get(name), series.scores.get(name, [])
        if before is None:
            found = _degraded(one, known, seq, replace(test, level=test.level / asked), asked)
        else:
            found = None if _is_over(before, one, known, test.sign) else before
        if found is None:
            after.pop(name, None)
        else:
            after[name] = found
            apart.add(name)
    marked = tuple(structs.replace(one, apart=one.name in apart) for one in groups)
    return marked, tuple(sorted(after.values(), key=lambda one: one.name))


def _degraded(one: GroupCounts, known: Sequence[Scored], seq: int, test: DropTest, asked: int) -> Degraded | None:
    """The episode that a group's new score begins; None where it is as before."""
    before = [entry for entry in known if not entry.apart]
    scores = [*(entry.score for entry in before), _score(one)]
    drop = judge_drop(scores, None, test.sign, test.level, test.min_drop)
    if not drop.dropped or drop.drop is None or drop.reference is None or drop.p_value is None:
        return None
    since = [*(entry.seq for entry in before), seq][-drop.files]
    return Degraded(
        column=one.column, group=one.group, since=since, alarm=seq, value=drop.reference - test.sign * drop.drop,
        reference=drop.reference, drop=drop.drop, p_value=drop.p_value, together=drop.files, groups=asked,
    )  # fmt: skip


def _is_over(episode: Degraded, one: GroupCounts, known: Sequence[Scored], sign: float) -> bool:
    """Whether the newest scores since the alarm are nearer to the reference than to what the alarm showed."""
    since = [*(entry.score for entry in known if entry.seq > episode.alarm), _score(one)][-OVER_FILES:]
    if len(since) < OVER_FILES:
        return False
    weights = [1 / max(score.se, 1e-6) ** 2 for score in since]
    mean = float(np.average([score.value for score in since], weights=weights))
    return sign * (episode.reference - mean) < episode.drop / 2


def _score(one: GroupCounts) -> Score:
    assert one.score is not None and one.se is not None
    return Score(one.score, one.se, one.scored_rows)
