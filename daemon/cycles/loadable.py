"""Can what is served be loaded here? After an upgrade of scikit-learn, or damage to the store, it cannot."""

from functools import lru_cache
from pathlib import Path

from retrain.records.deployment import Champion
from retrain.records.errors import Refused
from retrain.records.settings import ModelSettings
from retrain.store.versions import check_whole, is_recorded

OWN = "it is a model of driftd's own, and another system serves the model now (`served`)"
RECORDED = "it is what another system predicted, and driftd serves the model now"


@lru_cache(maxsize=1024)
def unreadable(folder: Path) -> str:
    """Why the version in a folder cannot be loaded in this environment; "" where its manifest and the hashes of its
    files speak for it. Looked at once while a process lives: about a millisecond a megabyte."""
    try:
        check_whole(folder)
    except Refused as error:
        return error.message
    return ""


def unloadable(versions: Path, champion: Champion | None, settings: ModelSettings) -> str:
    """Why a champion of a folder of versions cannot be served here, or where another system serves the model be its
    reference; "" where it can, or there is none."""
    if champion is None:
        return ""
    names = dict.fromkeys((champion.newest, *champion.deployment.weights))
    if is_recorded(versions / champion.newest) != settings.is_elsewhere:
        return OWN if settings.is_elsewhere else RECORDED
    return next((why for name in names if (why := unreadable(versions / name))), "")


def readable(versions: Path, names: list[str]) -> list[str]:
    """The versions that can be loaded here."""
    return [name for name in names if not unreadable(versions / name)]
