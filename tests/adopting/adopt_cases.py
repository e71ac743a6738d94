"""Pipelines that are adopted by a real service: run by `test_adopting.py` in a process that has pandas."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import learning
import local_http
import numpy as np
import pandas as pd
import pytest
import sklearn
import skops.io
from adopting.pipelines import CLASSIFIERS, INPUTS, fitted, frame, labels, pipeline, written
from daemon_harness import Daemon
from helpers import wait_for
from ledgers import place_ledger
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from retrain.model.version import LoadedVersion
from retrain.monitoring.twins import fit_twin
from retrain.operations import PreparedRows
from retrain.records.errors import Refused
from retrain.records.settings import ModelSettings
from retrain.rows.targets import target_values
from retrain.stages.adopting import Make
from retrain.stages.train import fit_version

KINDS = tuple(CLASSIFIERS)
MODEL = """
[models.{name}]
data_dir = "{name}"
task = "{task}"
target = "{target}"
metric = "{metric}"
{more}
"""


def service(folder: Path, *names: str, more: str = "") -> Daemon:
    """A service of models of these pipelines, none of which has data."""
    made = Daemon(folder, columns=False)
    head = made.config.read_text().partition("[models.m]")[0]
    made.config.write_text(head + sections(folder, *names, more=more))
    return made


def sections(folder: Path, *names: str, more: str = "") -> str:
    """The configuration of models of these pipelines, and their folders."""
    found = []
    for name in names:
        task, target, metric = (
            ("regression", "amount", "mae") if name == "numbers" else ("classification", "y", "accuracy")
        )
        (folder / name).mkdir()
        intake = f'[models.{name}.intake]\nsettle = "200ms"\nrescan = "500ms"\n'
        timed = '\ntime_column = "at"' if name == "boosted" else ""
        found.append(MODEL.format(name=name, task=task, target=target, metric=metric, more=more + timed) + intake)
    return "\n".join(found)


def drop(made: pd.DataFrame, folder: Path, name: str, kind: str = "linear") -> None:
    """A data file of a frame's rows."""
    other = "y" if kind == "numbers" else "amount"
    made = made.assign(y=labels(made, kind))
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
def regression(tmp_path_factory):
    """A service that adopted a regression."""
    made = service(tmp_path_factory.mktemp("regression"), "numbers")
    try:
        made.start()
        yield made, adopted_before_data(made, "numbers")
    finally:
        made.close()


@pytest.mark.long
def test_a_regression_answers_as_its_own_pipeline(regression):
    """Over both protocols, to the last bits."""
    answers_as_its_own(*regression, "numbers")


def adopted_before_data(made: Daemon, *kinds: str) -> dict[str, Any]:
    """The pipelines that a running service adopted before it had any data of them, and that it serves now; one after the
    other, for trainers that take turns begin anew each time."""
    pipelines = {kind: written(kind, made.folder / f"{kind}.skops") for kind in kinds}
    for kind in kinds:
        answer = made.cli("adopt", kind, str(made.folder / f"{kind}.skops"))
        assert f"{kind}.skops waits for 250 labelled rows that say what it is like; there are 0" in answer.stdout
        drop(frame(1, 300), made.folder / kind, "first.csv", kind)
        made.wait("model_swapped", model=kind)
    return pipelines


@pytest.mark.parametrize("kind", KINDS)
def test_it_answers_as_its_own_pipeline(adopted, kind):
    """Over both protocols, to the last bits: rows with missing values and with categories and words that it never saw."""
    answers_as_its_own(*adopted, kind)


