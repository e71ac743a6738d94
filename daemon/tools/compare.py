"""Compare two data files column by column: the drift report that needs no daemon and no configuration."""

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from daemon.reading.tabular import open_table
from daemon.tools.column_names import listed_columns
from drift.check.check_columns import MIN_EFFECT
from drift.comparison.tables import ALPHA, Progress, compare_tables, nothing_shared
from retrain.records.errors import Refused


def compare(
    reference_path: str | Path,
    current_path: str | Path,
    alpha: float = ALPHA,
    exact: bool = False,
    min_effect: float = MIN_EFFECT,
    calendar: bool = False,
    multivariate: bool = False,
    ignore: Sequence[str] = (),
    columns: Sequence[str] = (),
    shapes: dict[str, dict[str, Any]] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The drift report of two files (CSV, Parquet or JSON lines) as plain JSON values; see `compare_tables`.

    `shapes`, where given, is filled with small distributions by column name. Refused where a file cannot be read, or
    none of its columns is in the other.
    """
    started = time.perf_counter()
    with TemporaryDirectory(prefix="driftd-compare-") as folder:
        reference = open_table(Path(reference_path), Path(folder) / "reference.parquet")
        current = open_table(Path(current_path), Path(folder) / "current.parquet", reference.layout)
        only = listed_columns(columns, reference.names)
        ignored = listed_columns(ignore, (*reference.names, *current.names))
        if not set(reference.names) & set(current.names):
            text = f"{reference_path} and {current_path} have no column in common: there is nothing to compare"
            raise Refused(text, nothing_shared(reference, current))
        compared = compare_tables(
            reference, current, alpha=alpha, exact=exact, min_effect=min_effect, calendar=calendar,
            multivariate=multivariate, ignore=ignored, columns=only, ignored_by="--ignore", what="file",
            progress=progress, with_shapes=shapes is not None,
        )  # fmt: skip
    if shapes is not None:
        shapes.update(compared.shapes)
    sides = {
        "reference": {"path": str(reference_path), "rows": reference.rows},
        "current": {"path": str(current_path), "rows": current.rows},
    }
    return compared.result | sides | {"seconds": time.perf_counter() - started}
