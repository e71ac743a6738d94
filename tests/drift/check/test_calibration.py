"""The budget of false alarms: kept where nothing changed, whatever the reference, and still able to see a change."""

import numpy as np
import pytest

from benchmarks.calibration import Setting, batch, rates, reference
from drift.check.budget import kept_rate, kept_threshold
from drift.check.check_columns import check_columns
from drift.check.dispersion import Evidence, Spread, dispersion
from drift.derived.outputs import output_columns
from drift.profiles.categorical import Codes
from drift.profiles.parts import count_parts, shape_draws
from drift.profiles.profile import ColumnValues
from drift.profiles.reference import build_reference, with_files

BASE = Setting(rows=400, ratio=10, numeric=6, categorical=4, categories=10, references=20, checks=10)

Columns = dict[str, ColumnValues]


@pytest.mark.parametrize(
    "setting",
    [
        BASE,
        Setting(**{**BASE.__dict__, "ratio": 1}),
        Setting(**{**BASE.__dict__, "categorical": 10, "categories": 500, "numeric": 0}),
        Setting(**{**BASE.__dict__, "dependence": "batch", "strength": 0.3}),
        Setting(**{**BASE.__dict__, "dependence": "near", "strength": 0.8}),
        Setting(**{**BASE.__dict__, "dependence": "near", "strength": 0.3}),
    ],
    ids=[
        "independent",
        "equal sizes",
        "many categories",
        "batches with means of their own",
        "autoregressive",
        "weakly so",
    ],
)
def test_checks_without_change_alarm_within_the_budget(setting: Setting) -> None:
    """At 5 % no more than 5 % of checks alarm, within three standard errors over references."""
    found = rates(setting, (0.05,), seed=7)[0.05]
    assert found.mean <= 0.05 + 3 * max(found.se, 0.011)


def test_dependent_rows_are_told() -> None:
    """Batches with means of their own are noticed, and the report says by how much they differ."""
    setting = Setting(rows=500, ratio=20, numeric=5, dependence="batch", strength=0.5)
    rng = np.random.default_rng(0)
    report = check_columns(reference(setting, rng), batch(setting, rng).items(), alpha=0.05)
    assert report.calibration.dependent and report.calibration.dispersion > 5
    assert "depend on each other" in report.calibration.warnings[0]
    assert report.columns[0].dispersion > 1


def test_a_clear_change_is_seen_even_between_dependent_batches() -> None:
    """A shift far beyond what batches differ by alarms."""
    setting = Setting(rows=500, ratio=40, numeric=5, dependence="batch", strength=0.1)
    rng = np.random.default_rng(1)
    known = reference(setting, rng)
    assert check_columns(known, batch(setting, rng, shift=2.0).items(), alpha=0.05).drift


def test_an_old_change_within_the_reference_does_not_blind() -> None:
    """A reference that spans a jump, or a slow trend, still finds a new regime."""
    rng = np.random.default_rng(2)
    jump = np.concatenate([rng.normal(0, 1, 6_000), rng.normal(3, 1, 6_000)])
    trend = rng.normal(np.linspace(0, 3, 12_000), 1)
    for values in (jump, trend):
        report = check_columns(build_reference([("x", values)]), [("x", rng.normal(8, 1, 1_000))], alpha=0.01)
        assert report.drift


@pytest.mark.parametrize("seed", range(3))
def test_power_at_a_thousand_rows(seed: int) -> None:
    """A shift of 0.3 standard deviations in one of 20 features is found in 19 of 20 checks of 1,000 rows."""
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(40):
        before, now = rng.normal(size=(1_000, 20)), rng.normal(size=(1_000, 20))
        now[:, 3] += 0.3
        known = build_reference([(f"x{k}", before[:, k]) for k in range(20)])
        found += check_columns(known, [(f"x{k}", now[:, k]) for k in range(20)], alpha=0.05).drift
    assert found >= 38


def test_a_changed_label_share_is_seen_in_the_outputs() -> None:
    """With a model's outputs in the check, and ten files of 1,000 rows, every label share of 30 instead of 50 % alarms,
    and most of 40 %; a shifted feature is still found."""
    rng = np.random.default_rng(12)
    direction = np.ones(5) / np.sqrt(5)

    def draw(rows: int, share: float) -> tuple[Columns, Columns]:
        """Features, and the outputs of the best model of two classes 2.09 standard deviations apart."""
        labels = rng.random(rows) < share
        X = rng.normal(size=(rows, 5)) + 2.09 * np.outer(labels - 0.5, direction)
        likely = 1 / (1 + np.exp(-2.09 * X @ direction))
        both = np.stack([1 - likely, likely], axis=1)
        said = output_columns(np.where(likely > 0.5, "yes", "no"), both, ["no", "yes"])
        return {f"x{k}": X[:, k] for k in range(5)}, dict(said)

    columns, said = draw(10_000, 0.5)
    files = np.repeat(np.arange(10), 1_000)
    known = with_files(build_reference(columns.items(), said.items()), columns.items(), files, said.items())
    found = {}
    for share in (0.4, 0.3):
        draws = [draw(1_000, share) for _ in range(15)]
        reports = [check_columns(known, now.items(), out.items(), alpha=0.0375) for now, out in draws]
        found[share] = sum(report.drift for report in reports)
    assert found[0.3] == 15 and found[0.4] >= 9