def answers_as_its_own(service: Daemon, pipelines: dict[str, Any], kind: str) -> None:
    """Over HTTP, to 1e-12."""
    asked = frame(7, 40)
    asked.loc[3, "colour"], asked.loc[4, "note"] = "violet", "words that nobody saw"
    own = pipelines[kind]
    url = f"{service.url}/models/{kind}/predict"
    told = local_http.post(url, json={"rows": requested(asked)}).json()
    assert (
        told["predictions"] == pytest.approx(own.predict(asked[INPUTS]).tolist(), rel=1e-12)
        if kind == "numbers"
        else (told["predictions"] == [str(label) for label in own.predict(asked[INPUTS]).tolist()])
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
        given = np.array([[row[str(name)] for name in own.classes_] for row in told["probabilities"]])
        assert np.abs(given - probabilities).max() <= 1e-12
        assert np.abs(np.reshape(outputs["probabilities"], given.shape) - probabilities).max() <= 1e-12


def by_name(pipelines: Any, rows: pd.DataFrame) -> list[dict[str, float]]:
    """Its probabilities as answers have them."""
    return [
        dict(zip(pipelines.classes_, map(float, row), strict=True)) for row in pipelines.predict_proba(rows[INPUTS])
    ]


def test_what_is_told_of_it(adopted):
    """Versions, the story of its cycle and the model card name the file and its digest; rows are explained, too."""
    service, _ = adopted
    (version,) = service.json("versions", "linear")
    assert not list(service.seen("deployment_adjusted", model="linear"))
    left = service.folder / "state" / "adopted" / "linear"
    wait_for(lambda: not list(left.iterdir()), what="what was brought to go")
    assert version["adopted"]["file"] == "linear.skops" and version["served"]
    digest = version["adopted"]["digest"]
    story = service.cli("explain", str(version["cycle"])).stdout
    assert f"adopted from linear.skops (sha256 {digest[:12]})" in story
    assert "Nothing was trained: the Pipeline answers as it was fitted" in story and "60 held-out rows (where" in story
    assert f"was adopted from linear.skops (sha256 {digest[:12]})" in service.cli("versions", "linear").stdout
    folder = Path(version["path"])
    assert (folder / "model.skops").read_bytes() == (service.folder / "linear.skops").read_bytes()
    card = (folder / "card.md").read_text("utf-8")
    assert digest in card and "Rows that it is described by" in card and "Training data" not in card
    assert "linear: trains clones of what was adopted from linear.skops" in service.cli("doctor", check=False).stdout
    told = local_http.post(
        f"{service.url}/models/linear/predict", json={"rows": requested(frame(7, 1)), "explain": True}
    ).json()
    (explained,) = told["explanation"]["contributions"]
    assert set(explained) == set(INPUTS)


def test_rows_that_it_refuses_cost_one_request(adopted):
    """A pipeline that raises on a missing number: a 400 with what it says, and no line of Python; others are answered
    meanwhile."""
    served, pipelines = adopted
    rows = requested(frame(3, 4))
    refused = local_http.post(f"{served.url}/models/linear/predict", json={"rows": [rows[0] | {"k": None}]})
    assert refused.status_code == 400 and "contains NaN" in refused.json()["error"]
    assert "Traceback" not in refused.text
    fine = local_http.post(f"{served.url}/models/linear/predict", json={"rows": rows})
    assert fine.json()["predictions"] == pipelines["linear"].predict(frame(3, 4)[INPUTS]).tolist()


@pytest.mark.long
def test_a_clone_of_it_learns_from_drifted_rows(tmp_path):
    """Adopted while the service is down, from rows of its own; then data of another time come, and what is promoted in
    its place is a pipeline of the same make that was fitted on the raw columns, code and all. Restarted it is served."""
    served = service(tmp_path, "forest", more="[models.forest.triggers]\ncooldown = '100ms'\nmin_new_rows = 100")
    code = tmp_path / "parts.py"
    code.write_text(CODE)
    try:
        served.start()
        served.stop()
        made = fitted_by_code(tmp_path)
        frame(1).drop(columns="amount").to_csv(tmp_path / "history.csv", index=False)
        asked = (
            "adopt",
            "forest",
            str(tmp_path / "model.joblib"),
            f"{code}:load",
            "--rows",
            str(tmp_path / "history.csv"),
        )
        refused = served.cli(*asked, check=False)
        assert refused.returncode == 1 and "parts.py is code: driftd would run it" in refused.stderr
        assert "kept in the ledger" in served.cli(*asked, "--trust").stdout
        code.unlink()
        served.start(wait_ready=False)
        served.wait("model_swapped")
        rows = frame(5, 30)
        url = f"{served.url}/models/forest/predict"
        told = local_http.post(url, json={"rows": requested(rows)}).json()
        given = [[one[name] for name in made.classes_] for one in told["probabilities"]]
        assert np.abs(np.array(given) - made.predict_proba(rows[INPUTS])).max() <= 1e-12
        for number in range(3):
            drop(frame(10 + number, 500, shift=4.0), tmp_path / "forest", f"{number}.csv")
        since = len(served.events)
        served.wait("file_accepted", file="2.csv")
        served.cli("retrain", "forest")
        served.wait("model_swapped", since=since)
        newest = served.json("versions", "forest")[-1]
        folder = Path(newest["path"])
        assert newest["adopted"] is None and sorted(path.name for path in (folder / "code").iterdir()) == ["parts.py"]
        assert "a clone of what was adopted from" in (folder / "card.md").read_text("utf-8")
        training = json.loads((folder / "training.json").read_text("utf-8"))
        assert (
            training["estimator"] == "sklearn.pipeline.Pipeline" and training["adopted"]["cloned"] != newest["version"]
        )
        told = local_http.post(url, json={"rows": requested(frame(20, 30, shift=4.0))}).json()
        assert told["version"] == newest["version"]
        assert np.mean(np.array(told["predictions"]) == frame(20, 30, shift=4.0)["y"]) > 0.6
        served.stop()
        served.start()
        assert local_http.post(url, json={"rows": requested(frame(20, 30, shift=4.0))}).json() == told
    finally:
        served.close()


CODE = '''
import joblib
import numpy as np


def hours(moments):
    """Hour and weekday of a column of dates."""
    when = moments.iloc[:, 0]
    return np.column_stack([when.dt.hour, when.dt.dayofweek])


def load(path):
    return joblib.load(path)
'''


def fitted_by_code(folder: Path) -> Any:
    """A pipeline with a function of the user's file, written as joblib in a process of its own, as users do."""
    script = """
import joblib, parts
from adopting.pipelines import CLASSIFIERS, INPUTS, frame, pipeline
from sklearn.preprocessing import FunctionTransformer
made = pipeline(CLASSIFIERS["forest"])
made.named_steps["columns"].transformers[-1] = ("dates", FunctionTransformer(parts.hours), ["at"])
joblib.dump(made.fit(frame(0)[INPUTS], frame(0)["y"]), "model.joblib")
"""
    path = os.pathsep.join([str(folder), os.environ["PYTHONPATH"]])
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, env=os.environ | {"PYTHONPATH": path})
    sys.path.insert(0, str(folder))
    try:
        import joblib

        return joblib.load(folder / "model.joblib")
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("parts", None)


