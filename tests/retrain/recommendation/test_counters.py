"""Live counters: exact sums that merge, whatever the order of files, and that one account cannot buy."""

import numpy as np
import pytest
from event_logs import DAY_MS, interactions, log
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import retrain.recommendation.counters
import retrain.recommendation.live
import retrain.recommendation.lookup
from retrain.recommendation.counters import Counters, count, longest_for, merge
from retrain.recommendation.freshness import at_moments, increments
from retrain.recommendation.interactions import UNIT, Interactions, interactions_of, joined
from retrain.recommendation.live import LiveCounters, absorbed, compacted, live_of
from retrain.recommendation.lookup import strongest
from retrain.recommendation.parts import live_tables, popularities

HALF_LIVES = (0.25 * DAY_MS, 2.0 * DAY_MS, None)
BRIEF = (0.004 * DAY_MS, *HALF_LIVES)
"""Of the first one, all that is older than three hours is out of reach."""
EVENTS = st.lists(
    st.tuples(
        st.sampled_from("abcd"), st.sampled_from("wxyz"), st.integers(0, 12), st.sampled_from([0, UNIT, 3 * UNIT])
    ),
    max_size=40,
)


def of(events: list[tuple[str, str, int, int]]) -> Interactions:
    """Events given as (user, item, hours, weight)."""
    users, items, hours, weights = (list(column) for column in zip(*events, strict=True)) if events else ([],) * 4
    return interactions_of(users, items, np.array(hours, np.int64) * DAY_MS // 24, np.array(weights, np.int64))


def bits(counters: Counters) -> list[object]:
    """All that is counted, and all that is looked up, as bytes; names first."""
    events, live = counters.interactions, live_tables(counters)
    arrays = [events.user, events.item, events.time_ms, events.weight, counters.support]
    arrays += [array for one in counters.popularity for array in (one.tick, one.item, one.users)]
    for table in (counters.transitions, counters.together, live.transitions, live.neighbours):
        arrays += [table.data, table.indices.astype(np.int64), table.indptr.astype(np.int64)]
    arrays.append(popularities(counters, events.newest_ms))
    return [list(events.users), list(events.items), *(array.tobytes() for array in arrays)]


@given(EVENTS, st.integers(0, 40), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_merged_counters_are_those_of_a_rebuild_bit_for_bit(events, cut, random):
    """Of any two sets of events, in any order, with users, items and whole events in both."""
    shuffled = list(events)
    random.shuffle(shuffled)
    a, b = (count(of(part), BRIEF) for part in (shuffled[:cut], shuffled[max(0, cut - 3) :]))
    rebuilt = bits(count(of(events), BRIEF))
    assert bits(merge(a, b)) == rebuilt
    assert bits(merge(b, a)) == rebuilt


@given(EVENTS, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_an_event_that_comes_twice_counts_once(events, random):
    """Delivered again, also with others in between, it changes nothing."""
    again = [*events, *random.sample(events, len(events) // 2)]
    assert bits(count(of(again), BRIEF)) == bits(count(of(events), BRIEF))


@given(EVENTS, st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_counting_a_few_users_at_a_time_gives_the_same_bits(events, chunk):
    """However many events are counted at once, and where only the newest items of a user occur together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrain.recommendation.counters, "CHUNK", chunk)
        pieces = count(of(events), BRIEF, 2)
    assert bits(pieces) == bits(count(of(events), BRIEF, 2))


@given(EVENTS, EVENTS, EVENTS)
@settings(max_examples=60, deadline=None)
def test_what_follows_a_large_base_is_compacted_to_a_rebuild_bit_for_bit(base, first, second):
    """Increments with users and items that are new or known, and events that come again; before it is compacted, the
    same histories and audiences by name."""
    rebuilt = count(of([*base, *first, *second]), BRIEF, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrain.recommendation.live, "SMALL", 0)
        live = live_of(count(of(base), BRIEF, 2))
        for part in (first, second, first):
            live = absorbed(live, of(part))
    assert bits(compacted(live)) == bits(rebuilt)
    _same_answers(live, rebuilt)


def _same_answers(live: LiveCounters, rebuilt: Counters) -> None:
    """By the names of users and items."""
    events = rebuilt.interactions
    codes = [live.item_code(name) for name in events.items]
    assert live.support[codes].tolist() == rebuilt.support.tolist()
    for place, name in enumerate(events.users):
        found = [column.tolist() for column in live.events_of(live.user_code(name))]
        inside = events.where(events.user == place)
        assert [live.names[found[0]].tolist(), *found[1:]] == [
            events.items[inside.item].tolist(), inside.time_ms.tolist(), inside.weight.tolist()
        ]  # fmt: skip
    assert live.user_code("nobody") is None and live.item_code("nothing") is None


def test_only_the_strongest_of_a_row_are_kept():
    """Of equal strength the first; rows are worked out in blocks as all at once."""
    table = sparse.csr_array(np.random.default_rng(0).integers(0, 9, (7, 300)))
    whole = strongest(table, lambda row, _, value: value / (row + 1.0))
    order = np.argsort(-table.toarray(), axis=1, kind="stable")[:, :200]
    assert [row.indices.tolist() for row in (whole[[place]] for place in range(7))] == np.sort(order, axis=1).tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrain.recommendation.lookup, "BLOCK", 300)
        pieces = strongest(table, lambda row, _, value: value / (row + 1.0))
    assert (pieces != whole).nnz == 0


def test_files_in_any_order_give_the_same_counters():
    """File by file forwards, backwards, and all at once."""
    events = interactions(log(events=600))
    files = [events.where(np.arange(len(events)) % 3 == part) for part in range(3)]
    counted = [count(file, HALF_LIVES) for file in files]
    forwards, backwards = merge(merge(*counted[:2]), counted[2]), merge(merge(counted[2], counted[1]), counted[0])
    assert bits(forwards) == bits(backwards) == bits(count(events, HALF_LIVES))
    assert bits(count(joined(joined(files[2], files[0]), files[1]), HALF_LIVES)) == bits(forwards)


def test_each_user_counts_an_item_once_as_of_the_last_time():
    """A user who comes back to an item is counted anew, not again."""
    counters = count(of([("a", "x", 0, UNIT), ("a", "x", 12, UNIT), ("b", "y", 12, UNIT)]), HALF_LIVES)
    x, y = popularities(counters, 12 * DAY_MS // 24).T
    assert x.tolist() == y.tolist()


def test_a_half_life_halves():
    """What a user counts for, one half-life after the event."""
    counters = count(of([("a", "x", 0, UNIT)]), (0.25 * DAY_MS,))
    now = counters.popularity[0].at(0, 1)[0]
    assert counters.popularity[0].at(DAY_MS // 4, 1)[0] == pytest.approx(now / 2, rel=0.05)


def test_a_merge_keeps_to_the_bounds_of_what_was_there():
    """What is added is counted as the rest is, whatever it was counted with."""
    events = interactions(log(events=600))
    early, late = events.time_ms < np.median(events.time_ms), events.time_ms >= np.median(events.time_ms)
    merged = merge(count(events.where(early), HALF_LIVES, 2), count(events.where(late), HALF_LIVES))
    assert bits(merged) == bits(count(events, HALF_LIVES, 2))


def test_pairs_stay_within_memory(monkeypatch):
    """The more events users have, the fewer of the newest ones occur together."""
    events = interactions(log(events=1500, users=10))
    assert longest_for(events) == 50
    monkeypatch.setattr(retrain.recommendation.counters, "MOST_PAIRS", 10 * 30**2)
    assert longest_for(events) == 30
    monkeypatch.setattr(retrain.recommendation.counters, "MOST_PAIRS", 1)
    assert longest_for(events) == 10


def test_transitions_are_directed_and_fade_with_distance():
    """From an item to the next ones, never back; to the second next half as much."""
    counters = count(of([("a", "x", 0, UNIT), ("a", "y", 1, UNIT), ("a", "z", 2, UNIT)]), HALF_LIVES)
    assert counters.transitions.toarray().tolist() == [[0, 60, 30], [0, 0, 60], [0, 0, 0]]


def test_events_of_one_moment_have_no_order():
    """A basket's items occur together, and none leads to another."""
    counters = count(of([("a", "x", 0, UNIT), ("a", "y", 0, UNIT)]), HALF_LIVES)
    assert counters.transitions.nnz == 0
    assert counters.together.toarray().tolist() == [[1, 1], [1, 1]]


def test_what_was_not_positive_is_known_and_teaches_nothing():
    """An event of weight 0 stays with its user and is in no sum."""
    counters = count(of([("a", "x", 0, 0), ("a", "y", 1, UNIT)]), HALF_LIVES)
    assert counters.support.tolist() == [0, 1]
    assert len(counters.interactions) == 2 and popularities(counters, DAY_MS)[:, 0].tolist() == [0, 0, 0]


def test_one_account_cannot_buy_the_top():
    """An account that repeats an item in a tenth of all events counts as one user, at every half-life and in every
    table; the item is not the most popular one."""
    clean = log(events=1500)
    events = interactions(clean)
    bought = interactions_of(["bot"] * 150, ["i39"] * 150, events.newest_ms - np.arange(150) * 60_000)
    before, after = count(events, HALF_LIVES), merge(count(events, HALF_LIVES), count(bought, HALF_LIVES))
    item = after.interactions.items.tolist().index("i39")
    now = after.interactions.newest_ms
    gained = popularities(after, now)[:, item] - popularities(before, now)[:, item]
    assert (gained <= UNIT + 1e-6).all()
    assert after.support[item] - before.support[item] == 1
    assert (after.transitions - before.transitions).max() <= 60
    assert item not in popularities(after, now).argmax(axis=1).tolist()


def test_popularity_follows_every_event():
    """Added event by event it is what the counters of all events say, but for the scale."""
    events = interactions(log(events=800))
    since = int(np.median(events.time_ms))
    earlier = count(events.where(events.time_ms < since), HALF_LIVES)
    later = increments(earlier, events, events.time_ms >= since, since)
    (live,) = at_moments(popularities(earlier, since), later, np.array([events.newest_ms + 1]))
    counted = popularities(count(events, HALF_LIVES), events.newest_ms)
    scaled = [one / one.max(axis=1, keepdims=True) for one in (live, counted)]
    np.testing.assert_allclose(*scaled, atol=1e-9)
