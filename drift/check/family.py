"""All tests of a check judged together, so that the whole check keeps one rate of false alarms."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from drift.check.budget import KEPT_RATIO, holm, kept_rate, kept_threshold
from drift.check.dispersion import Dispersion, Spread, dispersion
from drift.check.newest import Against
from drift.check.report import Calibration, ColumnReport, DriftReport
from drift.check.words import sentence
from drift.derived.outputs import PREDICTION
from drift.notation import p_value as written_p
from drift.notation import percent
from drift.profiles.parts import MIN_PARTS, Parts

OUTPUT_SHARE = 0.25
"""Of the budget, where there are outputs: a change of what the model says matters whatever its cause."""
LIGHT = 0.25

Newest = Mapping[tuple[str, str], Against]
"""The second tests of a check, by (column, test)."""


@dataclass(frozen=True)
class _Test:
    """One test of the family: its place, its p-value, its share of the budget, reference rows a current row, and its
    second test, against the newest file."""

    position: int
    name: str
    p_value: float
    weight: float
    ratio: float
    spread: Spread
    newest: Against | None = None


def assemble(
    columns: Iterable[ColumnReport],
    outputs: Iterable[ColumnReport] = (),
    *,
    alpha: float,
    min_effect: float,
    reference_rows: int,
    current_rows: int,
    parts: Mapping[str, Parts] | None = None,
    output_parts: Mapping[str, Parts] | None = None,
    output_rows: int | None = None,
    notes: Iterable[str] = (),
    column_weights: Mapping[str, float] | None = None,
    newest: Newest | None = None,
    output_newest: Newest | None = None,
    left_out: Mapping[str, str] | None = None,
) -> DriftReport:
    """The report of a whole check: of the daemon, of the command line, of a replay.

    The family of tests is, for each column and output, that of its distribution, of its missing share and of
    its unseen share. Each p-value allows for the dispersion of the reference's own `parts`; Holm's method then keeps
    the chance of any false alarm within alpha. A drift needs p_adjusted ≤ the threshold (see `Calibration`) and an
    effect ≥ min_effect, for the shares their difference. `output_rows` are the reference's rows of the outputs;
    `column_weights`, positive, share the columns' part of the budget out, None equally over their tests. What is
    rejected drifts only if it also differs from the `newest` file of the reference, where that is given. `left_out`
    tells why further columns are not compared.
    """
    judged, results = tuple(columns), tuple(outputs)
    spread = dispersion(parts or {}, current_rows)
    output_spread = dispersion(output_parts or {}, current_rows)
    share = OUTPUT_SHARE if results and any(result.evidence for result in results) else 0.0
    tests = [
        *_tests(judged, spread, 1 - share, reference_rows / max(current_rows, 1), 0, column_weights, newest),
        *_tests(
            results, output_spread, share, (output_rows or reference_rows) / max(current_rows, 1), len(judged),
            newest=output_newest,
        ),
    ]  # fmt: skip
    calibration = _calibration(tests, alpha, spread)
    adjusted = _adjusted([*judged, *results], tests)
    rejected = [one for one in tests if _differs(adjusted[one.position], one.name, calibration.threshold, min_effect)]
    again = against_newest(rejected)
    lasting = [
        one for one, p in again if one.newest is None or (p <= alpha and one.newest.effect >= min_effect)
    ]  # fmt: skip
    done = [
        replace(
            _decided(report, {one.name for one in lasting if one.position == position}),
            p_newest=min((p for one, p in again if one.position == position and one.newest is not None), default=None),
        )
        for position, report in enumerate(adjusted)
    ]
    return DriftReport(
        columns=tuple(done[: len(judged)]),
        outputs=tuple(done[len(judged) :]),
        drift=any(report.drift for report in done),
        alpha=alpha,
        min_effect=min_effect,
        reference_rows=reference_rows,
        current_rows=current_rows,
        calibration=calibration,
        notes=(*notes, *_familiar(done, rejected)),
        left_out=dict(left_out or {}),
    )


def against_newest(rejected: Sequence[_Test]) -> list[tuple[_Test, float]]:
    """Each test that the first test of its column rejected, with its p-value against the newest file, by Holm's method
    among these; 0 where that file cannot tell.

    Where nothing changed since the newest file, one of the first test's rejections is at most alpha with a chance of at
    most alpha, whichever they are; where nothing changed at all, both must err (Berger 1982). Of fewer than five files
    it is not known how they differ: then each has its share of the budget of all tests."""
    tested = [one for one in rejected if one.newest is not None]
    p_values = [one.newest.p_value(one.spread) for one in tested if one.newest is not None]
    adjusted = holm(p_values, [one.weight for one in tested]).tolist()
    found: list[tuple[_Test, float]] = [(one, 0.0) for one in rejected if one.newest is None]
    for one, p_value, p_adjusted in zip(tested, p_values, adjusted, strict=True):
        known = one.newest is not None and one.newest.spread is not None
        found.append((one, p_adjusted if known else min(p_value / one.weight, 1.0)))
    return found


def _familiar(reports: Sequence[ColumnReport], rejected: Sequence[_Test]) -> list[str]:
    """Which columns the second test let pass, with its p-value."""
    places = sorted({one.position for one in rejected if not reports[one.position].drift})
    names = ", ".join(
        f"{reports[place].name} (p {written_p(p)})"
        if (p := reports[place].p_newest) is not None
        else reports[place].name
        for place in places
    )
    return [f"unlike the reference, but not beyond doubt unlike its newest file: {names}"] if places else []


def _tests(
    reports: Sequence[ColumnReport],
    spread: Dispersion,
    share: float,
    ratio: float,
    first: int,
    column_weights: Mapping[str, float] | None = None,
    newest: Newest | None = None,
) -> list[_Test]:
    """The tests of these reports, which share this part of the budget equally or, with `column_weights`, so that each
    column has its own; but the predicted class says little beside its probabilities, and weighs a quarter."""
    light = {PREDICTION} if len(reports) > 1 and column_weights is None else set()
    heavy = [
        (LIGHT if report.name in light else 1.0)
        if column_weights is None
        else column_weights[report.name] / max(len(report.evidence), 1)
        for report in reports
    ]
    weights = [len(report.evidence) * one for report, one in zip(reports, heavy, strict=True)]
    found = []
    for position, report in enumerate(reports, first):
        for name, evidence in report.evidence.items():
            own, p_value = spread.spread(report.name, "shape" if name == "unseen" else name), report.p_values[name]
            if own.own or own.factor > 1:
                p_value = max(p_value, own.p_value(evidence))
            weight = share * heavy[position - first] / sum(weights)
            again = (newest or {}).get((report.name, name))
            found.append(_Test(position, name, p_value, weight, ratio, own, again))
    return found


def _calibration(tests: Sequence[_Test], alpha: float, spread: Dispersion) -> Calibration:
    weights = [test.weight for test in tests]
    ratios = [test.ratio for test in tests]
    found = Calibration(
        threshold=kept_threshold(alpha, weights, [ratio if ratio >= KEPT_RATIO else np.inf for ratio in ratios]),
        checks_per_false_alarm=1 / alpha,
        kept_rate=kept_rate(alpha, weights, ratios) if min(ratios, default=KEPT_RATIO) < KEPT_RATIO else alpha,
        parts=spread.parts,
        part_rows=spread.part_rows,
        dependent=spread.dependent,
        dispersion=float(np.median([test.spread.factor for test in tests])) if tests else 1.0,
    )
    return replace(found, warnings=tuple(_warnings(min(ratios, default=KEPT_RATIO), alpha, found)))


def _warnings(ratio: float, alpha: float, found: Calibration) -> Iterator[str]:
    """What the budget does not cover here."""
    few = round(ratio) < MIN_PARTS
    if ratio < KEPT_RATIO and found.kept_rate > alpha:
        yield (
            f"the reference has {ratio:.2g} times the rows of the current data; kept for many checks, one such "
            f"reference in 20 would alarm falsely in more than {percent(found.kept_rate)} of them; {KEPT_RATIO:g} "
            f"times the rows keep that within {percent(alpha)}"
            + (f"; in fewer than {MIN_PARTS} batches it does not show how files differ without drift" if few else "")
        )
    if found.dependent:
        limit = 1 / (found.parts + 1)
        yield (
            f"rows of the reference depend on each other: its {found.parts} parts of about {found.part_rows:,.0f} rows "
            f"differ {found.dispersion:.2g} times as much as independent rows would, and the p-values allow for that"
            + (f"; a budget below {percent(limit)} then assumes that parts vary normally" if limit > alpha else "")
        )


def _adjusted(reports: Sequence[ColumnReport], tests: Sequence[_Test]) -> list[ColumnReport]:
    adjusted = holm([test.p_value for test in tests], [test.weight for test in tests])
    told: list[dict[str, float]] = [{} for _ in reports]
    factors: list[float | None] = [None] * len(reports)
    for test, value in zip(tests, adjusted.tolist(), strict=True):
        told[test.position][test.name] = value
        if test.name == "shape":
            factors[test.position] = test.spread.factor
    return [
        replace(
            report,
            p_adjusted=own.get("shape"),
            dispersion=factor,
            missing=replace(report.missing, p_adjusted=own.get("missing")),
            unseen=None if report.unseen is None else replace(report.unseen, p_adjusted=own.get("unseen")),
        )
        for report, own, factor in zip(reports, told, factors, strict=True)
    ]


def _differs(report: ColumnReport, test: str, threshold: float, min_effect: float) -> bool:
    """Whether that test rejects, with an effect that counts."""
    if test == "shape":
        return _significant(report.p_adjusted, threshold) and (report.effect or 0.0) >= min_effect
    share = report.missing if test == "missing" else report.unseen
    return share is not None and _significant(share.p_adjusted, threshold) and abs(share.difference) >= min_effect


def _decided(report: ColumnReport, tests: Collection[str]) -> ColumnReport:
    words = sentence(report, "shape" in tests, "missing" in tests, "unseen" in tests)
    return replace(report, drift=bool(tests), sentence=words)


def _significant(p_adjusted: float | None, threshold: float) -> bool:
    return p_adjusted is not None and p_adjusted <= threshold