@pytest.fixture(scope="module")
def idle(tmp_path_factory):
    """A service that ran once and does not run now, with a declared model."""
    folder = tmp_path_factory.mktemp("idle")
    made = service(folder, "linear", "forest")
    made.config.write_text(
        made.config.read_text()
        + '[models.linear.columns]\nx = "number"\nk = "integer"\nsunny = "boolean"\ncolour = "category"\nnote = "text"\n'
        + 'at = "datetime"\ny = { type = "category", categories = ["no", "yes"] }\n'
    )
    place_ledger(folder / "state")
    return made


class Custom(TransformerMixin, BaseEstimator):
    """A transformer of the user's own."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X


def bad_pipelines() -> dict[str, tuple[Any, str]]:
    """Pipelines that cannot be the model's, and what is said of each."""
    made, numbers = frame(0), fitted("numbers")
    other = frame(0).assign(y=np.where(frame(0)["y"] == "yes", 1, 0))
    own = pipeline(CLASSIFIERS["linear"])
    own.steps.insert(1, ("mine", Custom()))
    return {
        "unfitted": (pipeline(CLASSIFIERS["linear"]), "Pipeline is not fitted"),
        "regressor": (numbers, "Pipeline is not a classifier"),
        "array": (LogisticRegression().fit(made[["k"]].to_numpy(), made["y"]), "fitted on an array"),
        "columns": (
            pipeline(CLASSIFIERS["linear"]).fit(made[INPUTS].assign(extra=1.0), made["y"]),
            "it reads extra, which the data files do not have",
        ),
        "target": (
            LogisticRegression().fit(made[["k"]].rename(columns={"k": "y"}), made["y"]),
            "which is what the model",
        ),
        "classes": (pipeline(CLASSIFIERS["linear"]).fit(made[INPUTS], other["y"]), "its classes are 0, 1"),
        "dictionary": ({"a": 1}, "does not predict"),
        "types": (own.fit(made[INPUTS], made["y"]), "Custom"),
    }


