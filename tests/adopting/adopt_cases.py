"""Pipelines that are adopted by a real service: run by `test_adopting.py` in a process that has pandas."""

import json
from pathlib import Path
from typing import Any

import local_http
import numpy as np
import pandas as pd
import pytest
from adopting.pipelines import CLASSIFIERS, INPUTS, frame, written
from daemon_harness import FAST, Daemon

KINDS = (*CLASSIFIERS, "numbers")
MODEL = """
[models.{name}]
data_dir = "{name}"
task = "{task}"
target = "{target}"
metric = "{metric}"
{more}
"""


def service(folder: Path, *names: str, more: str = "", fast: str = FAST) -> Daemon:
    """A service of models of these pipelines, none of which has data."""
    made = Daemon(folder, columns=False)
    head = made.config.read_text().partition("[models.m]")[0]
    sections = []
    for name in names:
        task, target, metric = (
            ("regression", "amount", "mae") if name == "numbers" else ("classification", "y", "accuracy")
        )
        (folder / name).mkdir()
        ignored = f'[models.{name}.intake]\nsettle = "200ms"\nrescan = "500ms"\n'
        sections.append(MODEL.format(name=name, task=task, target=target, metric=metric, more=more) + ignored)
    made.config.write_text(head + "\n".join(sections))
    return made


def drop(made: pd.DataFrame, folder: Path, name: str, kind: str = "linear") -> None:
    """A data file of a frame's rows."""
    other = "y" if kind == "numbers" else "amount"
    temporary = folder / f".{name}.tmp"
    made.drop(columns=other).to_csv(temporary, index=False, date_format="%Y-%m-%dT%H:%M:%S")
    temporary.rename(folder / name)


def requested(made: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as JSON gives them, missing cells null."""
    rows = json.loads(made[INPUTS].to_json(orient="records", date_format="iso", date_unit="s", double_precision=15))
    for row, x in zip(rows, made["x"], strict=True):
        row["x"] = None if np.isnan(x) else float(x)
    return rows


@pytest.fixture(scope="module")
def adopted(tmp_path_factory):
    """A service that adopted a pipeline of each kind before it had any data of them."""
    folder = tmp_path_factory.mktemp("adopted")
    made = service(folder, *KINDS)
    made.start()
    pipelines = {kind: written(kind, folder / f"{kind}.skops") for kind in KINDS}
    for kind in KINDS:
        answer = made.cli("adopt", kind, str(folder / f"{kind}.skops"))
        assert "and then served" in answer.stdout
    for kind in KINDS:
        drop(frame(1), folder / kind, "first.csv", kind)
    for kind in KINDS:
        made.wait("model_swapped", model=kind)
    yield made, pipelines
    made.close()


@pytest.mark.parametrize("kind", KINDS)
def test_it_answers_as_its_own_pipeline(adopted, kind):
    """Over both protocols, to the last bits: rows with missing values and with categories and words that it never saw."""
    service, pipelines = adopted
    asked = frame(7, 40)
    asked.loc[3, "colour"], asked.loc[4, "note"] = "violet", "words that nobody saw"
    own = pipelines[kind]
    url = f"{service.url}/models/{kind}/predict"
    told = local_http.post(url, json={"rows": requested(asked)}).json()
    assert (
        told["predictions"] == pytest.approx(own.predict(asked[INPUTS]).tolist(), rel=1e-12)
        if kind == "numbers"
        else (told["predictions"] == own.predict(asked[INPUTS]).tolist())
    )
    rows = requested(asked)
    kinds = {"x": "FP64", "k": "INT64", "sunny": "BOOL", "colour": "BYTES", "note": "BYTES", "at": "BYTES"}
    inputs = [
        {"name": name, "datatype": kind_, "shape": [len(rows)], "data": [row[name] for row in rows]}
        for name, kind_ in kinds.items()
    ]
    tensors = local_http.post(f"{service.url}/v2/models/{kind}/infer", json={"inputs": inputs}).json()
    outputs = {one["name"]: one["data"] for one in tensors["outputs"]}
    assert outputs["prediction"] == told["predictions"]
    if kind != "numbers":
        probabilities = own.predict_proba(asked[INPUTS])
        given = np.array([[row[name] for name in own.classes_] for row in told["probabilities"]])
        assert np.abs(given - probabilities).max() <= 1e-12
        assert np.abs(np.reshape(outputs["probabilities"], given.shape) - probabilities).max() <= 1e-12
