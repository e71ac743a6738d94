"""Answers to one request: those of the judge, at once."""

import numpy as np
import pytest
from event_logs import DAY_MS, interactions, log

from retrain.recommendation.answering import Wanted, basis, history_of, rank, reasons, similar
from retrain.recommendation.blend import FIRST, Blend, feature_names, popularity_blend
from retrain.recommendation.counters import count, merge
from retrain.recommendation.ease import fit
from retrain.recommendation.interactions import interactions_of
from retrain.recommendation.judging import Answers, scores, seen_items, top
from retrain.recommendation.moments import sampled
from retrain.recommendation.parts import HALF_LIVES, live_parts, live_tables, popular_parts, popularities, trained_parts
from retrain.recommendation.popularity import borrowed
from retrain.recommendation.requests import history, requests_of

LIVES = tuple(None if one is None else one * DAY_MS for one in HALF_LIVES)
EVENTS = interactions(log(events=6000, users=300, items=900))
LATER = EVENTS.time_ms > np.quantile(EVENTS.time_ms, 0.8)
COUNTERS = count(EVENTS.where(~LATER), LIVES)
NOW = COUNTERS.interactions.newest_ms
VERSION, LIVE = fit(COUNTERS), live_tables(COUNTERS)
MOMENTS = sampled(EVENTS, LATER, 1)


def blends() -> list[Blend]:
    """The first one, and some with weights of all kinds, negative ones too."""
    drawn = [dict(zip(feature_names(), np.random.default_rng(k).normal(size=17).tolist(), strict=True)) for k in (1, 2)]
    return [FIRST, *(Blend(one, dict(list(one.items())[:10]), bool(k)) for k, one in enumerate(drawn))]


@pytest.mark.parametrize("blend", blends())
def test_an_answer_is_the_judges(blend):
    """Order and scores of every moment, bit for bit, with and without a history, seen items excluded or not."""
    size = len(EVENTS.items)
    requests = requests_of([*MOMENTS.histories, history(EVENTS, 0, 0)])
    popular = popular_parts(popularities(COUNTERS, NOW)[:, None])
    said = Answers(
        requests, popular, live_parts(requests, LIVE, size), seen_items(requests, size), COUNTERS.support > 0
    )
    full = said.with_version(trained_parts(requests, VERSION))
    base, score, allowed = (
        basis(COUNTERS, LIVE, VERSION, blend, NOW),
        scores(full, blend),
        full.allowed(blend.exclude_seen),
    )
    for row, one in enumerate([*MOMENTS.histories, history(EVENTS, 0, 0)]):
        expected = top(score[row], allowed[row], 10)
        found = rank(base, one, Wanted(10, one.known) if blend.exclude_seen else Wanted(10))
        assert found.items.tolist() == expected.tolist()
        assert found.scores.tobytes() == score[row, expected].tobytes()


def test_what_may_be_in_a_list_is_told():
    """Candidates alone, a mask, and what is left out, with a history and without; scores stay as they are."""
    base, mask = basis(COUNTERS, LIVE, VERSION, FIRST, NOW), np.arange(len(EVENTS.items)) % 2 == 0
    for one in (MOMENTS.histories[-1], history(EVENTS, 0, 0)):
        free = rank(base, one, Wanted(5000))
        assert rank(base, one, Wanted(3, free.items[:1])).items.tolist() == free.items[1:4].tolist()
        even = free.items[mask[free.items]]
        assert rank(base, one, Wanted(7, allowed=mask)).items.tolist() == even[:7].tolist()
        some = rank(base, one, Wanted(10, candidates=np.sort(free.items[[9, 3, 30]])))
        assert some.items.tolist() == free.items[[3, 9, 30]].tolist()
        assert some.scores.tolist() == free.scores[[3, 9, 30]].tolist()


def test_a_reason_is_an_item_of_the_history_that_led_there():
    """Who saw x saw y next: x is why."""
    users = [f"u{one}" for one in range(40) for _ in range(2)]
    events = interactions_of([*users, "a"], [*(["x", "y"] * 40), "w"], [*range(80), 0])
    counters = count(events, LIVES)
    base = basis(counters, live_tables(counters), fit(counters), FIRST, 100)
    seen = history_of(base.places(["w", "x", "nothing"]))
    found = rank(base, seen, Wanted(1, seen.known))
    assert events.items[found.items].tolist() == ["y"] and found.personal.tolist() == [True]
    assert [(events.items[item], share) for item, share in reasons(base, seen, found.items)[0]] == [("x", 1.0)]


def test_no_item_is_its_own_reason():
    """Of people who choose again: another item of the history, or none at all."""
    users = [f"u{one}" for one in range(40) for _ in range(4)]
    events = interactions_of(users, ["x", "y", "x", "y"] * 40, [*range(160)])
    counters = count(events, LIVES)
    base = basis(counters, live_tables(counters), fit(counters), FIRST, 200)
    x, y = base.places(["x", "y"]).tolist()
    both = reasons(base, history_of(np.array([x, y])), np.array([x, y]))
    assert [[item for item, _ in of_item] for of_item in both] == [[y], [x]]
    assert reasons(base, history_of(np.array([x])), np.array([x])) == [[]]


def test_similar_items_share_their_audience():
    """The most alike first; the item itself never."""
    base = basis(COUNTERS, LIVE, VERSION, FIRST, NOW)
    found = similar(base, 3, Wanted(5))
    row = LIVE.neighbours[[3]].toarray()[0]
    assert found.items.tolist() == np.argsort(-row, kind="stable")[:5].tolist() and 3 not in found.items


def test_nothing_counted_gives_nothing():
    """Before the first event there is no item to name."""
    counters = count(interactions_of([], [], []), LIVES)
    base = basis(counters, live_tables(counters), fit(counters), FIRST, 0)
    assert len(rank(base, history_of(base.places(["a"])), Wanted()).items) == 0


def test_one_event_after_a_long_gap_is_not_all_that_is_popular():
    """An export ends months ago, and today one event is posted: what was popular still is, and one account does not
    own the top."""
    rarest, later = int(np.argmin(COUNTERS.support)), NOW + 150 * DAY_MS
    counters = merge(COUNTERS, count(interactions_of(["late"], [str(EVENTS.items[rarest])], [later]), LIVES))
    assert counters.interactions.items.tolist() == EVENTS.items.tolist()
    live, version, nobody = live_tables(counters), fit(counters), history(EVENTS, 0, 0)
    by_all = popularity_blend(HALF_LIVES.index(None), False)
    usual = rank(basis(counters, live, version, by_all, later), nobody, Wanted(10)).items
    for half_life in range(len(HALF_LIVES)):
        blend = popularity_blend(half_life, False)
        found = rank(basis(counters, live, version, blend, later), nobody, Wanted(10)).items
        assert rarest not in found and len(set(found) & set(usual)) >= 9


def test_popularities_of_enough_users_are_as_counted():
    """Only what counts fewer borrows, of the shortest longer one that has enough."""
    counted = np.array([[90.0, 30.0], [300.0, 100.0], [10.0, 990.0]])[:, None] * 1000
    assert borrowed(counted) is counted
    few = counted.copy()
    few[0] = [[60_000.0, 0.0]]
    assert borrowed(few)[:, 0].tolist() == [[90_000.0, 10_000.0], [300_000.0, 100_000.0], [10_000.0, 990_000.0]]
