"""Whether the labels that are in are those that probabilities make expect."""

import numpy as np
from scipy.special import expit

from retrain.labels.coverage import shift


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
