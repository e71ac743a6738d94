"""The gate: who may replace the champion, and who may be the first."""

import pytest

from retrain.planning.forecast import forecast
from retrain.planning.gate import Judged, Opening, PairedGain, beyond_chance, decide, first_z
from retrain.records.settings.decisions import GateSettings

CHAMPION = ("v0001", 0.80)
SURE = PairedGain(0.3, 0.01, "", 1000)
SETTINGS = GateSettings()


def verdict(gain=0.01, se=0.01, trigger="manual", slices=(), value=0.81, **opening):
    """Of a challenger beside a champion."""
    foretold = None if se is None else forecast(gain, se, 1000, 1000, trigger, opening.get("past", ()))
    judged = Judged("auc", 1000, value, 0.5, SURE, CHAMPION, PairedGain(gain, se), foretold, slices)
    return decide(judged, Opening(trigger, **opening), SETTINGS)


def first(gain, settings=SETTINGS, tries=0):
    """Of a first model that is better than the baseline by so much."""
    return decide(Judged("auc", 1000, 0.55, 0.5, gain), Opening("first_model", tries=tries), settings)


@pytest.mark.parametrize(
    ("gain", "se", "trigger", "promoted"),
    [
        (0.01, 0.01, "schedule", True),
        (-0.01, 0.01, "schedule", False),
        (0.0, 0.01, "schedule", False),
        (-0.01, 0.01, "regret", False),
        (-0.01, 0.01, "growth", True),
        (-0.01, 0.01, "manual", True),
        (-0.05, 0.01, "regret", False),
        (-0.05, 0.01, "manual", False),
        (-0.01, None, "regret", False),
        (0.0, None, "schedule", True),
    ],
)
def test_what_is_not_better_needs_a_reason(gain, se, trigger, promoted):
    """Better is promoted; not better only where something else speaks for it; clearly worse, or worse by who knows how
    much, never."""
    assert verdict(gain, se, trigger).promote is promoted


def test_a_promotion_that_is_not_better_tells_its_reason():
    """Whoever reads why a version was promoted that looked worse finds what spoke for it."""
    past = verdict(-0.002, trigger="regret", past=(1.0,) * 5)
    assert past.promote and "promoted for a reason: evidence: by labels fresh models save more" in past.reason
    assert "earlier cycles" in verdict(-0.002, trigger="regret").reason
    grown = verdict(-0.01, trigger="growth")
    assert grown.promote and "promoted for a reason: growth: it learned from much more" in grown.reason
    new = verdict(-0.001, trigger="schedule", covers="it knows the class 'x', which v0001 does not")
    assert new.promote and new.reason.endswith("promoted for a reason: it knows the class 'x', which v0001 does not")
    assert verdict(-0.001, trigger="schedule").reason.endswith("not better, and nothing else speaks for it")


def test_the_models_own_past_can_forbid_a_promotion():
    """A model whose challengers turned out worse than foretold again and again expects the next to be worse, too."""
    assert verdict(0.002, trigger="schedule").promote
    told = verdict(0.002, trigger="schedule", past=(-2.0,) * 10)
    assert not told.promote and "worse by more than" in told.reason and "(gate.tolerance)" in told.reason


def test_it_must_beat_the_naive_baseline():
    """A challenger that is no better than a constant is not promoted."""
    judged = Judged("auc", 1000, 0.49, 0.5, PairedGain(-0.01, 0.01), CHAMPION, PairedGain(0.1, 0.01))
    assert not decide(judged, Opening("regret"), SETTINGS).promote


def test_a_first_model_must_beat_the_baseline_beyond_chance():
    """What chance explains is not served, and how sure it is is told; a person may order it, and that is told too."""
    assert first(PairedGain(0.05, 0.01)).promote
    noise = PairedGain(0.01, 0.01)
    kept = first(noise)
    assert not kept.promote and "not better than the naive baseline beyond chance" in kept.reason
    assert "gate.serve_anyway" in kept.reason
    served = first(noise, GateSettings(serve_anyway=True))
    assert served.promote and "it is served all the same (gate.serve_anyway)" in served.reason
    assert not first(PairedGain(0.01, None)).promote


@pytest.mark.parametrize(("gain", "promoted"), [(0.005, True), (-0.005, False)])
def test_a_champion_that_cannot_be_compared_is_replaced_by_what_beats_the_baseline(gain, promoted):
    """However weak the challenger's signal: it need not be better beyond chance, as a first model must, and the words
    say why nothing was compared."""
    why = "the champion cannot be compared: version v0001 is damaged"
    judged = Judged("auc", 1000, 0.5 + gain, 0.5, PairedGain(gain, 0.01))
    answer = decide(judged, Opening("manual", tries=5, incomparable=why), SETTINGS)
    assert answer.promote is promoted
    if promoted:
        assert answer.reason == (
            "auc 0.5050 on 1,000 held-out rows, better than the naive baseline, by +0.0050 (standard error 0.0100); "
            + why
        )


def test_each_try_at_a_first_model_asks_for_more():
    """However often a first model is tried, chance serves one of columns that tell nothing in at most 2 % of all."""
    gain = PairedGain(0.027, 0.01)
    assert beyond_chance(gain, 0) and not beyond_chance(gain, 1)
    chances = [0.02 / ((tries + 1) * (tries + 2)) for tries in range(10_000)]
    assert sum(chances) <= 0.02 and first_z(100) > first_z(10) > first_z(0)


def test_an_undefined_metric_keeps_the_champion():
    """A holdout of one class cannot promote anyone."""
    answer = verdict(value=None)
    assert not answer.promote and "undefined" in answer.reason


def test_a_holdout_of_one_class_is_told_with_the_way_out():
    """Where a class is rare, the newest files may hold none of it; other reasons are not mended by more rows."""
    for why, helps in (("the labels are all of one class", True), ("the estimator gives no probabilities", False)):
        answer = decide(Judged("auc", 60, None, None, None, why=why), Opening(), SETTINGS)
        assert why in answer.reason and ("window.holdout_min_rows" in answer.reason) is helps


def test_a_slice_may_not_get_worse():
    """Better overall does not excuse a slice that is clearly worse; the slice is named."""
    answer = verdict(0.05, 0.01, slices=[PairedGain(-0.1, 0.02, "origin is JFK", 300)])
    assert not answer.promote and "where origin is JFK (300 held-out rows)" in answer.reason
    assert verdict(0.05, 0.01, slices=[PairedGain(-0.04, 0.02, "origin is JFK", 300)]).promote


def test_the_reason_has_the_numbers():
    """A person can follow it."""
    assert verdict().reason == (
        "auc 0.8100 on 1,000 held-out rows against 0.8000 of v0001: better by 0.0100 (standard error 0.0100); "
        "expected over the next 2 files: +0.0023, between -0.0436 and +0.0483 at 90%"
    )


def test_what_a_person_adopts_is_served_whatever_is_seen_of_it():
    """Worse than the champion, no better than the baseline, or without a value: promoted, and its numbers told."""
    assert verdict(-0.5, 0.01, "adopt", value=0.3).promote
    told = verdict(-0.5, 0.01, "adopt", value=0.3).reason
    assert told == "adopted by hand; auc 0.3000 on 1,000 held-out rows, the naive baseline 0.5000, v0001 0.8000"
    undefined = decide(Judged("auc", 60, None, None, None, why="the labels are all 'no'"), Opening("adopt"), SETTINGS)
    assert undefined.promote and undefined.reason.startswith("adopted by hand; ")
