"""Frames of pandas and polars compared: run by `test_notebook.py` in a process that has both."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drift import Comparison, Reference, compare, reference_of
from drift.check.check_columns import check_columns
from drift.columns.values import column_values

ROWS = 1_000


def columns(seed: int, shift: float = 0.0) -> dict[str, object]:
    """One of everything that a frame holds."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(shift, 1, ROWS)
    days = rng.integers(0, 300, ROWS)
    return {
        "number": np.where(rng.random(ROWS) < 0.05 + shift / 10, np.nan, numbers),
        "whole": rng.integers(0, 9, ROWS),
        "small": rng.integers(0, 200, ROWS).astype(np.uint8),
        "half": numbers.astype(np.float32),
        "flag": rng.random(ROWS) < 0.3,
        "word": rng.choice(["a", "b", "c"], ROWS, p=[0.5, 0.3 + shift / 10, 0.2 - shift / 10]),
        "iso": (np.datetime64("2024-01-01") + days // 9).astype(str),
        "moment": np.datetime64("2024-01-01T00:00", "us") + days.astype("timedelta64[D]"),
        "digits": rng.integers(0, 50, ROWS).astype(str),
        "price": [Decimal(int(one)) / 4 for one in rng.integers(0, 99, ROWS)],
        "text": [f"the order number {one} came late" for one in rng.integers(0, 10**6, ROWS)],
        "tags": [["x", "y"][: one + 1] for one in rng.integers(0, 2, ROWS)],
    }


def arrow(seed: int, shift: float = 0.0) -> pa.Table:
    """As a table of Arrow."""
    made = {
        name: np.asarray(value) if name not in ("price", "tags") else value
        for name, value in columns(seed, shift).items()
    }
    return pa.table(made | {"kind": pa.array(made["word"]).dictionary_encode()})


class Capsules:
    """A frame of yet another library: it has Arrow's interface and nothing else."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


FORMS = {
    "arrow": lambda table: table,
    "pandas": lambda table: table.to_pandas(),
    "pandas of Arrow's types": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "polars": pl.from_arrow,
    "PyCapsule": Capsules,
    "batches": lambda table: table.to_reader(400),
}


def by_command(tmp_path: Path, *options: str) -> dict[str, object]:
    """What `driftd compare` says of files of the same rows."""
    paths = [tmp_path / "before.parquet", tmp_path / "now.parquet"]
    for path, table in zip(paths, (arrow(1), arrow(2, 0.4)), strict=True):
        pq.write_table(table, path)
    words = [sys.executable, "-m", "daemon", "compare", *map(str, paths), "--json", *options]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    return json.loads(done.stdout)


def numbers(result: dict[str, object]) -> dict[str, object]:
    """Without what only files have: paths and seconds."""
    sides = {side: {"rows": result[side]["rows"]} for side in ("reference", "current")}
    return json.loads(json.dumps({name: value for name, value in result.items() if name != "seconds"} | sides))


def test_all_frames_have_the_numbers_of_driftd_compare(tmp_path: Path) -> None:
    """Whatever holds the rows, and where the two sides are of different libraries, each number, note and reason is that
    of `driftd compare` on Parquet files of them."""
    expected = numbers(by_command(tmp_path))
    assert {column["name"] for column in expected["columns"]} >= {"number", "word", "text (length)", "tags", "price"}
    for name, form in FORMS.items():
        assert numbers(compare(form(arrow(1)), form(arrow(2, 0.4))).to_dict()) == expected, name
    for one, other in (("pandas", "polars"), ("polars", "PyCapsule"), ("arrow", "pandas")):
        assert numbers(compare(FORMS[one](arrow(1)), FORMS[other](arrow(2, 0.4))).to_dict()) == expected, (one, other)


def test_options_are_those_of_the_command(tmp_path: Path) -> None:
    """Exact statistics, calendar columns, all columns together, and which columns are compared."""
    options = ("--exact", "--calendar", "--multivariate", "--alpha", "0.1", "--min-effect", "0.1")
    expected = numbers(by_command(tmp_path, *options))
    found = compare(
        FORMS["polars"](arrow(1)), FORMS["pandas"](arrow(2, 0.4)), exact=True, calendar=True, multivariate=True,
        alpha=0.1, min_effect=0.1,
    )  # fmt: skip
    assert numbers(found.to_dict()) == expected
    expected = numbers(by_command(tmp_path, "--columns", "number,word"))
    assert numbers(compare(arrow(1), arrow(2, 0.4), columns=["number", "word"]).to_dict()) == expected


def test_the_report_is_a_frame_of_the_library_that_the_rows_are_of() -> None:
    """pandas gives pandas, polars polars, and each can be asked for."""
    of_pandas, of_polars = (compare(FORMS[one](arrow(1)), arrow(2, 0.4)) for one in ("pandas", "polars"))
    assert isinstance(of_pandas.to_frame(), pd.DataFrame) and isinstance(of_polars.to_frame(), pl.DataFrame)
    assert isinstance(of_pandas.to_frame("polars"), pl.DataFrame) and isinstance(of_polars.to_frame("arrow"), pa.Table)
    table = of_pandas.to_frame().set_index("name")
    assert table.loc["number", "drift"] and table.loc["word", "chi_squared_p_value"] <= 1
    assert list(table.index[: len(of_pandas.drifted)]) == list(of_pandas.drifted)


def test_columns_of_mixed_objects_are_text_and_an_index_is_none() -> None:
    """What Arrow has no type for is compared as text; pandas' index, of any kind, is no column."""
    left = pd.DataFrame(
        {"o": [{"a": 1}, "x", 3, None] * 50, "x": range(200)}, index=pd.Index(range(5, 205), name="key")
    )
    report = compare(left, left.sample(frac=1, random_state=0))
    assert isinstance(report, Comparison) and not report.drift
    assert {column["name"]: column["kind"] for column in report.to_dict()["columns"]} == {"o": "categorical"}
    assert [one["name"] for one in report.to_dict()["left_out"]] == ["x"]


def test_a_change_of_type_is_told() -> None:
    """Where numbers became words, what does not fit is missing and counted in a note."""
    report = compare(pd.DataFrame({"n": [1.5, 2.5] * 100}), pl.DataFrame({"n": ["1.5", "many"] * 100}))
    assert report.drift and "100 values of n are no number; they count as missing" in report.to_dict()["notes"]


def test_what_is_no_frame_is_refused_with_what_to_do() -> None:
    """Lists, lazy frames, twins among names, and frames without a column in common."""
    with pytest.raises(TypeError, match=r"collect\(\)"):
        compare(pl.DataFrame({"x": [1]}).lazy(), pl.DataFrame({"x": [1]}))
    with pytest.raises(TypeError, match="list is no frame"):
        compare([1, 2], [1, 2])
    with pytest.raises(ValueError, match="several columns are called 'x'"):
        compare(pd.DataFrame([[1, 2]], columns=["x", "x"]), pd.DataFrame({"x": [1]}))
    with pytest.raises(ValueError, match="in common"):
        compare(pd.DataFrame({"x": [1]}), pd.DataFrame({"y": [1]}))
    with pytest.raises(ValueError, match="'z' is no column"):
        compare(pd.DataFrame({"x": [1]}), pd.DataFrame({"x": [1]}), ignore="z")


def test_a_kept_reference_judges_frames_as_driftd_check_does(tmp_path: Path) -> None:
    """Made of a frame of any library, to bytes and back: the numbers are those of `check_columns`, unchanged rows do not
    alarm, and the report has its pictures."""
    before, now = arrow(1), arrow(2, 0.4)
    reference = Reference.from_bytes(reference_of(FORMS["polars"](before), ignore="digits").to_bytes())
    report = compare(reference, FORMS["pandas"](now))
    wanted = [("number", column_values(now["number"], "number")), ("word", column_values(now["word"], "category"))]
    expected = check_columns(reference, wanted, alpha=0.05)
    found = {column["name"]: column for column in report.to_dict()["columns"]}
    assert "digits" not in found and {"text (length)", "tags", "flag", "price"} <= set(found)
    for column in expected.columns:
        assert json.loads(json.dumps(found[column.name]["tests"])) == {n: s.to_json() for n, s in column.tests.items()}
    assert report.drift and not compare(reference, before).drift
    assert "<svg" in report._repr_html_() and isinstance(report.to_frame(), pd.DataFrame)
    assert [one["name"] for one in compare(reference, now, columns="word").to_dict()["columns"]] == ["word"]
    with pytest.raises(ValueError, match="in common with the reference"):
        compare(reference, pd.DataFrame({"other": [1]}))
    with pytest.raises(ValueError, match="a reference has no rows"):
        compare(reference, now, multivariate=True)
