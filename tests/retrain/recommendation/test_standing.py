"""Counters that are followed answer as counters of everything do."""

from typing import Any

import numpy as np
import pytest
from event_logs import DAY_MS, interactions, log

from retrain.recommendation import live as following
from retrain.recommendation.answering import NEVER, Basis, Wanted, basis_of, rank, reasons, similar
from retrain.recommendation.blend import FIRST
from retrain.recommendation.counters import count
from retrain.recommendation.ease import fit
from retrain.recommendation.interactions import Interactions, interactions_of, joined
from retrain.recommendation.parts import HALF_LIVES, live_tables
from retrain.recommendation.requests import history_of_events
from retrain.recommendation.standing import Counted, Followed, Standing, standing
from retrain.recommendation.version import own_part, placed

LIVES = tuple(None if one is None else one * DAY_MS for one in HALF_LIVES)
EVENTS = interactions(log(events=4000, users=200, items=500, seed=3))
NOVEL = interactions_of(
    ["u001", "a", "zz", "u002", "a"], ["a-new", "i07", "z-new", "a-new", "m-new"],
    EVENTS.newest_ms + np.array([-DAY_MS, 5, 3 * DAY_MS, 7, 9]), np.array([1000, 1000, 500, 0, 1000]),
)  # fmt: skip
HALF = EVENTS.where(EVENTS.time_ms < np.median(EVENTS.time_ms))
TRAINED = own_part(fit(count(HALF, LIVES)), HALF.items)
NOW = EVENTS.newest_ms + 2 * DAY_MS


def whole(events: Interactions) -> Counted:
    """A rebuild."""
    counters = count(events, LIVES)
    return Counted(counters, live_tables(counters))


def bits(counted: Standing, now_ms: int) -> list[Any]:
    """Everything that is answered to everybody, to the last bit."""
    base = basis_of(counted.picked(LIVES), placed(*TRAINED, counted.names), FIRST, now_ms)
    people = [_person(base, counted, user) for user in [*EVENTS.users, *NOVEL.users, "nobody"]]
    alike = [similar(base, item, Wanted(30)) for item in range(len(base.items))]
    pairs = [(one.items.tolist(), one.scores.tobytes()) for one in alike]
    totals = len(counted), counted.newest_ms, counted.support.tolist(), counted.names.tolist()
    return [totals, base.warm.tobytes(), base.cold.tobytes(), people, pairs]


def _person(base: Basis, counted: Standing, user: str) -> Any:
    item, time_ms, weight = counted.events_of(user)
    history = history_of_events(item, weight)
    found = rank(base, history, Wanted(20, np.unique(item)))
    why = reasons(base, history, found.items) if found.warm else None
    assert (found.scores > NEVER).all()
    return item.tolist(), time_ms.tolist(), found.items.tolist(), found.scores.tobytes(), found.personal.tolist(), why


@pytest.mark.parametrize("now_ms", [NOW, EVENTS.newest_ms - DAY_MS])
def test_answers_are_those_of_a_rebuild(monkeypatch, now_ms):
    """Bit for bit, whatever came: users with and without events before, items that sort between others, events again
    and late, a moment before the newest event."""
    monkeypatch.setattr(following, "SMALL", 1500)
    counted, events = standing(count(HALF, LIVES)), HALF
    assert isinstance(counted, Followed)
    late = EVENTS.where(EVENTS.user % 40 == 0)
    for more in (NOVEL, late, EVENTS.where(EVENTS.time_ms > EVENTS.newest_ms - DAY_MS // 4)):
        counted, events = counted.with_more(more), joined(events, more)
        assert isinstance(counted, Followed) and counted.followed.histories
        assert bits(counted, now_ms) == bits(whole(events), now_ms)


def test_many_changes_become_one_with_the_base(monkeypatch):
    """The log is followed on from there, with the answers of a rebuild; one that was small is followed when it grows."""
    monkeypatch.setattr(following, "SMALL", 100)
    counted = standing(count(HALF, LIVES)).with_more(EVENTS)
    assert isinstance(counted, Followed) and not counted.followed.histories
    assert bits(counted.with_more(NOVEL), NOW) == bits(whole(joined(EVENTS, NOVEL)), NOW)
    few = count(EVENTS.part(slice(0, 50)), LIVES)
    assert isinstance(standing(few), Counted) and isinstance(standing(few).with_more(EVENTS), Followed)


def test_other_half_lives_are_counted_when_they_are_needed(monkeypatch):
    """A challenger counts by another unit; those that are there stay."""
    monkeypatch.setattr(following, "SMALL", 100)
    counted = standing(count(HALF, LIVES)).with_more(NOVEL)
    assert counted.covering(LIVES[2:]) is counted
    both = counted.covering((5.0 * DAY_MS, *LIVES))
    expected = count(joined(HALF, NOVEL), (5.0 * DAY_MS,))
    alone = both.picked((5.0 * DAY_MS,)).popularity_at(NOW)
    assert alone.tobytes() == Counted(expected, live_tables(expected)).popularity_at(NOW).tobytes()
    assert bits(both, NOW) == bits(whole(joined(HALF, NOVEL)), NOW)
