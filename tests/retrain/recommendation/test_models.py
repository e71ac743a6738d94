"""The trained version, the blend and what judges them."""

import numpy as np
import pytest
from event_logs import DAY_MS, interactions, log

from retrain.recommendation.blend import FIRST, Blend, Choices, feature_names, learn, logit, popularity_blend
from retrain.recommendation.contest import court
from retrain.recommendation.counters import count
from retrain.recommendation.ease import EaseSettings, fit
from retrain.recommendation.evaluation import gains, held_out
from retrain.recommendation.interactions import UNIT, interactions_of
from retrain.recommendation.judging import Answers, choices, ranks, scores, seen_items, top
from retrain.recommendation.moments import sampled
from retrain.recommendation.parts import HALF_LIVES, live_parts, live_tables, popular_parts, popularities, trained_parts
from retrain.recommendation.requests import history, requests_of
from retrain.recommendation.scene import ranked
from retrain.recommendation.times import milliseconds

LIVES = tuple(None if one is None else one * DAY_MS for one in HALF_LIVES)
EVENTS = interactions(log())
LATER = EVENTS.time_ms > np.quantile(EVENTS.time_ms, 0.8)
COUNTERS = count(EVENTS.where(~LATER), LIVES)
MOMENTS = sampled(EVENTS, LATER, 1)


def answered() -> Answers:
    """What all parts say at the moments."""
    requests, items = requests_of(MOMENTS.histories), len(EVENTS.items)
    popular = popular_parts(popularities(COUNTERS, COUNTERS.interactions.newest_ms)[:, None])
    said = Answers(requests, popular, live_parts(requests, live_tables(COUNTERS), items), seen_items(requests, items),
                   COUNTERS.support > 0)  # fmt: skip
    return said.with_version(trained_parts(requests, fit(COUNTERS)))


def test_ease_is_the_closed_form():
    """In single precision and pruned by nothing: −P / diag(P) of the inverse of XᵀX + λI."""
    found = fit(COUNTERS, EaseSettings(fewest_users=1, weights=1000, penalty=5.0)).table.toarray()
    inverse = np.linalg.inv(COUNTERS.together.toarray() + 5.0 * np.eye(len(EVENTS.items)))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_ease_keeps_to_its_bounds():
    """Items, weights a row, and memory; the best-supported items are trained."""
    version = fit(COUNTERS, EaseSettings(items=10, weights=3))
    assert len(version.trained) == 10 and np.diff(version.table.indptr).max() <= 3
    assert COUNTERS.support[version.trained].min() >= np.delete(COUNTERS.support, version.trained).max()
    assert EaseSettings(items=9000, memory_bytes=27 * 10**4).most_items == 100


def test_the_same_events_give_the_same_version():
    """Bit for bit, whatever order they came in."""
    table = log().take(np.random.default_rng(3).permutation(1500))
    again = fit(count(interactions(table).where(~LATER), LIVES))
    assert again.table.data.tobytes() == fit(COUNTERS).table.data.tobytes()


def test_a_history_ends_before_its_moment():
    """What a person chose at the moment itself, a basket, is wanted and not known; a later event neither."""
    events = interactions_of(["a"] * 5, list("wxyzw"), [1, 2, 2, 3, 4])
    moments = sampled(events, events.time_ms == 2, 0)
    assert len(moments) == 1 and moments.wanted.tolist() == [2]
    assert events.items[moments.histories[0].item].tolist() == ["w"]
    assert events.items[moments.target].tolist() == ["x", "y"]


def test_a_history_is_newest_first_and_knows_what_was_not_positive():
    """Each item once, with how often; an event of weight 0 is known, and no part of the history."""
    events = interactions_of(["a"] * 4, list("xyxz"), [1, 2, 3, 4], [UNIT, UNIT, UNIT, 0])
    found = history(events, 0, 4)
    assert events.items[found.item].tolist() == ["x", "y"] and found.count.tolist() == [2, 1]
    assert events.items[found.known].tolist() == ["x", "y", "z"]


def test_what_one_account_repeats_is_not_what_is_measured():
    """Of one that chooses an item most of the time, a few such moments are judged; of others all."""
    people = [f"u{place:03d}" for place in range(200)]
    events = interactions_of([*people, *["bot"] * 401], [*["x"] * 600, "y"], np.arange(601))
    moments = sampled(events, events.time_ms >= 0, 3, most=1000)
    bot = events.users.tolist().index("bot")
    assert (moments.user == bot).sum() == 6 and (moments.user != bot).sum() == 200


def test_events_that_bring_no_choice_give_no_moments():
    """A file that repeats what is there, or says only what people did not like, is no failure."""
    events = interactions_of(["u", "v"], ["w", "x"], [1, 2], [0, 0])
    assert len(sampled(events, events.time_ms >= 0, 0)) == 0
    assert len(sampled(EVENTS, np.zeros(len(EVENTS), bool), 0)) == 0


def test_popularity_follows_events_of_many_half_lives():
    """Counts that grew by more than single precision holds are shares of the largest all the same."""
    found = popular_parts(np.array([[2.0**140, 2.0**139, 0.0], [3.0, 1.5, 0.0]])[:, None])
    assert [part.scores[0].tolist() for part in found.parts] == [[1.0, 0.5, 0.0], [1.0, 0.5, 0.0]]
    assert np.isfinite(found.features).all()


