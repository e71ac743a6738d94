"""A version of a recommender in memory and as files: what was trained of items, and the blend it began with.

It knows items by name, since the places of items among all others change with every event."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import convert
from scipy import sparse

from retrain import durable
from retrain.recommendation.blend import Blend
from retrain.recommendation.counters import LONGEST
from retrain.recommendation.ease import EaseSettings, ItemWeights
from retrain.recommendation.interactions import Names
from retrain.recommendation.judging import top
from retrain.recommendation.parts import HALF_LIVES, SLOW
from retrain.records.errors import Refused, refusing
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings
from retrain.store.versions import check_whole, read_json, write_json

RECOMMENDER = "recommender.json"
ARRAYS = ("data", "indices", "indptr")
"""Of the table of weights, each a file `weights_….npy`."""
PROBED = 10
"""Items of an answer that proves a loaded version."""


@dataclass(frozen=True)
class Trained:
    """What recommender.json holds: the unit of the half-lives, which popularity did best alone (its place among
    HALF_LIVES), how it was trained, the blend learned then, and of how many of a user's newest items counters know that
    they occur together."""

    unit_ms: float
    half_life: int
    ease: EaseSettings
    blend: Blend
    longest: int = LONGEST

    @property
    def half_lives_ms(self) -> tuple[float | None, ...]:
        """Of the popularities that counters keep; None is for ever."""
        return half_lives(self.unit_ms)


@dataclass(frozen=True, eq=False)
class LoadedRecommender:
    """A loaded version: `items` are the names that it was trained on, sorted, and `table` (items × items, single
    precision) what one of a history (row) says for another (column). `training` is its training.json, `evaluation` its
    metrics.json ({} before the evaluation)."""

    name: str
    folder: Path
    schema: Schema
    training: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    items: Names
    table: sparse.csr_array
    trained: Trained

    @property
    def blend(self) -> Blend:
        """What was learned at training; a deployment's calibration replaces it."""
        return self.trained.blend

    @property
    def half_lives_ms(self) -> tuple[float | None, ...]:
        """Of the popularities that counters keep; None is for ever."""
        return self.trained.half_lives_ms

    def item_weights(self, names: Names) -> ItemWeights:
        """The same by places among other names, sorted; items that are not among these are left out."""
        return placed(self.items, self.table, names)

    def answer(self, histories: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
        """What the table alone says to histories of item names, newest first: the best `items` with their `scores`."""
        return [self._answer(history) for history in histories]

    def _answer(self, history: Sequence[str]) -> dict[str, Any]:
        known = {name: place for place, name in enumerate(self.items)}
        weights = np.zeros((1, len(self.items)), np.float32)
        for place, name in enumerate(dict.fromkeys(history)):
            if name in known:
                weights[0, known[name]] = np.float32(SLOW**place)
        scores = (sparse.csr_array(weights) @ self.table).toarray()[0]
        best = top(scores, (weights[0] == 0) & (scores > 0), PROBED)
        return {"items": [self.items[one] for one in best], "scores": [float(scores[one]) for one in best]}


def half_lives(unit_ms: float) -> tuple[float | None, ...]:
    """Of the popularities, in milliseconds; None is for ever."""
    return tuple(None if one is None else one * unit_ms for one in HALF_LIVES)


def placed(items: Names, table: sparse.csr_array, names: Names) -> ItemWeights:
    """A table of `items` by their places among `names`; both are sorted."""
    at = np.searchsorted(names, items).astype(np.int64)
    there = at < len(names)
    there[there] = names[at[there]] == items[there]
    found, size = table.tocoo(), len(names)
    kept = there[found.row] & there[found.col]
    entries = found.data[kept], (at[found.row[kept]], at[found.col[kept]])
    moved = sparse.csr_array(entries, shape=(size, size))
    moved.sort_indices()
    return ItemWeights(moved, at[there])


def own_part(weights: ItemWeights, names: Names) -> tuple[Names, sparse.csr_array]:
    """The inverse: the names of the trained items, and the table of these alone."""
    chosen = weights.trained
    table = sparse.csr_array(weights.table[chosen][:, chosen], dtype=np.float32)
    table.sort_indices()
    return names[chosen], table


def stage(
    folder: Path,
    items: Names,
    table: sparse.csr_array,
    trained: Trained,
    schema: Schema,
    settings: ModelSettings,
    training: Mapping[str, Any],
) -> None:
    """Write a version that is not published yet; recommender.json last: a folder with it is complete."""
    durable.make_folder(folder, "train.folder")
    write_json(folder, "items.json", list(items), "train.items")
    for name in ARRAYS:
        _write_array(folder, name, getattr(table, name))
    write_json(folder, "schema.json", schema.to_json(), "train.schema")
    write_json(folder, "settings.json", settings.model_dump(mode="json"), "train.settings")
    write_json(folder, "training.json", training, "train.training")
    write_json(folder, RECOMMENDER, asdict(trained), "train.recommender")


def write_recommender(folder: Path, trained: Trained) -> None:
    """Replace recommender.json of a staged version."""
    write_json(folder, RECOMMENDER, asdict(trained), "evaluate.recommender")


def load_recommender(path: Path) -> LoadedRecommender:
    """Load a published version. Refused where it is damaged, of another format, or not of a recommendation."""
    return _load(path, check_whole(path)["name"])


def load_staged_recommender(folder: Path) -> LoadedRecommender:
    """Load a version that is not published yet, as the same cycle's training left it."""
    return _load(folder, "challenger")


def is_recommender(folder: Path) -> bool:
    """Whether a version, staged or published, is one of a recommendation."""
    return (folder / RECOMMENDER).is_file()


def write_probe(folder: Path, recommender: LoadedRecommender, histories: Sequence[Sequence[str]]) -> None:
    """Record what a staged version says to some histories, for a loaded copy to prove itself."""
    probe = {"histories": [list(one) for one in histories], "answers": recommender.answer(histories)}
    write_json(folder, "probe.json", probe, "evaluate.probe")


def answer_probe(recommender: LoadedRecommender) -> None:
    """Let a loaded version answer its recorded histories; Refused unless every bit is as recorded."""
    probe = read_json(recommender.folder / "probe.json")
    if recommender.answer(probe["histories"]) != probe["answers"]:
        raise Refused(
            f"version {recommender.name} does not answer its {len(probe['histories'])} recorded histories as it did "
            "when it was evaluated",
            "its files were changed, or SciPy computes otherwise here; promote another version or retrain",
        )


def _load(path: Path, name: str) -> LoadedRecommender:
    with refusing(f"version {name} cannot be loaded", "promote another version or retrain"):
        items = np.array(read_json(path / "items.json"), dtype=object)
        arrays = [np.load(path / f"weights_{one}.npy", allow_pickle=False) for one in ARRAYS]
        metrics = path / "metrics.json"
        return LoadedRecommender(
            name=name,
            folder=path,
            schema=Schema.from_json(read_json(path / "schema.json")),
            training=read_json(path / "training.json"),
            evaluation=read_json(metrics) if metrics.exists() else {},
            items=items,
            table=sparse.csr_array(tuple(arrays), shape=(len(items), len(items))),
            trained=convert(read_json(path / RECOMMENDER), Trained),
        )


def _write_array(folder: Path, name: str, values: Any) -> None:
    temporary = folder / f".weights_{name}.tmp"
    durable.crash_point("train.weights.before_write")
    with temporary.open("wb") as file:
        np.save(file, values, allow_pickle=False)
    durable.publish_file(temporary, folder / f"weights_{name}.npy", "train.weights")
