"""What the gate foretells: shrunk where it is unsure, moved by what opened the cycle and by the model's own past."""

import numpy as np
import pytest

from retrain.planning.forecast import forecast, own_past, surprise


def test_an_unsure_difference_returns_towards_nothing_and_a_sure_one_stays():
    """Within a standard error hardly a third is expected of a difference; seven tenths where it is beyond doubt."""
    unsure, sure = forecast(0.01, 0.01, 200, 2000, "schedule"), forecast(0.1, 0.005, 200, 2000, "schedule")
    assert unsure.expected < 0.34 * 0.01 and 0.68 * 0.1 < sure.expected <= 0.07


def test_evidence_moves_what_is_expected_up():
    """A challenger of a cycle that labels opened is expected to do better than one that a clock opened, if it looks
    better; one that learned from many more rows always."""
    kinds = ("regret", "performance", "drift", "growth", "schedule", "new_data")
    better, worse = ({kind: forecast(D, 0.01, 200, 2000, kind).mean for kind in kinds} for D in (0.005, -0.005))
    assert better["regret"] == better["performance"] == better["drift"] == better["growth"] > better["schedule"] > 0
    assert worse["growth"] > 0 > worse["regret"] == worse["schedule"] == worse["new_data"]


def test_more_held_out_rows_do_not_make_it_sure_beyond_what_files_differ_by():
    """At the same standard error of a row, ten thousand held-out rows narrow the interval less than chance alone would:
    files differ from each other."""
    small, large = forecast(0.0, 0.1 / 10, 100, 1000, "schedule"), forecast(0.0, 0.1 / 100, 10_000, 100_000, "schedule")
    assert large.sd > 5 * small.sd / 10


def test_no_standard_error_is_taken_for_certainty():
    """Two versions that differ on no held-out row may differ on the next files."""
    assert forecast(0.0, 0.0, 200, 2000, "manual").high > 0.001
    assert forecast(0.0, 0.0, 200, 2000, "manual", scale=100.0).high > 0.1


@pytest.mark.parametrize(("bias", "spread"), [(0.0, 1.0), (-1.0, 1.0), (0.0, 2.0)])
def test_the_own_past_mends_bias_and_width(bias, spread):
    """Where forecasts for a model are biased or too narrow, the next ones cover about nine of ten after forty cycles."""
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(400):
        past = rng.normal(bias, spread, 40)
        shift, widening = own_past(past)
        covered += (np.abs(rng.normal(bias, spread, 20) - shift) < 1.645 * widening).tolist()
    assert 0.84 <= np.mean(covered) <= 0.94


@pytest.mark.parametrize("freak", [-30.0, 30.0])
def test_one_freak_surprise_neither_moves_nor_widens_every_later_interval(freak):
    """A batch of broken labels among nine usual cycles leaves the next interval near where it was without it."""
    usual = [0.4, -0.9, 1.1, -0.2, 0.7, -1.3, 0.1, -0.5, 0.6]
    shift, widening = own_past(usual)
    moved, widened = own_past([*usual[:4], freak, *usual[4:]])
    assert abs(moved - shift) < 0.25 and widened < 1.5 * widening


def test_a_surprise_is_measured_in_the_recorded_spreads():
    """What was realised is compared with what that forecast alone said, so that a corrected one teaches no more."""
    found = forecast(0.02, 0.01, 200, 2000, "regret", past=(3.0,) * 5).to_json()
    assert surprise(found, found["expected"] + 2 * found["spread"]) == pytest.approx(2.0)
    assert found["low"] < found["mean"] < found["high"] and found["past"] == 5
