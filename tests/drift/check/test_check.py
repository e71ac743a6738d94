"""Verdicts: what drifts, what does not, what cannot be told and why."""

import json

import numpy as np
import pytest

from drift.check.budget import holm
from drift.check.column import judge_column
from drift.check.family import assemble
from drift.check.report import ColumnReport, DriftReport
from drift.profiles.categorical import CategoricalProfile, categorical_profile, encode
from drift.profiles.numeric import numeric_profile


def _judge(reference: object, current: object, min_rows: int = 1) -> ColumnReport:
    def profile(values: object) -> object:
        if isinstance(values, np.ndarray):
            return numeric_profile(values.astype(float))
        return categorical_profile(encode(values))

    return judge_column("x", profile(reference), profile(current), min_rows)


def _assemble(*reports: ColumnReport, min_effect: float = 0.05, alpha: float = 0.01) -> DriftReport:
    return assemble(reports, alpha=alpha, min_effect=min_effect, reference_rows=1, current_rows=1)


def test_shifted_numbers_drift_in_words() -> None:
    """A shifted column drifts, and the sentence says how far."""
    rng = np.random.default_rng(0)
    report = _assemble(_judge(rng.normal(10, 1, 2000), rng.normal(11, 1, 1000)))
    assert report.drift and report.drifted == ("x",)
    assert report.columns[0].sentence.startswith("x shifted: KS 0.3")
    assert "mean 9.97 → 11" in report.columns[0].sentence
    json.dumps(report.to_json(), allow_nan=False)


def test_a_significant_trifle_is_no_drift() -> None:
    """A shift below the smallest effect that counts is no drift, however many rows prove it."""
    rng = np.random.default_rng(0)
    column = _judge(rng.normal(size=200_000), rng.normal(0.03, 1, size=200_000))
    report = _assemble(column)
    assert report.columns[0].p_adjusted < 1e-6 and report.columns[0].effect < 0.05 and not report.drift
    assert _assemble(column, min_effect=0.0).drift


def test_missing_share_is_a_test_of_its_own() -> None:
    """A jump in missing values is drift even though the values that are left look the same."""
    rng = np.random.default_rng(1)
    holes = np.where(rng.uniform(size=2000) < 0.4, np.nan, rng.normal(size=2000))
    report = _assemble(_judge(rng.normal(size=2000), holes)).columns[0]
    assert report.drift and report.missing.p_adjusted < 1e-9 and report.p_adjusted > 0.01
    assert report.sentence == "x missing: 0% → 40% of rows"


def test_unseen_categories_are_named() -> None:
    """Categories that the reference never had are drift where chance does not explain them."""
    report = _assemble(_judge(["a", "b"] * 500, ["a", "b"] * 400 + ["new"] * 100)).columns[0]
    assert report.drift and report.unseen.values == ("new",)
    value = report.to_json()["unseen"]
    assert value["share"] == pytest.approx(100 / 900) and value["expected"] == 0
    assert '"new" in 11% of rows' in report.sentence


def test_one_unseen_row_is_no_drift() -> None:
    """A single new category among thousands of rows alarms nobody."""
    report = _assemble(_judge(["a", "b"] * 5000, ["a", "b"] * 500 + ["new"])).columns[0]
    assert not report.drift and report.unseen.p_value > 0.05


def test_unseen_names_of_an_identifier_are_expected() -> None:
    """Where most of the reference's categories occur once, new ones are what chance gives."""
    rng = np.random.default_rng(2)
    draw = [[f"id{i}" for i in rng.integers(0, 100_000, size=n)] for n in (5000, 500)]
    report = _assemble(_judge(*draw)).columns[0]
    assert report.unseen.current > 0.9 and not report.drift


@pytest.mark.parametrize(
    ("reference", "current", "reason"),
    [
        (np.zeros(0), np.ones(9), "the reference is empty"),
        (np.ones(9), np.zeros(0), "the current data is empty"),
        (np.full(9, np.nan), np.ones(9), "all values are missing in the reference"),
        (np.ones(9), np.full(9, np.nan), "all values are missing in the current data"),
        (["a"] * 9, [None] * 9, "all values are missing in the current data"),
        (["a"] * 9, np.ones(9), "categorical in the reference, numeric now"),
    ],
)
def test_what_cannot_be_computed_is_null_with_a_reason(reference: object, current: object, reason: str) -> None:
    """Every test is null and says why; nothing crashes and the report is valid JSON."""
    report = _assemble(_judge(reference, current)).to_json()["columns"][0]
    assert report["reason"] == reason and report["p_adjusted"] is None and report["effect"] is None
    assert all(test["statistic"] is None and test["reason"] == reason for test in report["tests"].values())
    json.dumps(report, allow_nan=False)


