"""Comparing long files, texts, dates, all columns together, and as a page."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from daemon_harness import in_process

from daemon.tools.compare import compare
from drift.comparison import tables as module

pytestmark = pytest.mark.xdist_group("compare_more")  # what they share is made once


def _table(rows: int, seed: int, shift: float = 0.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    verbs = np.array(["arrived", "broke", "pleased"]) if shift == 0 else np.array(["vanished", "melted"])
    return pa.table(
        {
            "x": rng.normal(shift, 1, rows),
            "n": rng.poisson(3, rows),
            "c": pa.array(rng.choice(["a", "b", "c"], rows)).dictionary_encode(),
            "flag": rng.random(rows) < 0.5,
            "when": pa.array(
                (rng.integers(0, 100 * 24, rows) * 3600 if shift == 0 else rng.integers(0, 100, rows) * 86_400) * 10**6,
                pa.timestamp("us"),
            ),
            "note": [f"order {i} {verb} after {i % 7} days" for i, verb in enumerate(rng.choice(verbs, rows))],
            "holes": pa.array(np.where(rng.random(rows) < 0.2, np.nan, rng.lognormal(size=rows)), from_pandas=True),
        }
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A reference and a drifted file."""
    folder = tmp_path_factory.mktemp("files")
    pq.write_table(_table(3000, 1), folder / "a.parquet", row_group_size=700)
    pq.write_table(_table(2500, 2, 0.3), folder / "b.parquet", row_group_size=900)
    return folder / "a.parquet", folder / "b.parquet"