def test_ranks_count_all_items_and_miss_what_is_not_known():
    """Rank 0 is the best; equal scores go by name; what may not be in a list is a miss."""
    events = interactions_of(["a"] * 3, list("xyz"), [1, 1, 1])
    moments = sampled(events, events.time_ms == 1, 0)
    allowed = np.array([[True, True, False]])
    assert ranks(np.array([[0.5, 0.5, 0.9]]), allowed, moments).tolist() == [0, 1, -1]
    assert top(np.array([0.5, 0.5, 0.9]), allowed[0], 5).tolist() == [0, 1]


def test_the_logit_finds_the_weights_that_made_the_choices():
    """Of choices drawn with known weights, they are recovered but for their shrinkage."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(4000, 6, 3)).astype(np.float32)
    utility = features @ np.array([1.0, -0.5, 0.0]) + rng.gumbel(size=(4000, 6))
    order = np.argsort(-utility, axis=1)
    found = logit(np.take_along_axis(features, order[:, :, None], axis=1), np.ones((4000, 6), bool))
    assert found == pytest.approx([1.0, -0.5, 0.0], abs=0.1)


def test_a_blend_learns_what_helps_and_is_plain_values():
    """Learned on half of the moments, it beats the blend before anything was learned on the other half."""
    said = answered()
    half = MOMENTS.part(slice(0, len(MOMENTS) // 2))
    blend = learn(choices(said, half, False, (0,)), False)
    assert set(blend.warm) == set(feature_names()) and all(isinstance(one, float) for one in blend.warm.values())
    rest = np.flatnonzero(MOMENTS.event >= len(half))
    ranked = [ranks(scores(said, one), said.allowed(False), MOMENTS)[rest].mean() for one in (blend, FIRST)]
    assert ranked[0] < ranked[1]


def test_nothing_to_learn_of_leaves_the_first_blend():
    """No choices, no change."""
    none = Choices(np.zeros((0, 1, len(feature_names())), np.float32), np.zeros((0, 1), bool), np.zeros(0, bool))
    assert learn(none, True).warm == FIRST.warm and learn(none, True).exclude_seen


def test_one_account_teaches_little():
    """However often it chooses, a blend learns from a few of its moments."""
    events = interactions_of(["bot"] * 100 + ["a", "b"], ["x"] * 102, np.r_[np.arange(100), 5, 6])
    moments = sampled(events, events.time_ms >= 0, 0)
    assert int(moments.first_of_each(5).sum()) == 7
    repeaters, people = moments.repeaters
    assert len(repeaters) == 1 and len(people) == 1


def test_people_without_history_are_answered_by_popularity_alone():
    """Their scores are the same for all of them, whatever the tables say."""
    events = interactions_of(["a", "b"], ["i00", "i01"], [1, 2])
    requests = requests_of([history(events, 0, 0)] * 2)
    items = len(EVENTS.items)
    popular = popular_parts(popularities(COUNTERS, COUNTERS.interactions.newest_ms)[:, None])
    own = live_parts(requests, live_tables(COUNTERS), items) | trained_parts(requests, fit(COUNTERS))
    found = scores(Answers(requests, popular, own, np.zeros((2, items), bool), np.ones(items, bool)), FIRST)
    assert found[0].tolist() == found[1].tolist()
    assert int(found[0].argmax()) == int(popular.parts[2].scores.argmax())


def test_the_gate_sees_what_no_challenger_was_trained_on():
    """Held out are whole users of the newest files; NDCG of both versions and of popularity on the same moments."""
    held = held_out(EVENTS, LATER)
    assert held.any() and not (held & ~LATER).any()
    assert not set(EVENTS.user[held]) & set(EVENTS.user[LATER & ~held])
    edges = [int(EVENTS.time_ms[LATER].min()) - 1, EVENTS.newest_ms]
    judged = court(EVENTS, held, edges, LIVES, seed=0, place=1)
    moments = judged.held[0].moments
    assert len(judged.counters.interactions) == int((~held).sum())
    assert not set(judged.others[0].moments.user) & set(moments.user)
    found = ranked(judged.held, {"old": fit(COUNTERS), "new": fit(COUNTERS)}, FIRST, "new")
    assert set(found.quality) == {"old", "new"} and len(found.popularity) == len(HALF_LIVES)
    assert {len(one) for one in (*found.quality.values(), *found.popularity)} == {len(moments)}
    overall = gains(found.quality["new"], found.quality["old"], moments, COUNTERS, least=10)[0]
    assert (overall.gain, overall.moments) == (0.0, len(moments))


@pytest.mark.parametrize("factor", [1, 1000, 10**6, 10**9])
def test_seconds_and_finer_units_are_told_apart(factor):
    """The same moment, as seconds, milli-, micro- and nanoseconds."""
    assert milliseconds(np.array([1_700_000_000.0 * factor])).tolist() == [1_700_000_000_000]


def test_a_blend_of_no_weights_says_nothing():
    """Where nothing was learned, or what is no number, what was served stays: items are not listed by their names."""
    assert FIRST.says_something and popularity_blend(0, True).says_something
    assert not Blend({}, {}).says_something
    assert not Blend({"ease": float("nan")}, {"log_popularity_all": 1.0}).says_something
