"""Probes cost no more than they must: what is the same is made once, and calm files are looked at less."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import learning
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retrain.model.deployment import LoadedDeployment
from retrain.model.version import LoadedVersion
from retrain.monitoring import file_assessment
from retrain.monitoring.assessor import Assessor, version_predictions
from retrain.monitoring.cache import Memory
from retrain.monitoring.file_assessment import assess_pool
from retrain.monitoring.proposal import harm
from retrain.operations import AcceptedFile
from retrain.records.settings import ModelSettings
from retrain.rows.history import History
from retrain.store.versions import load_version

ROWS = 700


@pytest.fixture
def version(tmp_path: Path) -> LoadedVersion:
    return load_version(learning.published(tmp_path / "v", metric="accuracy"))


def history(folder: Path, files: int) -> History:
    """Of files that no version was trained on."""
    accepted = []
    for seq in range(1, files + 1):
        made, path = learning.rows(ROWS, seed=20 + seq), folder / f"{seq}.parquet"
        pq.write_table(learning.table(made).append_column("__row", pa.array(np.arange(1, ROWS + 1))), path)
        accepted.append(AcceptedFile(seq=seq, snapshot=path, digest=f"new {seq}", rows=ROWS))
    return History(accepted, learning.schema("classification"))


def assessor(version: LoadedVersion, files: History, **archive: LoadedVersion) -> Assessor:
    """Of a version that is served alone, beside an archive."""
    settings = ModelSettings.model_validate({"data_dir": "d", "task": "classification", "target": "y"})
    served = LoadedDeployment({version.name: version}, {version.name: 1.0}, version.name)
    return Assessor(files, served, {version.name: version, **archive}, settings, {}, Memory())


def test_windows_that_reach_over_the_same_files_share_a_twin(
    tmp_path: Path, version: LoadedVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of seven files before the eighth the last twelve are all: their twins are one, and cost the same to the bit."""
    made, window_twin = [], file_assessment.window_twin

    def counted(*asked: Any) -> Any:
        made.append(asked[2])
        return window_twin(*asked)

    monkeypatch.setattr(file_assessment, "window_twin", counted)
    found = assess_pool(assessor(version, history(tmp_path, 8)), [8])
    assert found is not None
    assert found["twins"]["last12"] == found["twins"]["all"] != found["twins"]["last3"]
    assert len(made) == 3  # two before the file, and one with it


def test_versions_that_see_rows_alike_share_a_matrix(
    tmp_path: Path, version: LoadedVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And answer as each does alone; one with other categories has its own."""
    made, matrix = [], LoadedVersion.matrix

    def counted(one: LoadedVersion, table: pa.Table) -> Any:
        made.append(one.name)
        return matrix(one, table)

    monkeypatch.setattr(LoadedVersion, "matrix", counted)
    features = tuple(replace(one, median=one.median + 1.0) for one in version.preprocessor.features)
    same, other = (replace(version, name=name) for name in ("same", "other"))
    other = replace(other, preprocessor=replace(version.preprocessor, features=features))
    batch = history(tmp_path, 1).batch(1)
    found = version_predictions({one.name: one for one in (version, same, other)}, batch, Memory())
    assert made == [version.name, "other"]
    assert all(one.equals(version.predict_table(batch.table)) for name, one in found.items() if name != "other")


def test_it_is_known_whether_a_version_was_chosen_by_the_rows_that_speak_against_a_blend(
    tmp_path: Path, version: LoadedVersion
) -> None:
    """As long as the newest labelled files are those of which it held out rows."""
    rows_of = version.training["prepare"] | {"reserved_snapshots": ["new 1", "new 2"], "seen": {}}
    newest = replace(version, training={**version.training, "prepare": rows_of})
    for files, chosen in ((2, True), (3, False)):
        found = harm(assessor(newest, history(tmp_path, files)), LoadedDeployment({"v": newest}, {"v": 1.0}, "v"))
        assert found is not None and found["mean"] == 0.0 and found["chosen"] is chosen


def test_all_windows_of_a_calm_file_are_looked_at_seldom(tmp_path: Path, version: LoadedVersion) -> None:
    """Where a fresh model would have saved nothing and a file costs what files cost, each fourth is judged by twins of
    all windows; where it costs more than usual, each second; by one twin each of them is."""
    files, looked = history(tmp_path, 8), {}
    for seq, usual in ((5, 1.0), (6, 1.0), (8, 1.0), (5, 0.0), (6, 0.0), (6, None)):
        found = assess_pool(replace(assessor(version, files), calm=True, usual_loss=usual), [seq])
        assert found is not None and len(found["fresh"]) == 1
        looked[seq, usual] = len(found["gains"])
    assert looked == {(5, 1.0): 1, (6, 1.0): 1, (8, 1.0): 3, (5, 0.0): 1, (6, 0.0): 3, (6, None): 3}
