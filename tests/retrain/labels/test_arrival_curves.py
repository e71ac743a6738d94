"""Arrival curves: unbiased although young rows can only have quick labels."""

import numpy as np

from retrain.labels.arrival_curves import arrival_curve, curves_by_class, slowest


def test_young_rows_do_not_make_labels_look_quick():
    """Labels that come evenly within ten files are found to do so, though most rows are too young to show it."""
    rng = np.random.default_rng(0)
    ages = np.repeat(np.arange(15), 300)
    lags = rng.integers(0, 10, len(ages))
    seen = lags <= ages
    curve = arrival_curve(lags[seen], ages[seen])
    assert np.abs(curve.shares - np.arange(1, 11) / 10).max() < 0.04
    assert curve.quantile(0.85) == 8.0
    assert np.mean(lags[seen] <= 4) > 0.55


def test_its_standard_error_is_what_it_says():
    """Over 200 draws the share at two files deviates by as much as the standard errors say."""
    rng = np.random.default_rng(1)
    ages = np.repeat(np.arange(8), 40)
    shares, errors = [], []
    for _ in range(200):
        lags = rng.geometric(0.4, len(ages)) - 1
        seen = lags <= ages
        curve = arrival_curve(lags[seen], ages[seen])
        shares.append(curve.share(2))
        errors.append(curve.error(2))
    assert 0.8 < np.std(shares) / np.mean(errors) < 1.25


def test_seconds_are_as_good_as_files():
    """Times without ties: half of labels that come evenly within a day are in after half a day."""
    rng = np.random.default_rng(2)
    ages, lags = rng.uniform(0, 3 * 86400, 4000), rng.uniform(0, 86400, 4000)
    seen = lags <= ages
    assert abs(arrival_curve(lags[seen], ages[seen]).quantile(0.5) / 43200 - 1) < 0.06


def test_the_slowest_class_is_the_one_that_is_waited_for():
    """Quick positives and negatives after five files: nine of ten of both are in after five."""
    ages = np.repeat(np.arange(12), 20)
    classes = np.tile(np.repeat(["yes", "no"], 10), 12)
    lags = np.where(classes == "yes", 0, 5)
    seen = lags <= ages
    curves = curves_by_class(lags[seen], ages[seen], classes[seen])
    assert curves["yes"].quantile(0.9) == 0.0
    assert slowest(curves, 0.9) == 5.0
    assert curves["no"].share(4) == 0.0


def test_without_labels_nothing_is_known():
    """No label: no quantile, and no share at any age."""
    curve = arrival_curve(np.array([]), np.array([]))
    assert np.isnan(curve.quantile(0.9))
    assert curve.share(10) == 0.0
    assert np.isnan(slowest({}, 0.9))
