"""The rows that explanations compare with are whole ones that a version keeps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from learning import published, rows, table

from retrain import durable
from retrain.model.version import LoadedVersion
from retrain.records.errors import Refused
from retrain.store.background import MOST_ROWS, background_rows
from retrain.store.versions import load_version, read_json, sample_path, write_json, write_sample

pytestmark = pytest.mark.xdist_group("background")  # what they share is made once


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> LoadedVersion:
    """A published version with probe rows and no sample."""
    return load_version(published(tmp_path_factory.mktemp("background")))


@pytest.fixture
def sampled(version: LoadedVersion, tmp_path: Path) -> LoadedVersion:
    """The same with a sample, which has no dates."""
    durable.make_folder(tmp_path / "v" / "reference", "test.folder")
    write_json(tmp_path / "v", "probe.json", read_json(version.folder / "probe.json"), "test.probe")
    write_sample(tmp_path / "v", table(rows(1_500)).drop_columns(["t", "y"]))
    return replace(version, folder=tmp_path / "v")


def test_a_sample_is_spread_and_has_the_probes_dates(version, sampled):
    """From its first row to its last, at most so many; each cell is one that the preprocessor reads."""
    assert (background_rows(version).one, background_rows(sampled).one) == ("held-out row", "training row")
    probe = background_rows(version).rows
    assert len(probe) == 20 and "t" in probe[0]
    found = background_rows(sampled).rows
    assert len(found) == MOST_ROWS and found[0]["t"] == probe[0]["t"] and found[21]["t"] == probe[1]["t"]
    made = rows(1_500)
    assert [found[at]["c"] for at in (0, -1)] == [made[at]["c"] for at in (0, -1)]
    matrix = version.preprocessor.transform_rows(found)
    place = version.preprocessor.feature_names.index("t")
    assert 0.5 < np.mean(~np.isnan(matrix[:, place])) <= 1


def test_a_damaged_sample_is_told(sampled):
    """With the version and the way out."""
    path = sample_path(sampled.folder)
    assert path is not None
    path.write_bytes(b"no Parquet")
    with pytest.raises(Refused, match=f"the sample of {sampled.name} cannot be read"):
        background_rows(sampled)
