"""What MLflow's pyfunc loads of a version: it answers as the version does, bit for bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from learning import published

from retrain.records.predictions import Predictions
from retrain.store import pyfunc
from retrain.store.versions import load_version

ROOT = Path(__file__).parents[3]
APART = Path(sys.prefix, "notebook")
FRAMES = """
import json, sys
import pandas as pd
from pathlib import Path
from retrain.store.pyfunc import _load_pyfunc
probe = json.loads((Path(sys.argv[1]) / "probe.json").read_text())
model, frame = _load_pyfunc(sys.argv[1]), pd.DataFrame(probe["rows"], dtype=object)
frame.index = [f"r{n}" for n in range(len(frame))]
answers = model.predict(frame)
assert answers["prediction"].tolist() == probe["values"] and [*answers.index] == [*frame.index]
if probe["classes"]:
    found = answers[[f"probability_{name}" for name in probe["classes"]]].to_numpy().tolist()
    assert found == probe["probabilities"]
typed = frame.assign(t=pd.to_datetime(frame["t"], format="ISO8601"), b=frame["b"].astype("boolean"), n=frame["n"].astype("Int64"))
assert model.predict(typed).equals(answers)
assert len(model.predict(frame[[]])) == len(frame)
"""


def test_rows_are_answered_as_at_the_evaluation(tmp_path):
    """By the probe that every version has."""
    folder = published(tmp_path)
    probe = json.loads((folder / "probe.json").read_text("utf-8"))
    assert pyfunc._load_pyfunc(str(folder)).answer(probe["rows"]).equals(Predictions.from_json(probe))


def test_the_decision_that_was_recorded_is_applied(tmp_path):
    """What the server answers with that version alone: with a threshold near 1 hardly anybody is answered "yes"."""
    from retrain.model.decision import Decision
    from retrain.model.recalibration import Recalibration

    folder = published(tmp_path)
    version = load_version(folder)
    rule = Recalibration(version.classes, rule=Decision(positive="yes", threshold=0.999)).to_json()
    (folder / "metrics.json").write_text(json.dumps({"decision": rule}))
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    del manifest["files"]["metrics.json"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    probe = json.loads((folder / "probe.json").read_text("utf-8"))
    assert set(pyfunc._load_pyfunc(str(folder)).answer(probe["rows"]).values) == {"no"}


@pytest.mark.skipif(not (APART / "pandas").exists(), reason="needs `make .venv/notebook/.installed`")
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_frame_is_answered_with_its_index_whatever_its_types(tmp_path, task):
    """Objects as JSON gives them, or pandas' own types with gaps; a column that is not there is missing."""
    path = os.pathsep.join(map(str, (ROOT, APART)))
    done = subprocess.run(
        [sys.executable, "-c", FRAMES, str(published(tmp_path, task))],
        env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
