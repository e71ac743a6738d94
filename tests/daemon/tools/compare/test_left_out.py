"""`driftd compare` on files with ids and clocks: they are left out, told, and can be put back."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest

from daemon.tools.compare import compare
from drift.comparison import tables as module
from drift.report.compare import compare_page
from retrain.records.errors import WrongUse

pytestmark = pytest.mark.xdist_group("left_out")  # what they share is made once

APART = ("order_id", "created_at", "uuid")


def _table(rows: int, first: int, shift: float) -> pa.Table:
    rng = np.random.default_rng([3, first])
    columns: dict[str, Any] = {f"x{k}": rng.normal(size=rows) for k in range(4)}
    columns["x1"] = columns["x1"] + shift
    columns["c"] = rng.choice(["a", "b", "c"], rows)
    columns["order_id"] = np.arange(first, first + rows)
    seconds = 1.7e9 + 60.0 * first + np.cumsum(rng.exponential(60, rows))
    columns["created_at"] = pa.array(seconds.astype(np.int64), pa.timestamp("s"))
    columns["uuid"] = [f"{rng.integers(1 << 60):015x}" for _ in range(rows)]
    return pa.table(columns)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A month of orders and a week after it, in which x1 has shifted."""
    folder = tmp_path_factory.mktemp("orders")
    for name, table in (("a", _table(2_000, 1_000, 0.0)), ("b", _table(500, 3_000, 0.25))):
        pa_csv.write_csv(table, folder / f"{name}.csv")
        pa_csv.write_csv(table.drop(list(APART)), folder / f"{name}.bare.csv")
    return folder / "a.csv", folder / "b.csv"


def _columns(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {column["name"]: column for column in result["columns"]}


def test_an_id_and_a_clock_blind_no_other_column(files: tuple[Path, Path]) -> None:
    """The verdict, its p-values and its warnings are those of the files without them, and they are told with why."""
    result = compare(*files)
    bare = compare(*(file.with_suffix(".bare.csv") for file in files))
    assert result["drift"] and _columns(result) == _columns(bare) and _columns(result)["x1"]["drift"]
    assert result["calibration"] == bare["calibration"] and bare["left_out"] == []
    reasons = {one["name"]: one["reason"] for one in result["left_out"]}
    assert tuple(reasons) == APART
    assert "1,000 to 2,999" in reasons["order_id"] and "2023-11-1" in reasons["created_at"]


@pytest.mark.parametrize("text", [False, True])
def test_they_can_be_put_back(files: tuple[Path, Path], text: bool) -> None:
    """Columns that are named are compared whatever their values, and no others."""
    result = compare(*files, columns=["order_id, created_at"] if text else ["order_id", "created_at"])
    assert list(_columns(result)) == ["order_id", "created_at"] and result["left_out"] == []
    assert _columns(result)["order_id"]["effect"] == 1.0


def test_columns_are_left_out_by_name(files: tuple[Path, Path]) -> None:
    """What is to be ignored is told too; a name that is no column is wrong use."""
    result = compare(*files, ignore=["x1"], columns=["x1", "x2"])
    assert list(_columns(result)) == ["x2"] and {"name": "x1", "reason": "--ignore names it"} in result["left_out"]
    with pytest.raises(WrongUse, match=r"'nope' is no column; there are x0, x1"):
        compare(*files, ignore=["nope"])


def test_all_columns_together_do_without_them(files: tuple[Path, Path]) -> None:
    """A classifier would tell the sides apart by the id alone."""
    together = compare(*files, multivariate=True)["multivariate"]
    assert together["columns"] == 5 and set(APART) <= set(together["left_out"])


def test_long_files_leave_out_the_same(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns that are read in pieces are judged by their first rows."""
    whole = [one["name"] for one in compare(*files)["left_out"]]
    monkeypatch.setattr(module, "WHOLE_ROWS", 100)
    assert [one["name"] for one in compare(*files)["left_out"]] == whole


def test_the_page_names_them_and_why(files: tuple[Path, Path]) -> None:
    """As a section of its own."""
    text = compare_page(compare(*files), {})
    assert "Left out (3)" in text and "numbers the rows in steps of 1" in text
    assert "Left out" not in compare_page(compare(*files, columns=["x1"]), {})
