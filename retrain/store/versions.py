"""The version store: folders that are staged, published whole or not at all, and never changed afterwards.

A version's folder holds manifest.json, model.skops (or of an adopted pipeline model.joblib, and its code in code/),
preprocessor.json (and a copy of the user's preparation in prepare/), schema.json, settings.json,
training.json, metrics.json, estimate.json (not in older versions), probe.json, card.md and reference/. What
loads models is imported when one is loaded, since the control process uses this module too.
A version of a recommendation has other files in place of the models (see `retrain.recommendation.version`), and says
so in its manifest.
"""

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrain import durable
from retrain.model.version import LoadedVersion
from retrain.records.errors import Refused, refusing
from retrain.records.schema import Schema
from retrain.records.settings import FORMER_METRICS

if TYPE_CHECKING:
    import pyarrow as pa

    from drift.profiles.reference import Reference
    from retrain.model.preprocessing import Preprocessor
    from retrain.model.tasks import Task
    from retrain.records.predictions import Predictions

FORMAT = 1
SAMPLE = "sample.parquet"
PREPARE = "prepare"
UNSEEN = "unseen.parquet"
NAME = re.compile(r"^v(\d{4,})-[0-9a-f]{8}$")
RECORDED = "recorded.json"
"""In place of a model: of which rows another system's predictions are the reference."""
REQUIRED = ("preprocessor.json", "schema.json", "training.json")
MODELS = ("model.skops", "model.joblib")
"""A version of these tasks has one of them."""
WEIGHTS: tuple[str, ...] = ("weights_data.npy", "weights_indices.npy", "weights_indptr.npy")
REQUIRED_OF: dict[str, tuple[str, ...]] = {
    "recommendation": ("recommender.json", "items.json", *WEIGHTS, "schema.json", "training.json"),
    "recorded": (RECORDED, "preprocessor.json", "schema.json", "training.json"),
}
"""By the kind of version that the manifest names as its task, where it is not REQUIRED."""
ENVIRONMENT = ("scikit-learn", "numpy", "scipy", "skops")


def seen_files(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Name, bytes, time of change and inode of each file of a version: the same while nobody touches it. OSError."""
    looks = ((path.relative_to(folder).as_posix(), path.stat()) for path in sorted(folder.rglob("*")))
    return tuple((name, look.st_size, look.st_mtime_ns, look.st_ino) for name, look in looks)


def write_json(folder: Path, name: str, value: Any, point: str) -> None:
    """Write plain JSON values to `folder`/`name`; equal values give equal bytes."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    durable.write_file(folder / name, text.encode() + b"\n", point)


def read_json(path: Path) -> Any:
    """The JSON value of a file; Refused where it is damaged."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise Refused(f"{path} cannot be read: {error}", "the version is damaged; promote another one") from error


@lru_cache(maxsize=256)
def version_schema(folder: Path) -> Schema | None:
    """A version's own schema; None where it cannot be read. It never changes."""
    try:
        return Schema.from_json(read_json(folder / "schema.json"))
    except (Refused, KeyError, TypeError):
        return None


def undamaged(path: Path) -> Any:
    """The same; None where it is damaged, for a successor must not need what it replaces."""
    try:
        return read_json(path)
    except Refused:
        return None


def write_probe(folder: Path, rows: "Sequence[Mapping[str, Any]]", predictions: "Predictions") -> None:
    """Record rows and what `predict_rows` of exactly these rows gave, for a loaded copy to prove itself."""
    plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
    write_json(folder, "probe.json", {"rows": plain, **predictions.to_json()}, "evaluate.probe")


def write_reference(folder: Path, reference: "Reference") -> None:
    """Write `reference` into a staged version's folder, replacing an earlier one."""
    from retrain.store.reference_files import write_arrays

    durable.remove(folder / "reference", "evaluate.clear_reference")
    meta, arrays = reference.to_arrays()
    write_arrays(folder / "reference", arrays)
    write_json(folder / "reference", "reference.json", {"meta": meta, "arrays": sorted(arrays)}, "evaluate.reference")


def write_sample(folder: Path, sample: "pa.Table") -> None:
    """Write whole rows that checks of all columns together compare with, beside the reference of a staged version."""
    import pyarrow.parquet as pq

    temporary, final = folder / "reference" / ".sample.tmp", folder / "reference" / SAMPLE
    durable.crash_point("evaluate.sample.before_write")
    pq.write_table(sample, temporary, compression="zstd")
    durable.publish_file(temporary, final, "evaluate.sample")


def write_unseen(folder: Path, rows: "pa.Table") -> None:
    """Write what a staged version says of rows that it was not trained on (see `retrain.monitoring.unseen`)."""
    import pyarrow.parquet as pq

    temporary, final = folder / "reference" / ".unseen.tmp", folder / "reference" / UNSEEN
    durable.crash_point("evaluate.unseen.before_write")
    pq.write_table(rows, temporary, compression="zstd")
    durable.publish_file(temporary, final, "evaluate.unseen")


def unseen_path(folder: Path) -> Path | None:
    """Where these are; None in a version without them."""
    path = folder / "reference" / UNSEEN
    return path if path.exists() else None


def sample_path(folder: Path) -> Path | None:
    """Where these rows are; None in a version without them."""
    path = folder / "reference" / SAMPLE
    return path if path.exists() else None


def environment() -> dict[str, str]:
    """Versions of the packages that a stored model depends on."""
    return {name: installed(name) for name in ENVIRONMENT}


def write_manifest(folder: Path, name: str, number: int, digest: str, origin: Mapping[str, Any]) -> None:
    """Seal a staged folder: its files' hashes, the environment, and `origin` (model and cycle)."""
    for leftover in folder.rglob(".*.tmp"):
        durable.remove(leftover, "promote.leftover")
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / "manifest.json")
    manifest = {
        "format": FORMAT,
        "name": name,
        "number": number,
        "digest": digest,
        "environment": environment(),
        "files": {path.relative_to(folder).as_posix(): durable.sha256(path) for path in paths},
        **origin,
    }
    write_json(folder, "manifest.json", manifest, "promote.manifest")


