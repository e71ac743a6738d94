"""Comparing two files gives one answer whatever their format, and says what it could not compare."""

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from scipy import stats

from daemon.reports.compare_text import render
from daemon.tools.compare import compare
from retrain.records.errors import Refused


def _table(rows: int, shift: float, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "x": rng.normal(shift, 1, rows),
            "n": rng.integers(0, 6, rows),
            "c": rng.choice(["a", "b", "with, comma"], rows),
            "flag": rng.random(rows) < 0.5,
            "when": pa.array(rng.integers(0, 11_574, rows) * 86_400 * 10**6, pa.timestamp("us")),
            "holes": pa.array(np.where(rng.random(rows) < 0.2, None, rng.normal(size=rows)), pa.float64()),
        }
    )


REFERENCE, CURRENT = _table(1500, 0, 1), _table(900, 0.6, 2)


def _write(table: pa.Table, path: Path) -> Path:
    if path.name.endswith(".parquet"):
        pq.write_table(table, path)
    elif path.name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row, default=str) + "\n" for row in table.to_pylist()))
    else:
        buffer = io.BytesIO()
        pc.write_csv(table, buffer)
        data = buffer.getvalue()
        packed = {".gz": gzip.compress, ".zst": lambda d: bytes(pa.Codec("zstd").compress(d))}
        path.write_bytes(packed.get(path.suffix, bytes)(data))
    return path


@pytest.mark.parametrize("left", ["a.parquet", "a.csv"])
@pytest.mark.parametrize("right", ["b.parquet", "b.csv", "b.csv.gz", "b.csv.zst", "b.jsonl"])
def test_every_format_gives_the_same_report(tmp_path: Path, left: str, right: str) -> None:
    """Kinds, statistics and verdicts do not depend on how the rows were written."""
    result = compare(_write(REFERENCE, tmp_path / left), _write(CURRENT, tmp_path / right))
    columns = {column["name"]: column for column in result["columns"]}
    kinds = {name: column["kind"] for name, column in columns.items()}
    assert kinds == {
        "x": "numeric", "n": "numeric", "c": "categorical",
        "flag": "categorical", "when": "numeric", "holes": "numeric",
    }  # fmt: skip
    for name in ("x", "n"):
        a, b = REFERENCE[name].to_numpy(), CURRENT[name].to_numpy()
        expected = stats.ks_2samp(a, b)
        assert columns[name]["tests"]["ks"]["statistic"] == pytest.approx(expected.statistic, abs=1e-9)
        assert columns[name]["tests"]["ks"]["p_value"] == pytest.approx(expected.pvalue, rel=1e-6)
        distance = columns[name]["tests"]["wasserstein"]
        assert distance["statistic"] == pytest.approx(stats.wasserstein_distance(a, b), abs=1e-9)
        assert distance["normalized"] == pytest.approx(distance["statistic"] / np.std(a))
    counts = [[(t["c"].to_numpy() == v).sum() for v in ("a", "b", "with, comma")] for t in (REFERENCE, CURRENT)]
    chi = columns["c"]["tests"]["chi_squared"]
    assert chi["p_value"] == pytest.approx(stats.chi2_contingency(counts).pvalue) and chi["dof"] == 2
    assert columns["holes"]["missing"]["current"] == pytest.approx(CURRENT["holes"].null_count / 900)
    assert result["drift"] and [n for n, c in columns.items() if c["drift"]] == ["x"]
    assert (result["reference"]["rows"], result["current"]["rows"], result["alpha"]) == (1500, 900, 0.05)
    json.dumps(result, allow_nan=False)


def test_a_file_does_not_drift_from_itself(tmp_path: Path) -> None:
    """Every effect of a file against itself is 0."""
    path = _write(REFERENCE, tmp_path / "a.parquet")
    result = compare(path, path, alpha=0.5)
    assert not result["drift"] and all(column["effect"] == 0 for column in result["columns"])


def test_columns_of_one_file_only_are_told(tmp_path: Path) -> None:
    """Missing and extra columns are notes; the rest is compared."""
    left = _write(REFERENCE.drop_columns(["n"]), tmp_path / "a.csv")
    right = _write(CURRENT.drop_columns(["c", "when"]), tmp_path / "b.csv")
    result = compare(left, right)
    assert [column["name"] for column in result["columns"]] == ["x", "flag", "holes"]
    assert result["notes"][:2] == ["only the reference has c, when", "only the current file has n"]


def test_words_in_a_numeric_column_count_as_missing(tmp_path: Path) -> None:
    """What is not of the reference's kind is counted, told, and no crash."""
    (tmp_path / "a.csv").write_text("x,y\n" + "1.5,a\n2.5,b\n" * 50)
    (tmp_path / "b.csv").write_text("x,y\n" + "1.5,a\noops,b\n" * 50)
    result = compare(tmp_path / "a.csv", tmp_path / "b.csv")
    assert result["columns"][0]["missing"]["current"] == 0.5 and result["columns"][0]["drift"]
    assert result["notes"] == ["50 values of x are no number; they count as missing"]


def test_empty_and_constant_columns_are_null_with_a_reason(tmp_path: Path) -> None:
    """Header-only files, empty columns and constants give reasons instead of NaN."""
    (tmp_path / "a.csv").write_text("x,y,z\n" + "1,,7\n2,,7\n" * 20)
    (tmp_path / "b.csv").write_text("x,y,z\n")
    result = compare(tmp_path / "a.csv", tmp_path / "b.csv")
    assert {column["reason"] for column in result["columns"]} == {"the current data is empty"}
    again = compare(tmp_path / "a.csv", tmp_path / "a.csv")["columns"]
    assert again[1]["reason"] == "all values are missing in the reference"
    assert again[2]["tests"]["wasserstein"]["normalized"] is None
    assert "constant" in again[2]["tests"]["wasserstein"]["reason"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("b.parquet", b"not parquet", "cannot be read"),
        ("b.csv.gz", b"not gzip", "is no valid gzip file"),
        ("b.xls", b"", "unknown format"),
        ("b.xlsx", b"no zip", "cannot be read as a spreadsheet"),
        ("b.csv", None, "no such file"),
        ("b.csv", b"", "is empty"),
    ],
)
def test_unreadable_files_are_refused(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    """A file that cannot be read costs one clear message with its path."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Refused, match=said) as refused:
        compare(_write(REFERENCE, tmp_path / "a.parquet"), path)
    assert str(path) in str(refused.value)


def _rendered(result: dict, terminal: bool) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal, color_system=None)
    render(result, console)
    return console.file.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_people_read_the_drifted_columns_first(tmp_path: Path, terminal: bool) -> None:
    """The verdict comes first, then a sentence a drifted column, then all columns, drifted ones on top."""
    names = ["n [b]" if name == "n" else name for name in REFERENCE.column_names]
    left = _write(REFERENCE.rename_columns(names), tmp_path / "a.parquet")
    right = _write(CURRENT.rename_columns(names), tmp_path / "b.parquet")
    lines = [line.strip() for line in _rendered(compare(left, right), terminal).splitlines()]
    assert lines[0].startswith("Drift in 1 of 6 columns (1,500 and 900 rows;")
    assert lines[1].startswith("x shifted: KS 0.2") and "mean" in lines[1]
    assert lines[2].split()[:2] == ["column", "kind"] and lines[3].split()[:3] == ["x", "numeric", "drift"]
    assert any(line.startswith("n [b]") for line in lines)
