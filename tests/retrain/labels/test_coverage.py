"""Whether the labels that are in are those that probabilities make expect."""

import numpy as np
import pytest
from scipy.special import expit, logit

from retrain.labels.coverage import shift, shifts
from retrain.labels.file_labels import FileLabels


def test_labels_drawn_by_the_probabilities_are_not_shifted():
    """Over 200 draws the shift is 0 on average, and its standard error what it deviates by."""
    rng = np.random.default_rng(0)
    p, file = expit(rng.normal(size=400)), np.repeat(np.arange(4), 100)
    found = [shift(rng.random(400) < p, p, file) for _ in range(200)]
    assert abs(np.mean([one.value for one in found])) < 0.03
    assert 0.8 < np.std([one.value for one in found]) / np.mean([one.error for one in found]) < 1.1


def test_a_class_that_is_labelled_more_often_is_shifted_by_the_logarithm_of_that():
    """All positives and a fifth of the negatives have labels: the log odds are higher by log 5."""
    rng = np.random.default_rng(1)
    p = expit(rng.normal(size=20_000))
    yes = rng.random(len(p)) < p
    known = yes | (rng.random(len(p)) < 0.2)
    found = shift(yes[known], p[known], np.zeros(known.sum()))
    assert abs(found.value - np.log(5)) < 2.5 * found.error
    assert found.surely_beyond(np.log(2))


def test_selection_by_the_probability_alone_is_no_shift():
    """Only rows of high probability have labels: as many are of the class as the model says."""
    rng = np.random.default_rng(2)
    p = expit(rng.normal(size=4_000))
    yes, known = rng.random(len(p)) < p, p > 0.6
    assert shift(yes[known], p[known], np.zeros(known.sum())).surely_within(np.log(2))


def halved(happened: np.ndarray, p: np.ndarray) -> float:
    """Where the expected count is that of what happened, by halves."""
    low, high, odds = -15.0, 15.0, logit(p)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if expit(odds + middle).sum() < happened.sum() else (low, middle)
    return middle


@pytest.mark.parametrize("kind", ["drawn", "all", "none", "one", "alike", "sure"])
def test_the_shift_is_where_as_many_are_expected_as_happened(kind):
    """Also where all or none happened, which no shift reaches: then it is the farthest; where probabilities are alike,
    and where they are near 0 and 1."""
    rng = np.random.default_rng(4)
    p = {"alike": np.full(3000, 0.2), "sure": np.where(rng.random(3000) < 0.5, 0.002, 0.998)}.get(
        kind, expit(rng.normal(-1, 2, 3000)).clip(0.001, 0.999)
    )
    drawn = rng.random(3000) < expit(logit(p) + 0.7)
    happened = {"all": drawn | True, "none": drawn & False, "one": np.arange(3000) == 5}.get(kind, drawn)
    found = shift(happened, p, np.zeros(3000))
    assert found.value == pytest.approx(halved(happened, p), abs=1e-6 if kind in ("all", "none") else 1e-10)


def test_of_two_classes_one_is_shifted_as_far_up_as_the_other_down():
    """It is found once; where there are labels of another class, for each."""
    rng = np.random.default_rng(5)
    p = expit(rng.normal(size=2000))
    names = np.where(rng.random(2000) < expit(logit(p) + 0.5), "yes", "no")

    def found(classes: np.ndarray) -> dict:
        known = np.ones(2000, dtype=bool)
        lags = np.zeros(2000, dtype=np.int64)
        given = np.column_stack([1 - p, p])
        return shifts([FileLabels(1, 0, 2000, lags, classes, 0, None, known, given)], ("no", "yes"))

    both = found(names)
    assert both["yes"].value == -both["no"].value > 0.3 and both["yes"].error == both["no"].error
    each = shift(names == "no", 1 - p, np.zeros(2000))
    assert both["no"].value == pytest.approx(each.value, abs=1e-10) and both["no"].error == pytest.approx(each.error)
    names[:300] = "who"
    other = found(names)
    assert other["no"].value == pytest.approx(shift(names == "no", 1 - p, np.zeros(2000)).value, abs=1e-10)
    assert other["no"].value != pytest.approx(-other["yes"].value, abs=1e-3)
