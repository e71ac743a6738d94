"""Preparation of a user's own in training, checks, replay and serving: run by `test_adopting.py` with both libraries."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import local_http
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from daemon_harness import Daemon

from retrain.model.preparation import learned, new_preparation, raw_schema
from retrain.records.errors import Refused
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings
from retrain.store.versions import load_version

PANDAS = """
import pandas as pd

def prepare(rows: pd.DataFrame) -> pd.DataFrame:
    if (rows["colour"] == "boom").any():
        raise ValueError("no such colour: boom")
    return pd.DataFrame({
        "ratio": rows["x"] / (rows["z"].abs() + 1.0), "loud": rows["colour"].str.upper(), "late": rows["t"].dt.hour >= 12,
    })
"""
POLARS = """
import polars as pl

def prepare(rows: pl.DataFrame) -> pl.DataFrame:
    if (rows["colour"] == "boom").any():
        raise ValueError("no such colour: boom")
    return rows.select(
        ratio=pl.col("x") / (pl.col("z").abs() + 1.0), loud=pl.col("colour").str.to_uppercase(),
        late=pl.col("t").dt.hour() >= 12,
    )
"""
COLUMNS = '[models.m.columns]\nx = "number"\nz = "number"\ncolour = "category"\nt = "datetime"\nlabel = "category"\n'
CONFIG = """
prepare = "features.py:prepare"
[models.m.intake]
settle = "200ms"
rescan = "300ms"
[models.m.triggers]
first_rows = 300
cooldown = "100ms"
retry_after = "100ms"
"""
SCHEMA = Schema(
    (Column("x", "number"), Column("z", "number"), Column("colour", "category"), Column("t", "datetime"),
     Column("label", "category")), "classification", "label",
)  # fmt: skip


def rows(seed: int, count: int = 600) -> pd.DataFrame:
    """Rows whose label depends on the ratio and the colour, some cells missing."""
    rng = np.random.default_rng(seed)
    x, z, colour = rng.normal(0, 1, count), rng.normal(0, 1, count), rng.choice(["red", "green", "blue"], count)
    signal = x / (np.abs(z) + 1) + 0.4 * (colour == "red") + rng.normal(0, 0.2, count)
    t = pd.Timestamp("2024-03-01") + pd.to_timedelta(rng.integers(0, 86_400 * 90, count), unit="s")
    made = pd.DataFrame(
        {"x": x, "z": z, "colour": colour.astype(object), "t": t, "label": np.where(signal > 0.2, "yes", "no")}
    )
    made.loc[made.index % 13 == 2, "x"] = np.nan
    made.loc[made.index % 17 == 4, "colour"] = None
    return made


def drop(made: pd.DataFrame, folder: Path, name: str) -> None:
    """A data file of them."""
    temporary = folder / f".{name}.tmp"
    made.to_csv(temporary, index=False, date_format="%Y-%m-%dT%H:%M:%S")
    temporary.rename(folder / name)


def requested(made: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as JSON gives them."""
    kept = made.drop(columns="label")
    told = json.loads(kept.to_json(orient="records", date_format="iso", date_unit="s"))
    for row, x, z in zip(told, made["x"], made["z"], strict=True):
        row["x"], row["z"] = (None if np.isnan(one) else float(one) for one in (x, z))
    return told


def service(folder: Path, code: str) -> Daemon:
    """A service whose model prepares its rows by this code."""
    (folder / "features.py").write_text(code)
    return Daemon(folder, CONFIG + COLUMNS, columns=False)


@pytest.fixture(scope="module", params=["pandas", pytest.param("polars", marks=pytest.mark.long)])
def prepared(request, tmp_path_factory):
    """A service that trained a first model on what the user's code gives."""
    if request.param == "pandas":
        yield request.getfixturevalue("adopted")[0]
        return
    folder = tmp_path_factory.mktemp("polars")
    made = service(folder, POLARS)
    try:
        drop(rows(1), folder / "data", "a.csv")
        made.start()
        made.wait("model_swapped")
        yield made
    finally:
        made.close()


