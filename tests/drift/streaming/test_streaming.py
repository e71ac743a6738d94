"""Streaming detectors: the same in any split, kept as JSON, quick after a change and quiet without one."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift.streaming import Adwin, Detector, PageHinkley, changes, from_json, update

DEFAULTS = [PageHinkley(), Adwin()]
EAGER = [
    PageHinkley(threshold=3.0, min_values=5),
    PageHinkley(threshold=3.0, slack=0.01, min_values=1),
    Adwin(delta=0.9, clock=4),
]
BOTH = [*DEFAULTS, *EAGER]


def _name(detector: Detector) -> str:
    return detector.kind


def _errors(rate: float, rows: int, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(rows) < rate).astype(float)


def _changing(seed: int, rows: int = 400) -> np.ndarray:
    """Errors whose rate jumps several times."""
    rates = np.random.default_rng(seed).choice([0.05, 0.3, 0.8], size=4)
    return np.concatenate([_errors(rate, rows // 4, seed + number) for number, rate in enumerate(rates)])


@pytest.mark.parametrize("detector", EAGER, ids=_name)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 400), max_size=12))
@settings(deadline=None, max_examples=40)
def test_any_split_into_batches_is_the_same(detector: Detector, seed: int, cuts: list[int]) -> None:
    """Alarms and state are equal to the last bit whether values come at once, in batches, or after JSON between."""
    noise = np.random.default_rng(seed).uniform(0.1, 1, 400)
    values = _changing(seed) * noise
    whole, alarms = changes(detector, values)
    state, found = detector, []
    for batch in np.split(values, sorted(cuts)):
        state, some = changes(from_json(json.loads(json.dumps(state.to_json()))), batch)
        found += some
    assert tuple(found) == alarms and state == whole


@pytest.mark.parametrize("detector", BOTH, ids=_name)
def test_one_by_one_is_the_same(detector: Detector) -> None:
    """`update` value by value tells every alarm that a whole batch has, at the value where it rises."""
    values = np.concatenate([_errors(0.1, 1500, 1), _errors(0.6, 1500, 2), _changing(3, 1000)])
    whole, alarms = changes(detector, values)
    state, found = detector, []
    for number, value in enumerate(values, start=1):
        state, change = update(state, np.array([value]))
        if change is not None:
            assert change.position == number
            found.append(change)
    assert tuple(found) == alarms and state == whole and alarms
    assert update(detector, values) == (whole, alarms[0])


@pytest.mark.parametrize("detector", BOTH, ids=_name)
@given(values=st.lists(st.floats(0, 1, allow_subnormal=False), max_size=80))
@settings(deadline=None, max_examples=30)
def test_json_round_trip(detector: Detector, values: list[float]) -> None:
    """A state is JSON without NaN and comes back equal."""
    state, _ = changes(detector, np.array(values))
    assert from_json(json.loads(json.dumps(state.to_json(), allow_nan=False))) == state


@pytest.mark.parametrize("detector", DEFAULTS, ids=_name)
def test_an_abrupt_change_is_told_soon_after_and_not_before(detector: Detector) -> None:
    """From one error in ten to one in two: within 300 values in each of twenty streams, and rarely an alarm before."""
    early, off = 0, []
    for seed in range(20):
        values = np.concatenate([_errors(0.1, 3000, 500 + seed), _errors(0.5, 1000, 600 + seed)])
        _, found = changes(detector, values)
        early += found[0].position <= 3000
        change = next(change for change in found if change.position > 3000)
        assert change.position <= 3300 and change.start < change.position
        assert change.rise == change.after - change.before > 0 and change.before == pytest.approx(0.1, abs=0.04)
        off.append(abs(change.start - 3000))
    assert early <= 2 and np.mean(off) <= 64


@pytest.mark.parametrize("detector", DEFAULTS, ids=_name)
@pytest.mark.parametrize("constant", [0.0, 0.1, 1 / 3, 1.0])
def test_constants_raise_no_alarm(detector: Detector, constant: float) -> None:
    """Rounding alone alarms nobody."""
    assert changes(detector, np.full(50_000, constant))[1] == ()


@pytest.mark.parametrize("detector", DEFAULTS, ids=_name)
def test_one_error_after_long_silence_is_no_alarm(detector: Detector) -> None:
    """A first error tells little; a run of them is a change."""
    silence = np.zeros(5000)
    state, change = update(detector, np.append(silence, 1.0))
    assert change is None
    assert update(state, np.ones(400))[1] is not None


@pytest.mark.parametrize("detector", DEFAULTS, ids=_name)
@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_run_length_to_a_false_alarm(detector: Detector, rate: float) -> None:
    """Without a change, alarms are more than 10,000 values apart on average."""
    rows, runs = 20_000, 10
    alarms = sum(len(changes(detector, _errors(rate, rows, 300 + run))[1]) for run in range(runs))
    assert alarms <= rows * runs / 10_000


@pytest.mark.parametrize("detector", DEFAULTS, ids=_name)
def test_not_finite_values_are_skipped(detector: Detector) -> None:
    """NaN and infinities change nothing and do not count."""
    values = _changing(5, 4000)
    holes = np.insert(values, [0, 10, 10, 999], [np.nan, np.inf, -np.inf, np.nan])
    assert changes(detector, holes) == changes(detector, values)
    assert update(detector, np.array([np.nan])) == (detector, None)


@pytest.mark.parametrize("detector", DEFAULTS, ids=_name)
def test_an_empty_update_is_a_no_op(detector: Detector) -> None:
    """The state is the same one."""
    state, _ = changes(detector, _changing(7))
    assert update(state, np.zeros(0)) == (state, None)


def test_page_hinkley_tells_rises_at_any_scale() -> None:
    """A rise alarms and a fall does not; the scale of the values does not matter."""
    rng = np.random.default_rng(0)
    rise = np.concatenate([rng.exponential(1, 2000), rng.exponential(2, 500)])
    fall = np.concatenate([rng.exponential(2, 2000), rng.exponential(1, 500)])
    plain, large = (update(PageHinkley(), rise * scale)[1] for scale in (1.0, 2.0**20))
    assert plain.position == large.position and large.after == pytest.approx(2.0**20 * plain.after)
    assert update(PageHinkley(), fall)[1] is None


def test_page_hinkley_is_the_sum_that_its_formula_says() -> None:
    """Against a plain loop."""
    values = np.concatenate([_errors(0.1, 500, 1), _errors(0.4, 500, 2)])
    height = low = 0.0
    expected = None
    for number in range(1, len(values) + 1):
        if number > 30:
            seen = values[:number]
            height += min((seen[-1] - seen.mean()) / seen.std(), 10.0) - 0.1
        low = min(low, height)
        if height - low > 20:
            expected = number
            break
    assert expected is not None and update(PageHinkley(threshold=20.0), values)[1].position == expected


def test_a_state_of_the_version_before_goes_on() -> None:
    """Page–Hinkley could look for falls too; its kept states have a side and two settings more."""
    state, _ = changes(PageHinkley(), _errors(0.1, 500, 1))
    before = state.to_json() | {"direction": "up", "standardise": True, "down": [0.0, 0.0, 0, 0.0]}
    assert from_json(json.loads(json.dumps(before))) == state


def test_adwin_summarises_its_window() -> None:
    """Buckets hold all values since the alarm, few of them, and their means and spreads are exact."""
    values = np.random.default_rng(1).normal(1e6, 1, 5000)
    state, found = changes(Adwin(), values)
    sizes = np.concatenate([np.full(len(row), 2**level) for level, row in enumerate(state.sums)])
    sums, spreads = (np.concatenate([np.array(row) for row in rows]) for rows in (state.sums, state.spreads))
    assert not found and sizes.sum() == 5000 and len(sizes) < 5 * 12
    assert sums.sum() == pytest.approx(values.sum(), rel=1e-12)
    total = spreads.sum() + np.sum(sizes * (sums / sizes - values.mean()) ** 2)
    assert total == pytest.approx(np.sum((values - values.mean()) ** 2), rel=1e-6)


def test_adwin_tells_falls_too_and_each_change_once() -> None:
    """Two changes, two alarms, rise and fall."""
    values = np.concatenate([_errors(0.1, 3000, 1), _errors(0.6, 3000, 2), _errors(0.1, 3000, 3)])
    _, found = changes(Adwin(), values)
    assert [change.rise > 0 for change in found] == [True, False]


@pytest.mark.parametrize("detector", DEFAULTS, ids=_name)
def test_a_million_values_leave_a_small_state(detector: Detector) -> None:
    """However many values were seen, the state is a few numbers."""
    state, _ = changes(detector, _errors(0.1, 1_000_000, 1))
    assert state.to_json()["seen"] == 1_000_000 and len(json.dumps(state.to_json())) < 10_000


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (PageHinkley, {"threshold": 0.0}),
        (Adwin, {"delta": 1.0}),
    ],
)
def test_settings_that_make_no_sense_are_refused(kind: type[Detector], wrong: dict[str, object]) -> None:
    """With the names of what is wrong."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        kind(**wrong)