def test_what_cannot_be_adopted_is_refused_with_the_way_out(idle, tmp_path):
    """Not fitted, of another task, of arrays, other columns, the target, other classes, no pipeline, unknown types: each
    has its sentence, status 1, and leaves nothing in the state folder."""
    for name, (made, sentence) in bad_pipelines().items():
        skops.io.dump(made, tmp_path / f"{name}.skops")
        refused = idle.cli("adopt", "linear", str(tmp_path / f"{name}.skops"), check=False)
        assert refused.returncode == 1 and sentence in refused.stderr, (name, refused.stderr)
        assert "Traceback" not in refused.stderr
        assert not list((idle.folder / "state" / "adopted" / "linear").iterdir()), name
    assert "--trust" in refused.stderr


def test_classes_that_the_rows_beside_it_do_not_have_are_refused_at_once(idle, tmp_path):
    """Of a model whose columns nothing has told yet: by the labels of the rows that are named."""
    made = frame(0).drop(columns="amount")
    made.to_csv(tmp_path / "history.csv", index=False)
    skops.io.dump(pipeline(CLASSIFIERS["forest"]).fit(made[INPUTS], made["y"] == "yes"), tmp_path / "truths.skops")
    words = (str(tmp_path / "truths.skops"), "--rows", str(tmp_path / "history.csv"))
    refused = idle.cli("adopt", "forest", *words, check=False)
    assert refused.returncode == 1 and "its classes are false, true; the rows' labels are no, yes" in refused.stderr
    assert not list((idle.folder / "state" / "adopted" / "forest").iterdir())


def test_a_model_of_another_scikit_learn_is_refused(idle, tmp_path):
    """What was written under another minor version says so, and what to do; of another patch it is adopted."""
    path = tmp_path / "old.skops"
    for then, status in (("1.7.2", 1), ("1.9.0", 0)):
        written("linear", path)
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in parts.items():
                here = sklearn.__version__.encode()
                archive.writestr(name, data.replace(b'"\\"' + here + b'\\""', b'"\\"' + then.encode() + b'\\""'))
        told = idle.cli("adopt", "linear", str(path), check=False)
        assert told.returncode == status, told.stderr
        if status:
            assert f"was written under scikit-learn {then}; installed beside driftd is" in told.stderr


