"""A check of whole columns against a reference: what the daemon, `driftd check`, replay and the benchmarks run.

`driftd compare`, which has two files and no reference, hands its columns' tests to the same `assemble`."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from drift.check.allocator import keep_freed_memory
from drift.check.column import judge_values
from drift.check.family import assemble
from drift.check.file_dispersion import FileSpread, file_spreads
from drift.check.newest import Against, against_newest
from drift.check.report import ColumnReport, DriftReport
from drift.check.words import with_dates
from drift.profiles.categorical import Codes
from drift.profiles.files import FileCounts
from drift.profiles.profile import ColumnValues, Profile
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
    column_weights: Mapping[str, float] | None = None,
    dates: Collection[str] = (),
    left_out: Mapping[str, str] | None = None,
) -> DriftReport:
    """Judge named columns of n rows each, consumed one at a time, and the model's outputs for these rows.

    `alpha` is the rate of false alarms of the whole check; columns that the reference has not are left out; `dates` are
    those in seconds since 1970. For the rest see `assemble`.

    >>> import numpy as np; from drift.profiles.reference import build_reference
    >>> rng = np.random.default_rng(0)
    >>> reference = build_reference([("x", rng.normal(size=1000))])
    >>> check_columns(reference, [("x", rng.normal(1, 1, size=500))], alpha=0.05).drifted
    ('x',)
    """
    keep_freed_memory()
    spreads = _Spreads(reference)
    known = _Side("columns", reference.columns, reference.files, spreads, min_rows, exact, alpha, dates)
    said = _Side("outputs", reference.outputs, reference.output_files, spreads, min_rows, exact, alpha)
    judged, results = known.judge(columns), said.judge(outputs)
    return assemble(
        judged,
        results,
        alpha=alpha,
        min_effect=min_effect,
        reference_rows=reference.rows,
        current_rows=known.rows,
        parts=reference.parts,
        output_parts=reference.output_parts,
        output_rows=max((one.rows for one in reference.outputs.values()), default=0),
        notes=notes,
        column_weights=column_weights,
        newest=known.newest,
        output_newest=said.newest,
        left_out=left_out,
    )


@dataclass
class _Spreads:
    """How the files of a reference differ, columns and outputs together; most checks do not ask."""

    reference: Reference

    @cached_property
    def found(self) -> dict[tuple[str, str], dict[str, FileSpread]]:
        """By side and name."""
        sides = {"columns": self.reference.files, "outputs": self.reference.output_files}
        return file_spreads({(side, name): one for side, files in sides.items() for name, one in files.items()})


@dataclass
class _Side:
    """Columns, or outputs, of a reference; `rows` and `newest` are of what was judged."""

    side: str
    profiles: Mapping[str, Profile]
    files: Mapping[str, FileCounts]
    spreads: _Spreads
    min_rows: int
    exact: bool
    alpha: float
    dates: Collection[str] = ()
    rows: int = 0
    newest: dict[tuple[str, str], Against] = field(default_factory=dict)

    def judge(self, columns: Iterable[tuple[str, ColumnValues]]) -> list[ColumnReport]:
        """Both tests of each column; the second where the first may reject."""
        return [self._judge(name, values) for name, values in columns if name in self.profiles]

    def _judge(self, name: str, values: ColumnValues) -> ColumnReport:
        self.rows = max(self.rows, len(values.codes if isinstance(values, Codes) else values))
        report = judge_values(name, self.profiles[name], values, self.min_rows, self.exact)
        if name in self.files and any(p <= self.alpha for p in report.p_values.values()):
            self.newest |= against_newest(self.files[name], self.spreads.found[self.side, name], report, values)
        return with_dates(report) if name in self.dates else report
