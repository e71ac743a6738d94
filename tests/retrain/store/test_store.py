"""The version store: whole or not at all, proven, never a pickle, and nothing that is damaged is loaded."""

import json
import pickle
import shutil
from pathlib import Path

import learning
import pytest

from retrain import durable
from retrain.records.errors import Refused
from retrain.records.settings import ModelSettings
from retrain.stages.promote import promote, prove_version
from retrain.stages.train import train
from retrain.store.versions import list_versions, load_estimate, load_version, removable

pytestmark = pytest.mark.xdist_group("store")  # what they share is made once


@pytest.fixture(scope="module")
def version(tmp_path_factory) -> Path:
    """A published version."""
    return learning.published(tmp_path_factory.mktemp("store"))


@pytest.fixture
def copy(version, tmp_path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(version, tmp_path / version.name))


def test_a_published_version_proves_itself(version):
    """Its name carries its digest, and it answers its probe rows bit by bit."""
    assert version.name.startswith("v0003-") and list_versions(version.parent) == [version.name]
    assert prove_version(version).classes == ("no", "yes")
    assert {"manifest.json", "model.skops", "card.md", "training.json"} <= {p.name for p in version.iterdir()}


def test_a_version_without_an_estimate_loads(version, tmp_path):
    """Versions of before have none; a damaged file is refused with the way out."""
    assert load_version(version).evaluation and load_estimate(version) is None
    (tmp_path / "estimate.json").write_bytes(b"{")
    with pytest.raises(Refused, match="cannot be read"):
        load_estimate(tmp_path)
    (tmp_path / "estimate.json").write_text('{"reference": {"relative_mae": 1, "mae": 2}}')
    assert load_estimate(tmp_path) == {"reference": {"mae_skill": 1, "mae": 2}}


@pytest.mark.parametrize("name", ["model.skops", "preprocessor.json", "training.json", "schema.json"])
def test_a_changed_or_missing_file_is_refused(copy, name):
    """The manifest's hashes tell."""
    (copy / name).write_bytes(b"other")
    with pytest.raises(Refused, match="differs from what was published"):
        load_version(copy)
    (copy / name).unlink()
    with pytest.raises(Refused, match="is missing"):
        load_version(copy)


def test_another_minor_version_of_scikit_learn_is_refused_with_the_way_out(copy):
    """A patch release is fine."""
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["environment"]["scikit-learn"] = "1.5.2"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(Refused, match="retrain the model from its stored snapshots"):
        load_version(copy)


def test_a_pickle_in_place_of_a_model_is_never_loaded(copy, tmp_path):
    """Not even with a manifest that fits it."""
    import hashlib

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "pwned",))

    data = pickle.dumps(Evil())
    (copy / "model.skops").write_bytes(data)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"]["model.skops"] = hashlib.sha256(data).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(Refused, match="cannot be loaded"):
        load_version(copy)
    assert not (tmp_path / "pwned").exists()


def test_a_version_that_answers_otherwise_is_never_published(tmp_path):
    """The proof comes before the publication."""
    args = learning.stage_args(tmp_path, estimator=learning.fast())
    learning.run(train, args)
    learning.probe(args)
    path = Path(args["work"]) / "version" / "probe.json"
    told = json.loads(path.read_text())
    told["probabilities"][0][0] += 1e-9
    path.write_text(json.dumps(told))
    with pytest.raises(Refused, match="does not answer its 20 probe rows"):
        learning.run(promote, args)
    assert list_versions(tmp_path / "versions" / "m") == []


@pytest.mark.parametrize(
    "point", ["promote.publish.before_rename", "promote.publish.after_rename", "promote.manifest.before_rename"]
)
def test_a_promotion_that_was_killed_ends_with_the_same_version(tmp_path, point):
    """Asked again after a kill at any of its steps, it publishes once and gives the same answer."""

    class Killed(BaseException):
        pass

    def kill(passed: str) -> None:
        if passed == point:
            raise Killed

    args = learning.stage_args(tmp_path, estimator=learning.fast())
    learning.run(train, args)
    learning.probe(args)
    durable.install_hook(kill)
    try:
        with pytest.raises(Killed):
            learning.run(promote, args)
    finally:
        durable.install_hook(None)
    result = learning.run(promote, args)
    assert list_versions(tmp_path / "versions" / "m") == [result["version"]]
    prove_version(Path(result["path"]))


def test_retention_never_removes_the_protected():
    """Champion, predecessor and pinned ones stay, whatever their age."""
    names = [f"v{i:04d}-aaaaaaaa" for i in range(1, 8)]
    assert removable(names, {names[0], names[5]}, keep=2) == names[1:4]


def test_a_type_that_nobody_trusts_is_refused(tmp_path):
    """The hint names the key of the configuration."""
    settings = ModelSettings.model_validate({"data_dir": "d", "task": "classification", "target": "y"})
    assert settings.estimator.trusted_types == ()
    (tmp_path / "own.py").write_text(
        "from sklearn.tree import DecisionTreeClassifier\n"
        "class Own(DecisionTreeClassifier):\n    pass\n"
        "def make(seed, **params):\n    return Own(max_depth=2)\n"
    )
    args = learning.stage_args(tmp_path, estimator={"type": "own.py:make"})
    with pytest.raises(Refused, match=r"trusted_types|cannot be stored"):
        learning.run(train, args)
