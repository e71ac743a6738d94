"""A check of whole columns against a reference: the report that the daemon and the comparison of files share."""

from collections.abc import Iterable

from drift.check.allocator import keep_freed_memory
from drift.check.column import judge_values
from drift.check.family import assemble
from drift.check.report import ColumnReport, DriftReport
from drift.profiles.categorical import Codes
from drift.profiles.profile import ColumnValues
from drift.profiles.reference import Reference

MIN_EFFECT = 0.05


def check_columns(
    reference: Reference,
    columns: Iterable[tuple[str, ColumnValues]],
    outputs: Iterable[tuple[str, ColumnValues]] = (),
    *,
    alpha: float,
    min_effect: float = MIN_EFFECT,
    min_rows: int = 1,
    exact: bool = False,
    notes: Iterable[str] = (),
) -> DriftReport:
    """Judge named columns of n rows each, consumed one at a time, and the model's outputs for these rows.

    `alpha` is the rate of false alarms of the whole check; columns that the reference has not are left out.

    >>> import numpy as np; from drift import build_reference
    >>> rng = np.random.default_rng(0)
    >>> reference = build_reference([("x", rng.normal(size=1000))])
    >>> check_columns(reference, [("x", rng.normal(1, 1, size=500))], alpha=0.05).drifted
    ('x',)
    """
    keep_freed_memory()
    rows = 0
    judged: list[ColumnReport] = []
    for name, values in columns:
        rows = max(rows, len(values.codes) if isinstance(values, Codes) else len(values))
        if name in reference.columns:
            judged.append(judge_values(name, reference.columns[name], values, min_rows, exact))
    results = [
        judge_values(name, reference.outputs[name], values, min_rows, exact)
        for name, values in outputs
        if name in reference.outputs
    ]
    return assemble(
        judged,
        results,
        alpha=alpha,
        min_effect=min_effect,
        reference_rows=reference.rows,
        current_rows=rows,
        parts=reference.parts,
        output_parts=reference.output_parts,
        output_rows=max((one.rows for one in reference.outputs.values()), default=0),
        notes=notes,
    )
