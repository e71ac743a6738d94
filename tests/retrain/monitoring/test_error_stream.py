"""The stream of a champion's errors: rises are told with their row, nothing counts twice, the budget is kept."""

import json
from typing import Any

import numpy as np
import pytest

from retrain.monitoring.error_stream import FRESH, error_span, row_errors, seen, watch_errors
from retrain.monitoring.performance import stream_level
from retrain.records.predictions import Predictions
from retrain.records.settings import ModelSettings

DETECTORS = sorted(FRESH)


def _settings(detector: str = "adwin", min_drop: float = 0.02, false_alarms: float = 0.01) -> ModelSettings:
    return ModelSettings.model_validate(
        {
            "data_dir": "d", "task": "classification", "target": "y", "triggers": {"min_drop": min_drop},
            "drift": {"detector": detector, "false_alarms": false_alarms},
        }
    )  # fmt: skip


def _errors(rows: int, seed: int, rate: float = 0.1) -> Any:
    return (np.random.default_rng(seed).random(rows) < rate).astype(float)


def _watch(errors: Any, kept: Any = None, settings: ModelSettings | None = None, span: float | None = 1.0) -> Any:
    rows = np.arange(1, len(errors) + 1)
    return watch_errors(errors, rows, kept, span, settings or _settings())


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_rise_within_a_file_is_told_with_its_row(detector: str) -> None:
    """Each detector tells a rise from a tenth to a half at row 2001, within 300 rows, and where it began."""
    settings = _settings(detector)
    calm = _watch(_errors(3000, 1), settings=settings)
    assert not calm.told["dropped"] and calm.told["row"] is None and calm.told["seen"] == 3000
    worse = np.concatenate([_errors(2000, 2), _errors(1000, 3, 0.5)])
    told = _watch(worse, calm.state, settings).told
    assert told["dropped"] and told["detector"] == detector and told["seen"] == 6000
    assert 2000 < told["row"] <= 2300 and 1700 <= told["since_row"] <= 2300 and told["after"] > 0.2
    assert told["before"] == pytest.approx(0.1, abs=0.03) and told["after"] > 1.5 * told["before"]
    assert told["changes"][0]["row"] == told["row"]


@pytest.mark.parametrize("detector", DETECTORS)
def test_small_files_add_up(detector: str) -> None:
    """A rise that no file of 50 rows shows alone is told in the stream of all; its beginning is in an earlier file."""
    settings, kept, found = _settings(detector), None, []
    for number in range(120):
        watch = _watch(_errors(50, number, 0.1 if number < 60 else 0.25), kept, settings)
        kept = json.loads(json.dumps(watch.state))
        found += [(number, watch.told)] if watch.told["dropped"] else []
    number, told = found[0]
    assert 60 < number < 80 and told["since_row"] is None and 1 <= told["row"] <= 50
    assert len(found) == 1


def test_a_fall_of_the_errors_is_no_drop() -> None:
    """ADWIN sees it, and it is listed, but it raises no alarm."""
    told = _watch(np.concatenate([_errors(2000, 1, 0.5), _errors(2000, 2, 0.1)])).told
    assert not told["dropped"] and told["row"] is None and told["changes"][0]["after"] < told["changes"][0]["before"]


def test_a_rise_below_min_drop_does_not_count() -> None:
    """Many rows make trifles certain; `min_drop` keeps them quiet."""
    errors = np.concatenate([_errors(20_000, 1, 0.1), _errors(20_000, 2, 0.15)])
    assert _watch(errors).told["dropped"]
    assert not _watch(errors, settings=_settings(min_drop=0.2)).told["dropped"]


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_state_goes_on_as_if_there_were_one_file(detector: str) -> None:
    """Through JSON and over any files the state is that of one walk over all rows, but for the delta of the last."""
    settings = _settings(detector)
    errors, kept = _errors(4000, 5), None
    for start in range(0, 4000, 400):
        kept = json.loads(json.dumps(_watch(errors[start : start + 400], kept, settings).state))
    whole = json.loads(json.dumps(_watch(errors, None, settings).state))
    for state in (kept, whole):
        state["detector"].pop("delta", None)
    assert kept == whole


@pytest.mark.parametrize("kept", [{"format": 0}, {"format": 1, "span": 1.0, "detector": {"kind": "ddm"}}])
def test_a_state_of_another_format_or_detector_begins_anew(kept: dict[str, Any]) -> None:
    """A changed configuration or an upgrade starts the stream over, and is no failure."""
    fresh, again = _watch(_errors(500, 1)), _watch(_errors(500, 1), kept)
    assert again.state == fresh.state and again.told["seen"] == 500


def test_numbers_are_watched_by_absolute_error() -> None:
    """A regression's errors are measured by the span that held-out rows told; without one, by the first file's."""
    rng = np.random.default_rng(0)
    y, said = rng.normal(size=3000) * 50, Predictions(np.zeros(3000))
    errors = row_errors(y, said)
    np.testing.assert_array_equal(errors, np.abs(y))
    assert error_span(y, said) == pytest.approx(np.quantile(np.abs(y), 0.99))
    worse = np.concatenate([errors[:1500], 1.5 * errors[1500:]])
    for span in (error_span(y, said), None):
        told = _watch(worse, span=span).told
        assert told["dropped"] and 1500 < told["row"] < 2500 and told["before"] == pytest.approx(40, rel=0.1)
    classes = Predictions(np.array(["a", "b"]), None, ("a", "b"))
    assert row_errors(np.array(["a", "new"]), classes).tolist() == [0, 1] and error_span(y[:2], classes) == 1.0


def test_errors_that_are_no_numbers_are_left_out() -> None:
    """NaN and infinities neither count nor shift the row that is told."""
    errors = np.concatenate([_errors(1000, 1), np.full(500, np.nan), np.ones(200)])
    told = _watch(errors).told
    assert told["rows"] == 1200 and told["since_row"] == 1501 and told["row"] > 1501
    assert _watch(np.full(3, np.nan)) is None
    assert _watch(errors, settings=_settings("none")) is None


def test_a_rise_counts_where_the_file_is_worse_than_before() -> None:
    """Rows in the order of time come in easy and hard runs: where the file's metric holds, a rise is seen and not told."""
    watch = _watch(np.concatenate([_errors(2000, 2), _errors(1000, 3, 0.5)]))
    worse, holds = seen(watch, {"holds": False}), seen(watch, {"holds": True})
    assert worse["rose"] and worse["dropped"] and holds["rose"] and not holds["dropped"]


def test_adwin_stays_within_its_share_of_the_budget() -> None:
    """Where nothing changes at most the stated share of checks alarms: here none of 2,000 files at a share of 0.6 %."""
    settings, alarmed = _settings(min_drop=0.0, false_alarms=0.05), 0
    for champion in range(20):
        kept = None
        for number in range(100):
            watch = _watch(_errors(200, 1000 * champion + number, 0.2), kept, settings)
            kept, alarmed = watch.state, alarmed + watch.told["dropped"]
    assert alarmed <= stream_level(settings) * 2000