def reseal(folder: Path, name: str, sha256: str) -> None:
    """Say in a sealed version's manifest that the file `name` has another content from now on; nothing of a version
    that is not sealed yet. Refused where the manifest is damaged."""
    if not (folder / "manifest.json").exists():
        return
    manifest = read_json(folder / "manifest.json")
    text = json.dumps(
        manifest | {"files": manifest["files"] | {name: sha256}}, indent=1, sort_keys=True, ensure_ascii=False
    )
    durable.replace_file(folder / "manifest.json", text.encode() + b"\n", "forget.manifest")


def publish(staged: Path, models_folder: Path, name: str) -> Path:
    """Move a sealed folder to `models_folder`/`name`, whole or not at all; its final path."""
    durable.make_folder(models_folder, "promote.folder")
    final = models_folder / name
    durable.publish_folder(staged, final, "promote.publish")
    return final


def list_versions(models_folder: Path) -> list[str]:
    """Names of the published versions of a model, oldest first."""
    if not models_folder.is_dir():
        return []
    found = (p.name for p in models_folder.iterdir() if NAME.match(p.name) and (p / "manifest.json").is_file())
    return sorted(found, key=_number)


def removable(names: Iterable[str], protected: Collection[str], keep: int) -> list[str]:
    """The versions that retention lets go, oldest first: all but the newest `keep` and the protected ones
    (the champion, its predecessor, pinned ones).

    >>> removable(["v0001-aaaaaaaa", "v0002-bbbbbbbb", "v0003-cccccccc"], {"v0001-aaaaaaaa"}, keep=1)
    ['v0002-bbbbbbbb']
    """
    free = sorted((name for name in names if name not in protected), key=_number)
    return free[: max(0, len(free) - keep)]


def is_pinned(name: str, pinned: Iterable[str]) -> bool:
    """Whether a version is among those that are never removed, named whole or by its number alone.

    >>> is_pinned("v0003-cccccccc", ("v0003",))
    True
    """
    return any(name == one or name.startswith(f"{one}-") for one in pinned)


def load_version(path: Path, trusted_types: Collection[str] = ()) -> LoadedVersion:
    """Load a published version. Refused where it is damaged, of another format, trained with another minor
    version of scikit-learn, or contains types that neither driftd nor the configuration trusts."""
    return _load(path, check_whole(path)["name"], trusted_types)


def check_whole(path: Path) -> dict[str, Any]:
    """The manifest of a published version; Refused where it cannot be loaded here, or a file that answers need is
    missing or another one than was published."""
    manifest: dict[str, Any] = read_json(path / "manifest.json")
    try:
        _check_manifest(manifest, path)
    except (KeyError, TypeError, AttributeError) as error:
        raise Refused(f"{path / 'manifest.json'} lacks {error}", "promote another version or retrain") from error
    _check_hashes(manifest, path, lambda name: not name.startswith("reference/"))
    return manifest


def has_all_files(path: Path) -> bool:
    """Whether a published version's files are those that its manifest names, whatever can be loaded here."""
    try:
        _check_hashes(read_json(path / "manifest.json"), path, lambda _: True)
    except (Refused, KeyError, TypeError, AttributeError):
        return False
    return True


def load_staged(folder: Path, trusted_types: Collection[str] = ()) -> LoadedVersion:
    """Load a version that is not published yet, as the same cycle's training left it."""
    return _load(folder, "challenger", trusted_types)