def test_training_checks_and_serving_have_the_same_numbers(prepared):
    """A version learns from what the function gives; over HTTP, from a table and in a scored file the same rows have the
    same answers to the bit; a check compares its columns, and rows are explained by them."""
    version = prepared.json("versions", "m")[-1]
    loaded = load_version(Path(version["path"]))
    assert [feature.name for feature in loaded.preprocessor.features] == ["ratio", "loud", "late"]
    assert (Path(version["path"]) / "prepare" / "features.py").read_text() == (
        prepared.folder / "features.py"
    ).read_text()
    asked = rows(9, 50)
    url = f"{prepared.url}/models/m/predict"
    told = local_http.post(url, json={"rows": requested(asked), "explain": True}).json()
    assert set(told["explanation"]["contributions"][0]) == {"ratio", "loud", "late"}
    drop(asked.drop(columns="label"), prepared.folder, "asked.csv")
    prepared.cli(
        "predict", str(prepared.folder / "asked.csv"), "--model", "m", "-o", str(prepared.folder / "out.parquet")
    )
    scored = pd.read_parquet(prepared.folder / "out.parquet")
    served = [one["yes"] for one in told["probabilities"]]
    assert scored["probability_yes"].tolist() == served
    table = pa.Table.from_pandas(asked.drop(columns="label"), preserve_index=False)
    assert loaded.predict_table(table).probabilities[:, 1].tolist() == served
    own = asked["x"] / (asked["z"].abs() + 1.0)
    ratio = loaded.preprocessor.prepared(table).column("ratio").to_pylist()
    assert [None if np.isnan(one) else one for one in own] == ratio
    drop(rows(10).assign(x=lambda made: made["x"] + 3), prepared.folder, "shifted.csv")
    report = json.loads(
        prepared.cli("check", str(prepared.folder / "shifted.csv"), "--model", "m", "--json", check=False).stdout
    )
    assert {one["name"] for one in report["columns"]} >= {"ratio", "loud", "late"} and report["drift"]
    assert "x" not in {one["name"] for one in report["columns"]}


def test_a_row_on_which_it_fails_costs_its_file_or_its_request(prepared):
    """A data file with one such row is refused, and the row named; a request with one is a 400 that names it, without a
    line of Python; both leave others alone."""
    bad = rows(3, 200)
    bad.loc[140, "colour"] = "boom"
    drop(bad, prepared.folder / "data", "bad.csv")
    refused = prepared.wait("file_refused", file="bad.csv")
    assert "features.py:prepare raises ValueError at row 141" in refused["reason"] or "row 142" in refused["reason"], (
        refused
    )
    asked = requested(rows(4, 9))
    asked[6]["colour"] = "boom"
    answer = local_http.post(f"{prepared.url}/models/m/predict", json={"rows": asked})
    assert answer.status_code == 400 and "ValueError at row 6: no such colour: boom" in answer.json()["error"]
    assert "Traceback" not in answer.text
    assert local_http.post(f"{prepared.url}/models/m/predict", json={"rows": asked[:5]}).status_code == 200


@pytest.mark.long
def test_a_change_of_the_file_is_a_reason_for_a_new_version(tmp_path):
    """The champion answers by its own copy while a cycle opens for the changed file, and says so; what is promoted
    prepares by the new one, and a roll-back goes back to the old one. Code that cannot be loaded changes nothing served."""
    made = service(tmp_path, PANDAS)
    try:
        drop(rows(1), tmp_path / "data", "a.csv")
        made.start()
        first = made.wait("model_swapped")["version"]
        asked = {"rows": requested(rows(5, 20))}
        before = local_http.post(f"{made.url}/models/m/predict", json=asked).json()
        changed = PANDAS.replace('"late": rows["t"].dt.hour >= 12', '"late": rows["t"].dt.hour >= 20, "z": rows["z"]')
        (tmp_path / "features.py").write_text(changed)
        opened = made.wait("cycle_opened", trigger="prepare")
        assert "features.py:prepare is another one (sha256" in opened["reason"] and first in opened["reason"]
        second = made.wait("version_promoted", since=made.events.index(opened))["version"]
        made.wait("model_swapped", version=second)
        loaded = load_version(Path(made.json("versions", "m")[-1]["path"]))
        assert [feature.name for feature in loaded.preprocessor.features] == ["ratio", "loud", "late", "z"]
        assert loaded.training["preparation"]["digest"] in Path(loaded.folder / "card.md").read_text("utf-8")
        made.cli("rollback", "m")
        made.wait("model_swapped", since=made.events.index(opened), version=first)
        assert local_http.post(f"{made.url}/models/m/predict", json=asked).json() == before
        since = len(made.events)
        (tmp_path / "features.py").write_text("import nothing_of_this_name\n")
        drop(rows(2), tmp_path / "data", "b.csv")
        assert "features.py fails" in made.wait("file_refused", file="b.csv")["reason"]
        assert "features.py fails" in made.wait("stage_failed", since=since)["reason"]
        assert local_http.post(f"{made.url}/models/m/predict", json=asked).json() == before
        (tmp_path / "features.py").write_text(changed)
        made.wait("file_accepted", file="b.csv")
    finally:
        made.close()


