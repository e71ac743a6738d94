"""What becomes of a challenger on trial: the decision, which the test gives its clock and its evidence."""

from dataclasses import replace

import numpy as np
import pytest

from retrain.planning.trial import decide, labelled_evidence, summary
from retrain.records.assessment import Moments
from retrain.records.deployment import Deployment, Member
from retrain.records.settings import RolloutSettings
from retrain.records.trial import Trial, TrialCounts

NOW = 1_000.0
TRIAL = Trial(
    3, 7, Deployment(2, "m", (Member("v0002-bbbbbbbb"),)), "canary", 0.1, NOW - 60, NOW, NOW + 600, 100, 0,
    TrialCounts(rows=250, compared=200, differed=10.0, champion_s=1.0, challenger_s=1.5),
)  # fmt: skip
NOTHING = labelled_evidence(TRIAL.version, ())


def decided(trial: Trial = TRIAL, now: float = NOW, files: tuple[Moments, ...] = (), task: str = "classification"):
    """The decision with labelled files of these moments."""
    return decide(trial, labelled_evidence(trial.version, files), now, 0.05, task)


def test_a_trial_without_harm_ends_in_promotion_and_names_what_was_seen():
    """Rows, failures, disagreement, speed and labels are in the reason."""
    found = decided(files=((-0.02, 0.1, 400),))
    assert found.kind == "promote"
    for part in (
        "250 rows",
        "no failures",
        "10 rows (5.0%) unlike",
        "1.5 times",
        "better than the champion by 0.0200",
        "400 labelled",
    ):
        assert part in found.reason, part


def test_it_waits_for_its_period_whatever_was_seen():
    """Traffic has its hours."""
    found = decided(now=NOW - 1)
    assert (found.kind, found.until) == ("wait", NOW)


def test_it_waits_for_enough_rows_but_not_for_ever():
    """Few rows prolong it up to the longest time, and then decide nothing by themselves."""
    few = replace(TRIAL, counts=TrialCounts(rows=99))
    found = decided(few)
    assert (found.kind, found.until) == ("wait", NOW + 600) and "99 of at least 100" in found.reason
    assert decided(few, NOW + 600).kind == "promote"


@pytest.mark.parametrize(
    ("allowed", "failures", "kind"), [(0, 0, "wait"), (0, 1, "drop"), (2, 2, "wait"), (2, 3, "drop")]
)
def test_one_failure_more_than_allowed_drops_it_at_once(allowed, failures, kind):
    """Nothing that comes later makes it fewer."""
    trial = replace(
        TRIAL, max_failures=allowed, counts=TrialCounts(failures=failures, error="ValueError: no such colour")
    )
    found = decided(trial, NOW - 59)
    assert found.kind == kind
    assert kind == "wait" or "no such colour" in found.reason


def test_labels_that_prove_it_worse_drop_it_at_once():
    """Beyond doubt, before the period is over; a difference within chance does not."""
    found = decided(now=NOW - 59, files=((0.3, 0.3, 400),))
    assert found.kind == "drop" and "by 0.3000, more than" in found.reason and "400 labelled" in found.reason
    assert decided(files=((0.01, 0.3, 400),)).kind == "promote"


def test_looking_after_every_file_drops_few_good_challengers():
    """One that is no worse is dropped in at most alpha of its trials, however many files come."""
    rng, dropped = np.random.default_rng(0), 0
    for _ in range(200):
        files: list[Moments] = []
        for mean in rng.normal(0, np.sqrt(0.3 / 100), 40):
            files.append((float(mean), 0.3, 100))
            if decided(now=NOW - 1, files=tuple(files)).kind == "drop":
                dropped += 1
                break
    assert dropped <= 10


def test_numbers_are_told_by_their_mean_difference():
    """For a regression."""
    assert "0.05 mean absolute difference" in summary(TRIAL, NOTHING, "regression")


def test_the_share_follows_the_strategy():
    """All of the requests in shadow, a tenth for a canary, unless it is said."""
    assert [RolloutSettings(strategy=s).reached for s in ("shadow", "canary")] == [1.0, 0.1]
    assert RolloutSettings(strategy="canary", share=0.5).reached == 0.5
    with pytest.raises(ValueError, match="shorter than the period"):
        RolloutSettings(period="2h", longest="1h")
