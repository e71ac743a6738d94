"""All tests of a check judged together, so that the whole check keeps one rate of false alarms."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from drift.report import ColumnReport, DriftReport
from drift.scores import Floats
from drift.shares import ShareTest
from drift.words import sentence


def benjamini_hochberg(p_values: Sequence[float]) -> Floats:
    """Adjusted p-values, shape (k,): p_(i) k/i, monotone from the largest down (Benjamini and Hochberg 1995).

    Where nothing drifts, the chance that any is ≤ alpha is at most alpha for independent tests. Equal to
    `scipy.stats.false_discovery_control`.

    >>> benjamini_hochberg([0.01, 0.04, 0.03])
    array([0.03, 0.04, 0.04])
    """
    values = np.asarray(p_values, dtype=np.float64)
    if not len(values):
        return values
    order = np.argsort(values)[::-1]
    ranks = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum.accumulate(values[order] * len(values) / ranks)
    return np.minimum(adjusted, 1.0)


def assemble(
    columns: Iterable[ColumnReport],
    outputs: Iterable[ColumnReport] = (),
    *,
    alpha: float,
    min_effect: float,
    reference_rows: int,
    current_rows: int,
    notes: Iterable[str] = (),
) -> DriftReport:
    """The report of a whole check.

    The family of tests is, for each column and output, that of its distribution, of its missing share and of
    its unseen share. A drift needs p_adjusted ≤ alpha and an effect ≥ min_effect, for the shares their
    difference.
    """
    judged, results = tuple(columns), tuple(outputs)
    reports = [*judged, *results]
    p_values = [p for report in reports for p in _p_values(report) if p is not None]
    adjusted = iter(benjamini_hochberg(p_values).tolist())
    done = [_decide(_with_adjusted(report, adjusted), alpha, min_effect) for report in reports]
    return DriftReport(
        columns=tuple(done[: len(judged)]),
        outputs=tuple(done[len(judged) :]),
        drift=any(report.drift for report in done),
        alpha=alpha,
        min_effect=min_effect,
        reference_rows=reference_rows,
        current_rows=current_rows,
        notes=tuple(notes),
    )


def unlike_recent(report: DriftReport, recent: DriftReport) -> DriftReport:
    """The report of a check against all reference rows, in which a column drifts only if it also does in the
    report against the newest of them.

    After an adaptation the reference mixes old rows with new ones: data like the newest is no drift. Both nulls
    must be rejected (an intersection-union test, Berger 1982), so the rate of false alarms only falls. A column
    that `recent` could not test is judged by the first report alone."""
    told = {column.name: column for column in recent.columns}
    columns, familiar = [], []
    for column in report.columns:
        other = told.get(column.name)
        if column.drift and other is not None and other.reason is None and not other.drift:
            familiar.append(column.name)
            columns.append(replace(column, drift=False, sentence=""))
        else:
            columns.append(column)
    note = f"like the newest rows of the reference, unlike older ones: {', '.join(familiar)}"
    return replace(
        report,
        columns=tuple(columns),
        drift=any(column.drift for column in (*columns, *report.outputs)),
        notes=(*report.notes, note) if familiar else report.notes,
    )


def _p_values(report: ColumnReport) -> tuple[float | None, float | None, float | None]:
    return report.p_value, report.missing.p_value, None if report.unseen is None else report.unseen.p_value


def _with_adjusted(report: ColumnReport, adjusted: Iterable[float]) -> ColumnReport:
    taken = iter(adjusted)
    own, missing, unseen = (None if p is None else next(taken) for p in _p_values(report))
    return replace(
        report,
        p_adjusted=own,
        missing=replace(report.missing, p_adjusted=missing),
        unseen=None if report.unseen is None else replace(report.unseen, p_adjusted=unseen),
    )


def _decide(report: ColumnReport, alpha: float, min_effect: float) -> ColumnReport:
    shifted = _significant(report.p_adjusted, alpha) and (report.effect or 0.0) >= min_effect
    missing = _share_drifts(report.missing, alpha, min_effect)
    unseen = report.unseen is not None and _share_drifts(report.unseen, alpha, min_effect)
    words = sentence(report, shifted, missing, unseen)
    return replace(report, drift=shifted or missing or unseen, sentence=words)


def _share_drifts(share: ShareTest, alpha: float, min_effect: float) -> bool:
    return _significant(share.p_adjusted, alpha) and abs(share.difference) >= min_effect


def _significant(p_adjusted: float | None, alpha: float) -> bool:
    return p_adjusted is not None and p_adjusted <= alpha