def load_reference(path: Path) -> "Reference":
    """The Reference of a published version; its arrays stay on disk (memory-mapped)."""
    manifest = read_json(path / "manifest.json")
    _check_hashes(manifest, path, lambda name: name.startswith("reference/"))
    from drift.profiles.reference import Reference
    from retrain.store.reference_files import read_arrays

    stored = read_json(path / "reference" / "reference.json")
    try:
        return Reference.from_arrays(stored["meta"], read_arrays(path / "reference", stored["arrays"]))
    except (OSError, ValueError, KeyError) as error:
        raise Refused(f"the reference of {path} cannot be read: {error}", "retrain to get a new one") from error


def load_estimate(path: Path) -> dict[str, Any] | None:
    """What estimates the performance of a version where labels are missing; None where it has no such file."""
    file = path / "estimate.json"
    if not file.exists():
        return None
    fitted = dict(read_json(file))
    reference = fitted.get("reference") or {}
    return fitted | {"reference": {FORMER_METRICS.get(name, name): found for name, found in reference.items()}}


def is_recorded(folder: Path) -> bool:
    """Whether a version, staged or published, is of what another system predicted."""
    return (folder / RECORDED).is_file()


def _load(path: Path, name: str, trusted_types: Collection[str]) -> LoadedVersion:
    from retrain.model.preprocessing import Preprocessor
    from retrain.model.recorded import RecordedVersion
    from retrain.model.tasks import Classification, Regression

    with refusing(f"version {name} cannot be loaded", "promote another version or retrain"):
        training, metrics = read_json(path / "training.json"), path / "metrics.json"
        classes, recorded = training["classes"], is_recorded(path)
        task = Regression() if classes is None else Classification(tuple(classes))
        stored, preparation = read_json(path / "preprocessor.json"), None
        if stored.get("preparation") is not None:
            from retrain.model.preparation import Preparation

            preparation = Preparation.from_json(stored["preparation"], path / PREPARE)
        preprocessor = Preprocessor.from_json(stored, preparation)
        return (RecordedVersion if recorded else LoadedVersion)(
            name=name,
            folder=path,
            schema=Schema.from_json(read_json(path / "schema.json")),
            task=task,
            preprocessor=preprocessor,
            estimator=None if recorded else _estimator(path, training, preprocessor, task, trusted_types),
            training=training,
            evaluation=read_json(metrics) if metrics.exists() else {},
        )


def _estimator(
    path: Path, training: Mapping[str, Any], preprocessor: "Preprocessor", task: "Task", trusted_types: Collection[str]
) -> Any:
    """What a version answers with: what driftd trained, or the pipeline that was adopted."""
    from retrain.store import model_file

    adopted = training.get("adopted")
    if adopted is None:
        return model_file.load(path / "model.skops", trusted_types)
    from retrain.store import adopted as adopted_file

    trusted = (*trusted_types, *adopted["trusted_types"])
    return adopted_file.as_estimator(adopted_file.load(path, trusted), preprocessor, task)


def _check_manifest(manifest: Mapping[str, Any], path: Path) -> None:
    if manifest.get("format") != FORMAT:
        raise Refused(f"{path}: version format {manifest.get('format')!r}; this driftd reads format {FORMAT}")
    missing = [name for name in REQUIRED_OF.get(str(manifest.get("task")), REQUIRED) if name not in manifest["files"]]
    if manifest.get("task") not in REQUIRED_OF and not any(name in manifest["files"] for name in MODELS):
        missing.append(MODELS[0])
    if missing:
        raise Refused(f"{path}: the manifest does not list {', '.join(missing)}")
    then, now = manifest["environment"]["scikit-learn"], installed("scikit-learn")
    if manifest.get("task") not in REQUIRED_OF and then.split(".")[:2] != now.split(".")[:2]:
        raise Refused(
            f"version {manifest['name']} was trained with scikit-learn {then}; installed is {now}",
            f"install scikit-learn {then} or retrain the model from its stored snapshots",
        )


def _check_hashes(manifest: Mapping[str, Any], path: Path, chosen: Callable[[str], bool]) -> None:
    for name, expected in manifest["files"].items():
        if not chosen(name):
            continue
        file = path / name
        if not file.is_file() or durable.sha256(file) != expected:
            state = "differs from what was published" if file.is_file() else "is missing"
            raise Refused(f"version {manifest['name']}: {name} {state}", "promote another version or retrain")


def _plain(value: Any) -> Any:
    """A cell as JSON can hold it; NaN and infinities are missing."""
    if isinstance(value, datetime):
        return value.isoformat()
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(name: str) -> int:
    match = NAME.match(name)
    return int(match[1]) if match else -1