def test_files_that_are_no_models_are_refused(idle, tmp_path):
    """A joblib file without --trust, text that is called skops, a missing file, two models, code without a function."""
    (tmp_path / "model.joblib").write_bytes(b"x")
    (tmp_path / "text.skops").write_text("no archive")
    (tmp_path / "parts.py").write_text("def nothing():\n    return None\n")
    (tmp_path / "json.py").write_text("def load(path):\n    return path\n")
    for words, sentence in {
        ("model.joblib",): "read as joblib, which runs whatever code it holds",
        ("text.skops",): "is no skops file",
        ("gone.skops",): "no such file",
        ("model.joblib", "text.skops", "--trust"): "one file too many",
        ("parts.py", "--trust"): "no model file is named",
        ("parts.py:other", "--trust"): "has no function 'other'",
        ("parts.py:nothing", "--trust"): "does not predict",
        ("model.joblib", "--trust"): "cannot be read",
        ("json.py:load", "model.joblib", "--trust"): "has the name of an installed module",
    }.items():
        paths = [str(tmp_path / word) if word != "--trust" else word for word in words]
        refused = idle.cli("adopt", "linear", *paths, check=False)
        assert refused.returncode == 1 and sentence in refused.stderr, (words, refused.stderr)
        assert "Traceback" not in refused.stderr
        assert not [one for one in (idle.folder / "state" / "adopted" / "linear").iterdir() if one.name.startswith(".")]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_clone_learns_although_sensors_died(tmp_path, library):
    """Numbers without any value in the rows of the window, before boosted trees, which raise there since scikit-learn
    1.9: the clone learns from the other columns as if these were constant, and so do the small ones of twins."""
    dead = [{**row, "x": None, "n": None} for row in learning.rows(400)]
    columns = ColumnTransformer(
        [("numbers", "passthrough", ["x", "n"]), ("colours", OneHotEncoder(handle_unknown="ignore"), ["c"])],
        sparse_threshold=0,
    )
    boosted = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=8))
    version = retrained(clone_of(boosted, ("x", "n", "c"), tmp_path, library), dead)
    X, y = version.matrix(learning.table(dead)), target_values(learning.table(dead), version.schema)
    assert version.metric.score(y, version.task.predict(version.estimator, X)) > 0.55
    alive = X.copy()
    alive[:, :2] = 7.0
    assert version.task.predict(version.estimator, alive).equals(version.task.predict(version.estimator, X))
    twin = fit_twin(version, X, y, 0)
    assert twin is not None and twin(alive) is not None


def test_what_a_clone_does_not_learn_from_is_said(tmp_path):
    """A pipeline that raises on missing numbers although not all are: the cycle fails with what it says; and twins, which
    know fewer rows, are left out where they raise on rows with a category that they do not know."""
    strict = make_pipeline(ColumnTransformer([("n", "passthrough", ["n"])]), LogisticRegression())
    with pytest.raises(Refused, match="does not learn from these rows: ValueError: Input X contains NaN"):
        retrained(clone_of(strict, ("n",), tmp_path, "pandas"), learning.rows(400))
    colours = make_pipeline(ColumnTransformer([("c", OneHotEncoder(), ["c"])]), LogisticRegression())
    made = learning.rows(400)
    version = retrained(clone_of(colours, ("c",), tmp_path, "pandas"), made)
    X, y = version.matrix(learning.table(made)), target_values(learning.table(made), version.schema)
    red = np.array([row["c"] == "red" for row in made])
    twin = fit_twin(version, X[red], y[red], 0)
    assert twin is not None and twin(X[red]) is not None and twin(X) is None


def clone_of(made: Any, inputs: tuple[str, ...], folder: Path, library: str) -> Make:
    """The make of an adopted pipeline, of which retraining trains clones; what it was fitted on does not matter then."""
    made[-1].classes_ = np.array(["no", "yes"])
    return Make(made, folder, library, inputs, frozenset(), {"file": "model.skops"})


def retrained(make: Make, made: list[dict[str, Any]]) -> LoadedVersion:
    """A clone that was trained on rows, as the train stage trains it."""
    settings = ModelSettings.model_validate({"data_dir": "d", "task": "classification", "target": "y"})
    table, prepared = learning.table(made, prepared=True), PreparedRows(train_rows=len(made))
    return fit_version(table, prepared, learning.schema(), settings, None, "m", 2, make.folder, make)
