"""What blends learn from: choices of the newest parts of a log, each seen with the counters of what came before it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from retrain.recommendation.blend import FIRST, Blend, Choices, excludes_seen, joined, learn
from retrain.recommendation.counters import count, longest_for, merge
from retrain.recommendation.ease import EaseSettings, ItemWeights, fit
from retrain.recommendation.interactions import Codes, Interactions, Names
from retrain.recommendation.judging import choices
from retrain.recommendation.parts import trained_parts
from retrain.recommendation.scene import LIVE, START, Scene, scene_of
from retrain.records.settings import ModelSettings

FIRST_PARTS = 4
"""Units of a log, the newest, that the first blend is learned on: each a quarter of the cost of counting the log."""


FIRST_MOMENTS = 1000
"""Moments of each of them, at most: there are fewer parts than files later."""
POSTED = "events"
"""The source of files that were made of posted events: these counted at once, those of other files with the file."""


def clock_of(source: str) -> str:
    """As of what time the popularities were that answered the moments of a file from a source."""
    return LIVE if source == POSTED else START


@dataclass(frozen=True)
class Lesson:
    """What one file teaches: its choices, who wanted again what they had to do with before, and all who had a history
    (distinct users by name)."""

    choices: Choices
    repeaters: frozenset[str]
    people: frozenset[str]


def lesson(scene: Scene, version: ItemWeights, users: Names, exclude_seen: bool, clock: str = START) -> Lesson:
    """Of a scene, answered with a version that was not trained on it."""
    drawn = []
    for part, some, said in scene.answers([clock]):
        full = said[clock].with_version(trained_parts(said[clock].requests, version))
        drawn.append(choices(full, some, exclude_seen, (*scene.seed, part.start)))
    again, people = scene.moments.repeaters
    return Lesson(joined(drawn), _named(again, users), _named(people, users))


def learned(lessons: Sequence[Lesson], exclude_seen: bool | None = None) -> Blend:
    """The blend of some files; whether seen items are left out is learned, too, where it is not given."""
    repeaters = frozenset[str]().union(*(one.repeaters for one in lessons))
    people = frozenset[str]().union(*(one.people for one in lessons))
    wanted = excludes_seen(len(repeaters), len(people)) if exclude_seen is None else exclude_seen
    if not lessons:
        return replace(FIRST, exclude_seen=wanted)
    return learn(joined([one.choices for one in lessons]), wanted)


def configured_exclusion(settings: ModelSettings) -> bool | None:
    """Whether lists that are judged leave out seen items; None where that is learned. Where an item is left out for
    some time only, it may be chosen again: it is not left out of what is judged."""
    if settings.exclude_seen == "auto":
        return None
    return settings.exclude_seen is True


def first_blend(
    events: Interactions,
    taught: NDArray[np.bool_],
    unit_ms: float,
    half_lives_ms: tuple[float | None, ...],
    ease: EaseSettings,
    seed: int,
    exclude_seen: bool | None,
    clock: str = START,
) -> Blend:
    """The blend before anything was served, of the newest units of the events of a mask (n,): a version is trained on
    what came before all of them, the counters follow."""
    starts = [events.newest_ms - round(part * unit_ms) for part in range(FIRST_PARTS, 0, -1)]
    edges = [*starts, events.newest_ms]
    counters = count(events.where(taught & (events.time_ms <= starts[0])), half_lives_ms, longest_for(events))
    version, lessons = fit(counters, ease), list[Lesson]()
    for place, labelled in enumerate(_between(events.time_ms, taught, edges)):
        scene = scene_of(events, labelled, edges[place], counters, seed, place, FIRST_MOMENTS)
        if len(scene.moments):
            lessons.append(lesson(scene, version, events.users, bool(exclude_seen), clock))
        counters = merge(counters, count(events.where(labelled), half_lives_ms))
    return learned(lessons, exclude_seen)


def _between(time_ms: Codes, taught: NDArray[np.bool_], edges: Sequence[int]) -> Iterator[NDArray[np.bool_]]:
    for begin, end in pairwise(edges):
        yield taught & (time_ms > begin) & (time_ms <= end)


def _named(places: Codes, users: Names) -> frozenset[str]:
    return frozenset(users[one] for one in places)