def test_both_libraries_give_the_same(tmp_path):
    """The same rows prepared by code for pandas and by code for polars are the same features, to the bit."""
    made = []
    for name, code in {"one.py": PANDAS, "other.py": POLARS}.items():
        (tmp_path / name).write_text(code)
        known = new_preparation(f"{name}:prepare", tmp_path, SCHEMA)
        made.append(
            learned(known, table(rows(0, 80)), SCHEMA).of_table(table(rows(0, 80))).select(["ratio", "loud", "late"])
        )
    assert made[0].to_pylist() == made[1].to_pylist()


def table(made: pd.DataFrame) -> pa.Table:
    """As a snapshot has them."""
    return pa.Table.from_pandas(made, preserve_index=False)


def gave(folder: Path, body: str, head: str = "rows: pd.DataFrame") -> str:
    """What is said of a function with this body."""
    (folder / "own.py").write_text(f"import pandas as pd\nimport polars as pl\n\ndef prepare({head}):\n    {body}\n")
    with pytest.raises(Refused) as refused:
        learned(new_preparation("own.py:prepare", folder, SCHEMA), table(rows(0, 60)), SCHEMA)
    return str(refused.value)


def test_what_a_preparation_may_not_do_is_told(tmp_path):
    """Fewer rows, no frame, another library's, the target, no columns, values that depend on other rows, no annotation,
    no argument, and code that fails on all rows: each has its sentence."""
    for body, sentence in {
        "return rows.head(3)": "gave 3 rows for 60",
        "return 5": "gave int; expected a pandas.DataFrame",
        "return pl.from_pandas(rows[['x']])": "expected a pandas.DataFrame",
        "return rows[['x']].assign(label='yes')": "gave a column 'label', which is no feature",
        "return rows[[]]": "gave no columns",
        "return pd.concat([rows[['x']], rows[['x']]], axis=1)": "two columns 'x'",
        "return rows[['z']] - rows[['z']].mean()": "gives other values of 'z' for rows that stand alone",
        "return rows[['nothing']]": "its frames have the columns x, z, colour, t",
        "raise SystemExit(3)": "raises SystemExit at row 0",
    }.items():
        assert sentence in gave(tmp_path, body), body
    assert "does not say whether it reads frames of pandas or polars" in gave(tmp_path, "return rows", "rows")
    assert "takes no argument" in gave(tmp_path, "return 1", "")


def test_it_reads_what_was_only_not_learned_from():
    """A date of which each row has another is no feature of its own, and yet the code makes hours of it; what the
    configuration declares no feature is not known beforehand, and it does not see it."""
    dated = replace(SCHEMA, columns=tuple(replace(c, feature=c.name not in "tz") for c in SCHEMA.columns))
    declared = {name: {"type": "number", "feature": name != "z"} for name in "xz"}
    settings = {"data_dir": "data", "task": "classification", "target": "label"}
    for columns, read in ((None, "x z colour t"), (declared, "x colour t")):
        schema = raw_schema(dated, ModelSettings.model_validate(settings | {"columns": columns}))
        assert [one.name for one in schema.features] == read.split()


def test_columns_must_be_the_same_each_time(tmp_path):
    """What gives a column for some rows alone is refused when it does not, with the column's name."""
    (tmp_path / "own.py").write_text(
        "import pandas as pd\ndef prepare(rows: 'pd.DataFrame'):\n"
        "    return rows[['x']] if (rows['colour'] == 'red').any() else rows[['z']]\n"
    )
    made = rows(0, 60)
    red = made.assign(colour="red")
    known = learned(new_preparation("own.py:prepare", tmp_path, SCHEMA), table(red), SCHEMA)
    with pytest.raises(Refused, match="gave no column 'x', a column 'z' besides"):
        known.of_table(table(made.assign(colour="blue")))


def test_a_missing_library_is_a_clear_message(tmp_path, monkeypatch):
    """A function that is annotated with frames of a library that is not installed says how to install it."""
    (tmp_path / "own.py").write_text("def prepare(rows: 'polars.DataFrame'):\n    return rows\n")
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(Refused, match=r"polars cannot be imported: .*; .*pip install 'driftd\[polars\]'"):
        new_preparation("own.py:prepare", tmp_path, SCHEMA)


@pytest.mark.long
def test_a_replay_prepares_as_the_service_does(tmp_path):
    """`driftd replay` with the configuration of a preparation trains, checks and scores by it."""
    made = service(tmp_path, PANDAS)
    drop(pd.concat([rows(seed, 400) for seed in range(4)]), tmp_path, "past.csv")
    told = made.cli("replay", str(tmp_path / "past.csv"), "--config", str(made.config), "--model", "m", "--batches", "8",
                    "--initial", "3", "--baselines", "never", "--json", check=False)  # fmt: skip
    assert told.returncode == 0, told.stderr[-3000:]
    assert json.loads(told.stdout)["policy"]["mean"] > 0.6
