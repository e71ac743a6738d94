"""The promote stage: a staged version is sealed, proven, published, and proven again where it is served."""

from collections.abc import Collection
from pathlib import Path

from retrain import durable
from retrain.model.version import LoadedVersion
from retrain.operations import Done, PromoteRequest, PromoteResult, ProveRequest
from retrain.recommendation import version as recommender
from retrain.records.errors import Refused, Retry
from retrain.stages.model_card import render_card
from retrain.stages.recommendation import model_card as recommender_card
from retrain.store.digest import version_digest, version_name
from retrain.store.probe import answer_probe
from retrain.store.versions import is_recorded, list_versions, load_version, publish, read_json, write_manifest


def promote(request: PromoteRequest) -> PromoteResult:
    """Publish `work`/version as `versions`/NAME. Refused where the version does not answer its probe rows; nothing
    stays published then. Asked again after a kill at any line, it gives the same answer."""
    trusted = request.settings.estimator.trusted_types
    path = _published(request) or _publish(request, trusted)
    try:
        name = prove_stored(path, trusted)
    except Refused:
        durable.remove(path, "promote.withdraw")
        raise
    return PromoteResult(version=name, digest=read_json(path / "manifest.json")["digest"], path=path)


def prove(request: ProveRequest) -> Done:
    """The operation: `prove_stored`."""
    prove_stored(request.path, request.trusted_types)
    return Done()


def prove_stored(path: Path, trusted_types: Collection[str] = ()) -> str:
    """Prove a version of any task exactly as the server does, and give its name; Refused if it fails."""
    if recommender.is_recommender(path):
        return prove_recommender(path).name
    return prove_version(path, trusted_types).name


def prove_version(path: Path, trusted_types: Collection[str] = ()) -> LoadedVersion:
    """Load a version and let it answer its probe rows; Refused if it fails."""
    version = load_version(path, trusted_types)
    answer_probe(version)
    return version


def prove_recommender(path: Path) -> recommender.LoadedRecommender:
    """Load a version of a recommendation and let it answer the histories recorded for it; Refused if it fails."""
    version = recommender.load_recommender(path)
    recommender.answer_probe(version)
    return version


def _publish(request: PromoteRequest, trusted: Collection[str]) -> Path:
    staged = request.work / "version"
    if not staged.is_dir():
        raise Retry("the staged version is gone and nothing was published", "the cycle starts again from prepare")
    name = _seal(staged, request)
    prove_stored(staged, trusted)
    return publish(staged, request.versions, name)


def _seal(staged: Path, request: PromoteRequest) -> str:
    digest = version_digest(staged)
    name = version_name(request.number, digest)
    origin, render = {"model": request.model, "cycle": request.cycle}, render_card
    if recommender.is_recommender(staged):
        origin, render = origin | {"task": "recommendation"}, recommender_card.render_card
    elif is_recorded(staged):
        origin = origin | {"task": "recorded"}
    durable.write_file(staged / "card.md", render(staged, name).encode(), "promote.card")
    write_manifest(staged, name, request.number, digest, origin)
    return name


def _published(request: PromoteRequest) -> Path | None:
    """What an earlier attempt of this cycle published."""
    prefix = version_name(request.number, "")
    for name in list_versions(request.versions):
        path = request.versions / name
        if name.startswith(prefix) and read_json(path / "manifest.json").get("cycle") == request.cycle:
            return path
    return None
