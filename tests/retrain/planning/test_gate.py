"""The gate: who may replace the champion."""

import pytest

from retrain.planning.gate import PairedGain, decide

CHAMPION = ("v0001", 0.80)


BETTER = (PairedGain(0.01, 0.01),)


def verdict(value=0.81, baseline_gain=0.3, champion=CHAMPION, differences=BETTER):
    """A decision at 2.5 standard errors."""
    return decide("auc", 1000, value, 0.5, baseline_gain, champion, differences, 2.5)


@pytest.mark.parametrize(
    ("gain", "se", "promoted"),
    [
        (0.01, 0.01, True),
        (-0.02, 0.01, True),
        (-0.0251, 0.01, False),
        (-0.01, None, False),
        (0.0, None, True),
        (-0.01, 0.0, False),
    ],
)
def test_worse_beyond_the_bound_is_kept(gain, se, promoted):
    """Worse by more than 2.5 standard errors keeps the champion; so does worse by who knows how much."""
    assert verdict(differences=(PairedGain(gain, se),)).promote is promoted


def test_it_must_beat_the_naive_baseline():
    """A challenger that is no better than a constant is never promoted, not even as the first."""
    assert not verdict(baseline_gain=0.0).promote
    assert not verdict(champion=None, differences=(), baseline_gain=-0.1).promote
    assert verdict(champion=None, differences=()).promote


def test_an_undefined_metric_keeps_the_champion():
    """A holdout of one class cannot promote anyone."""
    answer = verdict(value=None)
    assert not answer.promote and "undefined" in answer.reason


def test_a_holdout_of_one_class_is_told_with_the_way_out():
    """Where a class is rare, the newest files may hold none of it; other reasons are not mended by more rows."""
    for why, helps in (("the labels are all of one class", True), ("the estimator gives no probabilities", False)):
        answer = decide("auc", 60, None, None, None, None, (), 2.5, why=why)
        assert why in answer.reason and ("window.holdout_min_rows" in answer.reason) is helps


def test_a_slice_may_not_get_worse():
    """Better overall does not excuse a slice that is clearly worse; the slice is named."""
    answer = verdict(differences=(PairedGain(0.05, 0.01), PairedGain(-0.1, 0.02, "origin is JFK", 300)))
    assert not answer.promote and "where origin is JFK (300 rows)" in answer.reason


def test_the_reason_has_the_numbers():
    """A person can follow it."""
    assert (
        verdict().reason
        == "auc 0.8100 on 1,000 held-out rows against 0.8000 of v0001: better by 0.0100 (standard error 0.0100)"
    )
    assert verdict(differences=(PairedGain(-0.01, 0.01),)).reason.endswith(
        "within the 2.5 standard errors that gate.max_worse_se allows"
    )