def test_a_small_reference_warns() -> None:
    """Below ten times the rows of a check the report says what a kept reference may do, and below eight that it does not
    show how files differ; above it does not."""
    rng = np.random.default_rng(3)
    for ratio, warned in ((1, True), (9, True), (20, False)):
        known = build_reference([("x", rng.normal(size=500 * ratio))])
        report = check_columns(known, [("x", rng.normal(size=500))], alpha=0.05)
        assert any("kept for many checks" in warning for warning in report.calibration.warnings) == warned
        assert any("how files differ" in warning for warning in report.calibration.warnings) == (ratio < 8)
        assert report.calibration.checks_per_false_alarm == 20


@pytest.mark.parametrize("ratio", [10, 30, 100])
@pytest.mark.parametrize("tests", [1, 5, 40])
def test_the_kept_threshold_holds_for_most_references(ratio: int, tests: int) -> None:
    """In a simulation of normal tests 95 % of references keep within the budget at the threshold, not above it."""
    rng = np.random.default_rng(4)
    from scipy.special import ndtr, ndtri

    weights, ratios = [1 / tests] * tests, [float(ratio)] * tests
    level = kept_threshold(0.05, weights, ratios)
    errors = rng.normal(size=(4_000, tests)) / np.sqrt(ratio)
    limit = -ndtri(level / tests / 2) * np.sqrt(1 + 1 / ratio)
    alarms = 1 - np.prod(1 - ndtr(errors - limit) - ndtr(-errors - limit), axis=1)
    assert np.mean(alarms <= 0.0525) >= 0.94 and level <= 0.05
    assert kept_rate(level, weights, ratios) == pytest.approx(0.05, rel=0.02) or level == 0.05


def test_independent_rows_need_no_correction() -> None:
    """On independent rows p-values are the tests' own, or hardly larger."""
    rng = np.random.default_rng(5)
    parts = {f"x{k}": part for k in range(40) if (part := count_parts(rng.normal(size=20_000))) is not None}
    found = dispersion(parts, 1_000)
    assert not found.dependent and found.pooled.factor < 1.2 and len(found.own or {}) <= 4
    assert Spread(1.0).p_value(Evidence(3.841458820694124, 1.0)) == pytest.approx(0.05)


def test_independent_rows_are_seldom_thought_dependent() -> None:
    """Parts of any size of independent rows differ by what chance explains: few references are corrected, hardly a
    column is judged by its own spread. A reference of one batch of 1,000 rows has 24 parts of 41."""
    rng = np.random.default_rng(8)
    for rows, groups, draws in ((1_000, 1_000, 30), (2_500, 25, 12)):
        found = []
        for _ in range(draws):
            parts = {f"x{k}": part for k in range(20) if (part := count_parts(rng.normal(size=rows))) is not None}
            found.append(dispersion(parts, groups))
        assert sum(one.dependent for one in found) == 0
        assert sum(one.pooled.factor > 1 for one in found) <= draws / 6
        assert np.mean([len(one.own or {}) for one in found]) < 0.6


@pytest.mark.parametrize(("categories", "numeric"), [(10, 12), (1_000, 0)])
def test_weak_dependence_shows_in_short_parts(categories: int, numeric: int) -> None:
    """Ten batches of rows that depend on their neighbours a little are noticed, which ten groups alone do not show; ten
    of independent rows are not thought so."""
    for strength, seeds in ((0.3, 3), (0.0, 5)):
        setting = Setting(1_000, 10, numeric, 20 - numeric, categories, dependence="near", strength=strength)
        for seed in range(seeds):
            known = reference(setting, np.random.default_rng([9, seed]))
            assert dispersion(known.parts, setting.rows).dependent == (strength > 0)


def test_parts_of_rare_categories_are_compared() -> None:
    """Parts of 25 rows of 200 categories, none expected once, differ as independent rows do; of a column
    of one category nothing can be compared."""
    rng = np.random.default_rng(10)
    names = [f"v{k}" for k in range(200)]
    part = count_parts(Codes(rng.integers(0, 200, 12_000), names))
    assert part is not None
    draws = shape_draws(part)
    assert draws is not None and draws.df == 3
    assert draws.values.mean() / draws.df == pytest.approx(1, abs=0.12)
    constant = count_parts(Codes(np.zeros(1_000, dtype=np.int64), ["a"]))
    assert constant is not None and shape_draws(constant) is None


def test_parts_grouped_keep_every_row() -> None:
    """Grouping parts moves no row."""
    part = count_parts(np.append(np.random.default_rng(6).normal(size=1_000), [np.nan] * 30))
    assert part is not None
    grouped = part.grouped(9)
    assert len(grouped.rows) == 9 and grouped.rows.sum() == 1_030 and grouped.missing.sum() == 30
