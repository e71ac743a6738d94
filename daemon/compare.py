"""Compare two data files column by column: the drift report that needs no daemon and no configuration."""

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from daemon.tabular import Table, open_table
from drift import ColumnReport, assemble, judge_column
from retrain.errors import Refused
from retrain.settings import DriftSettings

MIN_EFFECT = DriftSettings().min_effect
ALPHA = 0.05


def compare(
    reference_path: str | Path,
    current_path: str | Path,
    alpha: float = ALPHA,
    exact: bool = False,  # noqa: ARG001 - every distance is exact already
    min_effect: float = MIN_EFFECT,
) -> dict[str, Any]:
    """The drift report of two files (CSV, Parquet or JSON lines) as plain JSON values.

    The reference decides what kind a column is; a column that only one file has is told in `notes`. `alpha`
    is the rate of false alarms of the whole comparison. Distances are exact with and without `exact`, so that
    their `error` is 0. Refused where a file cannot be read.
    """
    started = time.perf_counter()
    with TemporaryDirectory(prefix="driftd-compare-") as folder:
        reference = open_table(Path(reference_path), Path(folder) / "reference.parquet")
        current = open_table(Path(current_path), Path(folder) / "current.parquet")
        shared = [name for name in reference.names if name in current.names]
        if not shared:
            raise Refused(
                f"{reference_path} and {current_path} have no column in common: there is nothing to compare",
                f"one has {_listed(reference.names)}, the other {_listed(current.names)}",
            )
        reports = [_judge(reference, current, name) for name in shared]
        notes = [*_left_out(reference, current), *reference.notes, *current.notes]
        report = assemble(
            reports,
            alpha=alpha,
            min_effect=min_effect,
            reference_rows=reference.rows,
            current_rows=current.rows,
            notes=notes,
        )
    result = report.to_json()
    result["reference"] = {"path": str(reference_path), "rows": reference.rows}
    result["current"] = {"path": str(current_path), "rows": current.rows}
    result["seconds"] = time.perf_counter() - started
    return result


def _judge(reference: Table, current: Table, name: str) -> ColumnReport:
    kind = reference.kind(name)
    return judge_column(name, reference.profile(name, kind), current.profile(name, kind))


def _left_out(reference: Table, current: Table) -> list[str]:
    only = [
        ("the reference", [name for name in reference.names if name not in current.names]),
        ("the current file", [name for name in current.names if name not in reference.names]),
    ]
    return [f"only {where} has {_listed(names)}" for where, names in only if names]


def _listed(names: Sequence[str], most: int = 10) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more columns"


def render(result: dict[str, Any], console: Console) -> None:
    """Print the result for people; see `daemon.compare_text`."""
    from daemon.compare_text import render as print_result

    print_result(result, console)
