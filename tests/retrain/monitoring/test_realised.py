"""What a forecast came to: challenger and champion on the two settled files that came next."""

from pathlib import Path

import learning
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retrain.model.deployment import LoadedDeployment
from retrain.model.version import LoadedVersion
from retrain.monitoring.cache import Memory
from retrain.monitoring.realised import realised
from retrain.operations import AcceptedFile
from retrain.planning.forecast import forecast
from retrain.records.settings import ModelSettings
from retrain.rows.history import History
from retrain.store.versions import load_version

pytestmark = pytest.mark.xdist_group("realised")  # what they share is made once

SETTINGS = ModelSettings(data_dir="d", task="classification", target="y")
FORETOLD = forecast(0.0, 0.02, 100, 400, "schedule").to_json()


def inverted(made: list[dict]) -> list[dict]:
    """The same rows with the other class each."""
    names = sorted({row["y"] for row in made})
    return [row | {"y": names[1 - names.index(row["y"])]} for row in made]


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedVersion, LoadedVersion]:
    """One that learned the truth, and one that learned the opposite."""
    folder = tmp_path_factory.mktemp("versions")
    good = learning.published(folder / "good", made=learning.rows(400, seed=1))
    bad = learning.published(folder / "bad", made=inverted(learning.rows(400, seed=1)))
    return load_version(good), load_version(bad)


def history(folder: Path, files: list[list[dict]]) -> History:
    """Accepted files of these rows, the first of them number 1."""
    accepted = []
    for seq, made in enumerate(files, 1):
        path = folder / f"{seq}.parquet"
        numbers = pa.array(np.arange(1, len(made) + 1))
        pq.write_table(learning.table(made).append_column("__row", numbers), path)
        accepted.append(AcceptedFile(seq=seq, snapshot=path, digest=f"d{seq}", rows=len(made)))
    return History(accepted, learning.schema("classification"))


def of(past: History, challenger: LoadedVersion, champion: LoadedVersion, after: int) -> dict | None:
    """The difference after a file."""
    alone = LoadedDeployment({champion.name: champion}, {champion.name: 1.0}, champion.name)
    return realised(past, challenger, alone, after, FORETOLD, SETTINGS, Memory())


def test_it_waits_for_two_files_and_looks_at_no_other(
    tmp_path: Path, versions: tuple[LoadedVersion, LoadedVersion]
) -> None:
    """Files up to the cycle's own say nothing, nor do later ones: they are another gate's."""
    good, bad = versions
    files = [learning.rows(100, seed=seq) for seq in range(3)]
    assert of(history(tmp_path, files[:2]), good, bad, 1) is None
    both = of(history(tmp_path, files), good, bad, 1)
    assert both is not None and both["files"] == [2, 3] and both["rows"] == 200 and both["difference"] > 0.3
    assert both["surprise"] == pytest.approx(both["difference"] / FORETOLD["spread"])
    later = [*files, *(inverted(learning.rows(100, seed=seq)) for seq in (3, 4))]
    assert of(history(tmp_path, later), good, bad, 1) == both


def test_a_challenger_that_was_right_to_drop_has_a_difference_below_zero(
    tmp_path: Path, versions: tuple[LoadedVersion, LoadedVersion]
) -> None:
    """Whichever of the two is served."""
    good, bad = versions
    found = of(history(tmp_path, [learning.rows(100, seed=seq) for seq in range(3)]), bad, good, 1)
    assert found is not None and found["difference"] < -0.3


def test_files_of_one_class_are_taken_together_with_the_next(
    tmp_path: Path, versions: tuple[LoadedVersion, LoadedVersion]
) -> None:
    """Two of them have no balanced accuracy; small files are one anyway."""
    good, bad = versions
    made = learning.rows(600, seed=7)
    one_class = [row for row in made if row["y"] == made[0]["y"]][:120]
    files = [learning.rows(100), one_class[:60], one_class[60:], learning.rows(100, seed=8)]
    found = of(history(tmp_path, files), good, bad, 1)
    assert found is not None and found["files"] == [2, 3, 4]
