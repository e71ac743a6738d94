"""A version of a recommender as files: whole or refused, and the same bits when it is loaded."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retrain.operations import PromoteRequest
from retrain.recommendation.blend import FIRST, POPULAR, Blend, feature_names
from retrain.recommendation.counters import count
from retrain.recommendation.ease import EaseSettings, ItemWeights, fit
from retrain.recommendation.interactions import Interactions, interactions_of
from retrain.recommendation.version import (
    LoadedRecommender,
    Trained,
    answer_probe,
    load_recommender,
    load_staged_recommender,
    own_part,
    stage,
    write_probe,
    write_recommender,
)
from retrain.records.errors import Refused
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings
from retrain.stages.promote import promote
from retrain.store.versions import list_versions

SETTINGS = ModelSettings.model_validate(
    {"data_dir": "d", "task": "recommendation", "user_column": "user", "item_column": "item", "time_column": "time"}
)
SCHEMA = Schema(
    (Column("user", "category"), Column("item", "category"), Column("time", "number")), "recommendation", "item", "time"
)
TRAINED = Trained(1000.0, 2, EaseSettings(items=20), FIRST)


def events(count: int = 2000) -> Interactions:
    """Users who like one half of 30 items."""
    rng = np.random.default_rng(3)
    user = rng.integers(0, 100, count)
    item = rng.integers(0, 15, count) + 15 * (user % 2)
    names = [f"item-{one:02}" for one in item]
    return interactions_of([f"u{one}" for one in user], names, rng.integers(0, 10**6, count))


def fitted(some: Interactions) -> ItemWeights:
    """Trained on these events."""
    return fit(count(some, TRAINED.half_lives_ms), TRAINED.ease)


def staged(folder: Path) -> LoadedRecommender:
    """A version that its cycle's training and evaluation left in `folder`."""
    some = events()
    items, table = own_part(fitted(some), some.items)
    stage(folder, items, table, TRAINED, SCHEMA, SETTINGS, {"snapshots": ["a"], "model": "shop"})
    challenger = load_staged_recommender(folder)
    write_probe(folder, challenger, [["item-03", "item-04"], ["unknown"], []])
    return challenger


def published(tmp_path: Path, number: int = 1) -> Path:
    """A version that a cycle published."""
    staged(tmp_path / "work" / "version")
    asked = PromoteRequest(
        model="shop", cycle=number, number=number, settings=SETTINGS, work=tmp_path / "work", versions=tmp_path / "v"
    )
    return promote(asked).path


def test_a_version_comes_back_as_it_was(tmp_path: Path) -> None:
    """Published and loaded: the weights of every item, by name, bit for bit."""
    some, path = events(), published(tmp_path)
    version, made = load_recommender(path), fitted(some)
    back = version.item_weights(some.items)
    assert (back.table != made.table).nnz == 0
    assert back.trained.tolist() == made.trained.tolist()
    assert version.trained == TRAINED and version.name == path.name
    assert version.half_lives_ms == (125.0, 500.0, 2000.0, 8000.0, None)


def test_a_blend_comes_back_with_its_weights_in_order(tmp_path: Path) -> None:
    """Files and the ledger sort names; what scores goes by the order of features."""
    weights = {name: float(place) for place, name in enumerate(feature_names())}
    blend = Blend(weights, {name: weights[name] for name in feature_names()[:POPULAR]})
    back = Blend.from_json(json.loads(json.dumps(blend.to_json(), sort_keys=True)))
    assert list(back.warm.items()) == list(weights.items()) and list(back.cold) == list(blend.cold)
    staged(tmp_path / "version")
    write_recommender(tmp_path / "version", replace(TRAINED, blend=blend))
    assert list(load_staged_recommender(tmp_path / "version").blend.warm.values()) == list(weights.values())


def test_weights_find_their_items_among_others(tmp_path: Path) -> None:
    """New items come between the known ones, and items that no event names any more are left out."""
    version = staged(tmp_path / "version")
    names = np.array(sorted({"a", "item-045", "z", *version.items[3:]}), object)
    found = version.item_weights(names)
    assert names[found.trained].tolist() == version.items[3:].tolist()
    own = version.table.toarray()[3:, 3:]
    assert np.array_equal(found.table.toarray()[np.ix_(found.trained, found.trained)], own)
    assert found.table.shape == (len(names), len(names))


def test_training_again_gives_the_same_name(tmp_path: Path) -> None:
    """The digest is that of the content."""
    assert published(tmp_path / "a").name == published(tmp_path / "b").name


@pytest.mark.parametrize("name", ["weights_data.npy", "items.json", "recommender.json"])
def test_a_damaged_version_is_refused(tmp_path: Path, name: str) -> None:
    """A file that is missing or has another byte is told by name."""
    path = published(tmp_path)
    data = bytearray((path / name).read_bytes())
    data[-3] ^= 1
    (path / name).write_bytes(bytes(data))
    with pytest.raises(Refused, match=name):
        load_recommender(path)
    (path / name).unlink()
    with pytest.raises(Refused, match=name):
        load_recommender(path)


def test_a_version_that_answers_otherwise_is_not_published(tmp_path: Path) -> None:
    """The last bit of a recorded score counts."""
    folder = tmp_path / "work" / "version"
    challenger = staged(folder)
    answer_probe(challenger)
    probe = json.loads((folder / "probe.json").read_text())
    probe["answers"][0]["scores"][0] *= 1 + 1e-7
    (folder / "probe.json").write_text(json.dumps(probe))
    with pytest.raises(Refused, match="3 recorded histories"):
        published_from(tmp_path)
    assert list_versions(tmp_path / "v") == []


def published_from(tmp_path: Path) -> None:
    promote(
        PromoteRequest(
            model="shop", cycle=1, number=1, settings=SETTINGS, work=tmp_path / "work", versions=tmp_path / "v"
        )
    )


def test_who_is_unknown_gets_no_answer_of_the_table(tmp_path: Path) -> None:
    """The table alone knows no popularity; a history is answered by other items of its kind first."""
    version = staged(tmp_path / "version")
    known, unknown, none = version.answer([["item-03", "item-04"], ["unknown"], []])
    assert unknown == none == {"items": [], "scores": []}
    assert {int(name[-2:]) < 15 for name in known["items"][:5]} == {True}
    assert not {"item-03", "item-04"} & set(known["items"])
