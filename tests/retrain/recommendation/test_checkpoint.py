"""Counters on disk: the same bits when mapped again, and never a reason not to start."""

import numpy as np
from event_logs import DAY_MS, interactions, log

from retrain.recommendation.checkpoint import load, save
from retrain.recommendation.counters import Counters, count
from retrain.recommendation.live import absorbed, compacted, live_of
from retrain.recommendation.parts import Live, live_tables

EVENTS = interactions(log())
HALF_LIVES = (0.25 * DAY_MS, None)


def bits(counters: Counters, live: Live) -> list[object]:
    """All that is counted and looked up."""
    events = counters.interactions
    arrays = [events.user, events.item, events.time_ms, events.weight, counters.support]
    arrays += [array for one in counters.popularity for array in (one.tick, one.item, one.users)]
    for table in (counters.transitions, counters.together, live.transitions, live.neighbours):
        arrays += [table.data, table.indices, table.indptr]
    bounds = counters.half_lives_ms, counters.longest
    return [bounds, list(events.users), list(events.items), *(array.tobytes() for array in arrays)]


def test_a_checkpoint_is_the_same_counters(tmp_path):
    """Bit for bit; events that follow merge with it, and one that exists stays as it is."""
    counters = count(EVENTS, HALF_LIVES, 50)
    save(counters, live_tables(counters), tmp_path / "abc")
    loaded = load(tmp_path / "abc")
    assert loaded is not None and bits(*loaded) == bits(counters, live_tables(counters))
    half = EVENTS.where(EVENTS.time_ms < np.median(EVENTS.time_ms))
    partial = count(half, HALF_LIVES, 50)
    save(partial, live_tables(partial), tmp_path / "abc")
    save(partial, live_tables(partial), tmp_path / "half")
    assert load(tmp_path / "abc")[0].support.tolist() == counters.support.tolist()
    followed = compacted(absorbed(live_of(load(tmp_path / "half")[0]), EVENTS))
    assert bits(followed, live_tables(followed)) == bits(counters, live_tables(counters))


def test_nothing_to_count_can_be_saved(tmp_path):
    """Before the first event."""
    none = count(EVENTS.where(EVENTS.time_ms < 0), HALF_LIVES)
    save(none, live_tables(none), tmp_path / "none")
    loaded = load(tmp_path / "none")
    assert loaded is not None and bits(*loaded) == bits(none, live_tables(none))


def test_one_that_is_missing_or_damaged_is_none(tmp_path):
    """The reader counts anew."""
    counters = count(EVENTS, HALF_LIVES)
    save(counters, live_tables(counters), tmp_path / "abc")
    assert load(tmp_path / "nothing") is None
    (tmp_path / "abc" / "events.time_ms.npy").write_bytes(b"\x93NUMPY\x01\x00")
    assert load(tmp_path / "abc") is None
    (tmp_path / "abc" / "head.json").write_bytes(b"{")
    assert load(tmp_path / "abc") is None