def test_long_files_give_the_same_report(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns that are read in pieces have the statistics, verdicts and parts of columns that are held whole."""
    whole = compare(*files, calendar=True, multivariate=True)
    monkeypatch.setattr(module, "WHOLE_ROWS", 100)
    monkeypatch.setattr("daemon.reading.tabular.BATCH_ROWS", 333)
    long = compare(*files, calendar=True, multivariate=True)
    streamed = {column["name"]: column for column in long["columns"]}
    assert list(streamed) == [column["name"] for column in whole["columns"]]
    assert long["multivariate"] == whole["multivariate"]
    assert long["notes"] == ["note (trigrams) is of 3,000 of 3,000 and 2,500 of 2,500 rows"]
    for column in whole["columns"]:
        other = streamed[column["name"]]
        assert other["drift"] == column["drift"] and other["missing"] == column["missing"]
        assert other.get("sentence") == column.get("sentence")  # dates are dates
        for name, test in column["tests"].items():
            if name != "wasserstein":
                assert other["tests"][name]["statistic"] == pytest.approx(test["statistic"], abs=1e-12)
        if column["kind"] == "numeric":
            area, exact = other["tests"]["wasserstein"], column["tests"]["wasserstein"]
            assert area["error"] <= 1e-3
            assert abs(area["normalized"] - exact["normalized"]) <= area["error"] + exact["error"] + 1e-9


def test_exact_is_exact_in_long_files_too(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Wasserstein, and what `--exact` adds of categories, is that of the column held whole; statistics of sorted values
    are null with a reason."""
    whole = compare(*files, exact=True)
    monkeypatch.setattr(module, "WHOLE_ROWS", 100)
    monkeypatch.setattr("daemon.reading.tabular.BATCH_ROWS", 333)
    monkeypatch.setattr("drift.out_of_core.exact_area.MAX_GROUP", 1_000)
    streamed = {column["name"]: column for column in compare(*files, exact=True)["columns"]}
    for column in whole["columns"]:
        other = streamed[column["name"]]
        assert list(other["tests"]) == list(column["tests"])
        for name, test in column["tests"].items():
            if name == "ks":  # of so few rows its p-value is exact, of a long file's never
                assert other["tests"][name]["statistic"] == pytest.approx(test["statistic"], abs=1e-12)
                continue
            if name in ("cramer_von_mises", "anderson_darling", "mann_whitney", "energy_distance"):
                assert other["tests"][name]["statistic"] is None and "in pieces" in other["tests"][name]["reason"]
                continue
            assert list(other["tests"][name]) == list(test)
            for key, value in test.items():
                told = other["tests"][name][key]
                assert told == (pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value)


def test_texts_are_compared_by_what_they_say(files: tuple[Path, Path]) -> None:
    """Free text has its length, its empty share and its trigrams compared; the same text again does not drift."""
    columns = {column["name"]: column for column in compare(*files)["columns"]}
    assert columns["note (trigrams)"]["drift"] and columns["note (length)"]["kind"] == "numeric"
    again = {column["name"]: column for column in compare(files[0], files[0])["columns"]}
    assert not again["note (trigrams)"]["drift"] and not again["note (empty)"]["drift"]


def test_calendar_adds_hours_and_weekdays(files: tuple[Path, Path]) -> None:
    """Where asked, the hour and weekday of dates are columns too; else not."""
    assert not any("hour" in column["name"] for column in compare(*files)["columns"])
    columns = {column["name"]: column for column in compare(*files, calendar=True)["columns"]}
    assert columns["when (hour)"]["drift"] and not columns["when (weekday)"]["drift"]


def test_exact_tells_more_and_decides_the_same(files: tuple[Path, Path]) -> None:
    """`--exact` adds statistics, with error 0, and changes no verdict."""
    quick, exact = compare(*files), compare(*files, exact=True)
    assert [c["drift"] for c in quick["columns"]] == [c["drift"] for c in exact["columns"]]
    tests = {column["name"]: column["tests"] for column in exact["columns"]}
    assert {"cramer_von_mises", "anderson_darling", "mann_whitney", "energy_distance"} <= set(tests["x"])
    assert {"g_test", "hellinger", "kullback_leibler"} <= set(tests["c"]) and "fisher" in tests["flag"]
    assert tests["x"]["wasserstein"]["error"] == 0
    json.dumps(exact, allow_nan=False)


def test_all_columns_together(files: tuple[Path, Path]) -> None:
    """The multivariate tests see the drift, leave dates and identifying texts out, and see none where there is none."""
    found = compare(*files, multivariate=True)["multivariate"]
    assert {"when", "note"} <= set(found["left_out"])
    assert found["domain_classifier"]["p_value"] <= 0.05 / 3 and found["domain_classifier"]["statistic"] > 0.5
    same = compare(files[0], files[0], multivariate=True)["multivariate"]
    assert same["domain_classifier"]["p_value"] > 0.05 and same["mmd"]["p_value"] > 0.05


def test_the_command_writes_a_page(files: tuple[Path, Path], tmp_path: Path) -> None:
    """`driftd compare --html` writes one page with every column and a picture of each drifted one."""
    page = tmp_path / "report.html"
    command = ["compare", *map(str, files), "--html", str(page), "--json"]
    done = in_process(command)
    assert done.returncode == 1, done.stderr
    text = page.read_text("utf-8")
    assert all(column["name"] in text for column in json.loads(done.stdout)["columns"])
    assert "<svg" in text and "http:" not in text and "https:" not in text
    command[-3:] = ["--html", str(tmp_path / "no" / "such.html")]
    done = in_process(command)
    assert done.returncode == 3 and "cannot be written" in done.stderr


def test_a_probe_does_not_keep_the_column(tmp_path: Path) -> None:
    """A sample of a long column holds its own values only; views of every batch would keep the whole column."""
    from daemon.reading.tabular import open_table
    from drift.comparison.long_columns import _probe

    pq.write_table(pa.table({"x": np.arange(2_000_000.0)}), tmp_path / "x.parquet", row_group_size=200_000)
    table = open_table(tmp_path / "x.parquet", tmp_path / "unused.parquet")
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    probe = _probe(table, lambda one: one.chunks("x"))
    kept, peak = pa.total_allocated_bytes() - before, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert abs(len(probe) - 200_000) < 100 and kept < 4_000_000 and peak < 12_000_000