def test_all_missing_now_is_drift_of_the_missing_share() -> None:
    """A column that vanished into missing values drifts."""
    assert _assemble(_judge(np.arange(100.0), np.full(100, np.nan))).drift


def test_too_few_rows_tell_how_many_are_needed() -> None:
    """Below min_rows nothing is tested."""
    report = _judge(np.arange(100.0), np.arange(9.0) + 1000, min_rows=50)
    assert report.reason == "the current data has only 9 rows; 50 are needed (drift.min_rows)"
    assert not _assemble(report).drift


def test_constants() -> None:
    """Equal constants do not drift; a changed one does; no number is NaN."""
    same = _assemble(_judge(np.full(100, 3.0), np.full(100, 3.0)))
    assert not same.drift and same.columns[0].tests["wasserstein"].extras["normalized"] is None
    assert _assemble(_judge(np.full(100, 3.0), np.full(100, 4.0))).drift
    letters = _assemble(_judge(["a"] * 100, ["a"] * 100)).columns[0]
    assert letters.tests["chi_squared"].reason == "constant: one category on both sides" and not letters.drift


def test_infinities_integers_and_booleans() -> None:
    """Infinities are left out and counted, integers are numbers, booleans are categories."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=500)
    report = _judge(np.append(data, [np.inf, -np.inf]), data)
    assert report.tests["ks"].statistic == 0
    assert _judge(np.arange(500), np.arange(500)).tests["ks"].p_value == 1
    assert _judge([True, False] * 50, [True, False] * 50).tests["chi_squared"].p_value == 1


def test_dropped_categories_of_the_reference_are_no_unseen_ones() -> None:
    """Where the reference kept only its most frequent categories, no category is called unseen."""
    reference = CategoricalProfile({"a": 900, "b": 80}, 0, other=20, max_categories=2)
    current = CategoricalProfile({"a": 450, "b": 40, "c": 10}, 0)
    report = _assemble(judge_column("x", reference, current)).columns[0]
    assert report.unseen.current is None and "most frequent" in report.unseen.reason and not report.drift


def test_family_spans_columns_shares_and_outputs() -> None:
    """Adjusted p-values count every test of the check: distributions, missing and unseen shares, outputs."""
    rng = np.random.default_rng(5)
    holes = rng.normal(size=300)
    holes[:3] = np.nan
    columns = [_judge(holes, rng.normal(0.2, 1, 300)), _judge(["a", "b"] * 100, ["a", "b"] * 99 + ["c"])]
    output = _judge(rng.normal(size=300), rng.normal(size=300))
    report = assemble(columns, [output], alpha=0.05, min_effect=0, reference_rows=300, current_rows=300)
    raw = [r.p_value for r in columns] + [columns[0].missing.p_value, columns[1].unseen.p_value, output.p_value]
    done = [r.p_adjusted for r in report.columns]
    done += [report.columns[0].missing.p_adjusted, report.columns[1].unseen.p_adjusted, report.outputs[0].p_adjusted]
    np.testing.assert_allclose(done, holm(raw, [3 / 16] * 4 + [1 / 4]))


def test_false_alarms_stay_within_the_budget() -> None:
    """With nothing changed, whole checks over mixed columns alarm no more often than alpha, give or take."""
    rng = np.random.default_rng(11)
    alarms = 0
    for _ in range(200):
        reports = []
        for width in (2, 8, 60):
            a, b = ([f"{v}" for v in rng.zipf(1.5, size=n) % width] for n in (600, 300))
            reports.append(_judge(a, b))
        for _ in range(4):
            a, b = rng.normal(size=600), rng.normal(size=300)
            a[rng.uniform(size=600) < 0.1] = np.nan
            b[rng.uniform(size=300) < 0.1] = np.nan
            reports.append(_judge(a, b))
        alarms += _assemble(*reports, alpha=0.05, min_effect=0.0).drift
    assert alarms <= 20  # 10 expected; more than 20 has a chance below 0.2 %


def test_p_values_are_uniform_under_no_change() -> None:
    """KS p-values of equal distributions fall below 5 % in about 5 % of cases."""
    rng = np.random.default_rng(4)
    below = sum(_judge(rng.normal(size=300), rng.normal(size=200)).tests["ks"].p_value <= 0.05 for _ in range(300))
    assert 4 <= below <= 27
