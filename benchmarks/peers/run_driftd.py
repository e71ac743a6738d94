"""driftd's check. Arguments: the Parquet files of the reference and of the current rows, and how often to repeat.

Besides the check of columns that are in memory as Arrow: from the Parquet file to the verdict, and the cost of
decoding the file's columns alone."""

import json
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from data import CATEGORICAL, NUMERIC
from meter import best, measure, report

from drift.check.check_columns import check_columns
from drift.check.report import DriftReport
from drift.profiles.numeric import NumericProfile
from drift.profiles.profile import ColumnValues
from drift.profiles.reference import Reference, build_reference
from retrain.records.settings import ColumnKind
from retrain.rows.columns import column_values, open_snapshot, read_column
from retrain.store.reference_files import read_arrays, release_pages, write_arrays

ALPHA = 0.05
WARM_UP = 2_000
KINDS: dict[str, ColumnKind] = dict.fromkeys(NUMERIC, "number") | dict.fromkeys(CATEGORICAL, "category")
NOTE = "from Arrow to the verdict; the reference read memory-mapped before, anew for each of {} repetitions"

Columns = Iterator[tuple[str, ColumnValues]]


def main(reference_path: str, current_path: str, repetitions: str = "3") -> None:
    """A reference freshly read has nothing cached, and none of its pages count as held before the check."""
    path, times = Path(current_path), range(int(repetitions))
    current = pq.read_table(path)
    with tempfile.TemporaryDirectory(prefix="driftd-bench-") as name:
        small, whole = Path(name, "small"), Path(name, "whole")
        table = pq.read_table(reference_path)
        _build(table.slice(0, WARM_UP), small)
        _check(_read(small), _columns(current.slice(0, WARM_UP)))
        fit = measure(partial(_build, table, whole))
        del table
        check = best([measure(partial(_check, _read(whole), _columns(current))) for _ in times])
        del current
        _decode(path)
        decode = best([measure(partial(_decode, path)) for _ in times])
        verdict = best([measure(partial(_check, _read(whole), _file_columns(path))) for _ in times])
    report(
        "driftd", fit, check, ("numpy", "pyarrow", "scipy"), NOTE.format(repetitions),
        decode_cpu=decode.cpu, decode_mb=decode.extra_mb, verdict_cpu=verdict.cpu, verdict_mb=verdict.extra_mb,
    )  # fmt: skip


def _build(table: pa.Table, folder: Path) -> None:
    meta, arrays = build_reference(_columns(table)).to_arrays()
    write_arrays(folder, arrays)
    (folder / "meta.json").write_text(json.dumps({"meta": meta, "arrays": sorted(arrays)}), "utf-8")


def _read(folder: Path) -> Reference:
    stored = json.loads((folder / "meta.json").read_text("utf-8"))
    return Reference.from_arrays(stored["meta"], read_arrays(folder, stored["arrays"]))


def _columns(table: pa.Table) -> Columns:
    return ((name, column_values(table[name], kind)) for name, kind in KINDS.items())


def _file_columns(path: Path) -> Columns:
    for name, kind in KINDS.items():
        values = read_column([path], name, kind)
        assert values is not None
        yield name, values


def _decode(path: Path) -> None:
    """Every column is read as `read_column` reads it, and dropped."""
    for name, kind in KINDS.items():
        with open_snapshot(path, (name,) if kind == "category" else ()) as file:
            file.read(columns=[name])


def _check(reference: Reference, columns: Columns) -> DriftReport:
    return check_columns(reference, _released(reference, columns), alpha=ALPHA)


def _released(reference: Reference, columns: Columns) -> Columns:
    """As the daemon does: the reference's pages are given back after each column."""
    for name, values in columns:
        yield name, values
        known = reference.columns[name]
        if isinstance(known, NumericProfile):
            release_pages(*known.arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
