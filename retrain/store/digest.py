"""The digest of a model's content: the same rows, configuration, seed and environment give the same.

A skops file carries object ids and names its arrays by them: these are left out, arrays count by content.
"""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from retrain.records.schema import Schema

NOISE = {"__id__", "_skops_version", "protocol"}
TIMINGS = {"mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time", "refit_time_"}


def skops_digest(path: Path) -> str:
    """SHA-256 of what a skops file holds."""
    with zipfile.ZipFile(path) as archive:
        tree = json.loads(archive.read("schema.json"))
        hashes = {name: _content(name, archive.read(name)) for name in archive.namelist() if name != "schema.json"}
    return _digest(_canonical(tree, hashes))


def version_digest(folder: Path) -> str:
    """SHA-256 of a staged version: what answers, its schema and the snapshots it was trained on."""
    training = json.loads((folder / "training.json").read_bytes())
    return _digest(
        {
            **_model(folder),
            "schema": Schema.from_json(json.loads((folder / "schema.json").read_bytes())).digest(),
            "snapshots": sorted(training["snapshots"]),
        }
    )


def _model(folder: Path) -> dict[str, Any]:
    """What answers: an estimator and its preprocessor, or the weights of items."""
    if (folder / "recommender.json").is_file():
        names = ("recommender.json", "items.json", *(path.name for path in sorted(folder.glob("weights_*.npy"))))
        return {name: _content(name, (folder / name).read_bytes()) for name in names}
    if (folder / "recorded.json").is_file():
        return {name: json.loads((folder / name).read_bytes()) for name in ("recorded.json", "preprocessor.json")}
    preprocessor = {"preprocessor": json.loads((folder / "preprocessor.json").read_bytes())}
    if (folder / "model.skops").is_file():
        return {"model": skops_digest(folder / "model.skops")} | preprocessor
    trusted = [folder / "model.joblib", *sorted((folder / "code").glob("*.py"))]
    return {path.name: _content(path.name, path.read_bytes()) for path in trusted} | preprocessor


def version_name(number: int, digest: str) -> str:
    """The name of a version within its model.

    >>> version_name(7, "0123456789abcdef")
    'v0007-01234567'
    """
    return f"v{number:04d}-{digest[:8]}"


def _canonical(node: Any, hashes: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_canonical(item, hashes) for item in node]
    if not isinstance(node, dict):
        return hashes.get(node, node) if isinstance(node, str) else node
    kept = {k: _canonical(v, hashes) for k, v in node.items() if k not in NOISE and k not in TIMINGS}
    if node.get("__loader__") in ("SetNode", "FrozenSetNode"):
        kept["content"] = sorted(json.dumps(item, sort_keys=True) for item in kept["content"])
    return kept


def _content(name: str, data: bytes) -> str:
    """Hash of one member; fields of a record are hashed apart, since the gaps between them mean nothing."""
    digest = hashlib.sha256()
    if name.endswith(".npy"):
        array = np.load(io.BytesIO(data), allow_pickle=False)
        digest.update(f"{array.dtype.descr} {array.shape}".encode())
        for field in array.dtype.names or (None,):
            digest.update(np.ascontiguousarray(array if field is None else array[field]).tobytes())
    else:
        digest.update(data)
    return digest.hexdigest()


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
