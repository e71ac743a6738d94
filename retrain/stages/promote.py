"""The promote stage: a staged version is sealed, proven, published, and proven again where it is served."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from retrain import durable
from retrain.model.version import LoadedVersion
from retrain.records.errors import Refused, Retry
from retrain.records.settings import ModelSettings
from retrain.stages.model_card import render_card
from retrain.store.digest import version_digest, version_name
from retrain.store.probe import answer_probe
from retrain.store.versions import list_versions, load_version, publish, read_json, write_manifest


def promote(args: dict[str, Any]) -> dict[str, Any]:
    """Publish `work`/version as `store`/`model`/NAME. Refused where the version does not answer its probe
    rows; nothing stays published then. Asked again after a kill at any line, it gives the same answer."""
    staged = Path(args["work"]) / "version"
    models_folder = Path(args["store"]) / args["model"]
    trusted = ModelSettings.model_validate(args["settings"]).estimator.trusted_types
    path = _published(models_folder, args)
    if path is None:
        path = _publish(staged, models_folder, args, trusted)
    try:
        version = prove_version(path, trusted)
    except Refused:
        durable.remove(path, "promote.withdraw")
        raise
    return {"version": version.name, "digest": read_json(path / "manifest.json")["digest"], "path": str(path)}


def prove_version(path: Path, trusted_types: Collection[str] = ()) -> LoadedVersion:
    """Load a version exactly as the server does and let it answer its probe rows; Refused if it fails."""
    version = load_version(path, trusted_types)
    answer_probe(version)
    return version


def _publish(staged: Path, models_folder: Path, args: dict[str, Any], trusted: Collection[str]) -> Path:
    if not staged.is_dir():
        raise Retry("the staged version is gone and nothing was published", "the cycle starts again from prepare")
    name = _seal(staged, args)
    prove_version(staged, trusted)
    return publish(staged, models_folder, name)


def _seal(staged: Path, args: dict[str, Any]) -> str:
    digest = version_digest(staged)
    name = version_name(args["number"], digest)
    durable.write_file(staged / "card.md", render_card(staged, name).encode(), "promote.card")
    write_manifest(staged, name, args["number"], digest, {"model": args["model"], "cycle": args["cycle"]})
    return name


def _published(models_folder: Path, args: dict[str, Any]) -> Path | None:
    """What an earlier attempt of this cycle published."""
    prefix = version_name(args["number"], "")
    for name in list_versions(models_folder):
        path = models_folder / name
        if name.startswith(prefix) and read_json(path / "manifest.json").get("cycle") == args["cycle"]:
            return path
    return None
