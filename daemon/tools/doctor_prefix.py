"""What `driftd doctor` says of an object store that a model's data are in: whether it may be listed and read."""

from collections.abc import Iterator, Mapping

from daemon.config.config import Config
from daemon.reading.look import is_passing, matches, why_unread
from daemon.reading.rejects import printable
from daemon.runtime.stores import data_store
from drift.notation import counted
from retrain.records.errors import Refused, Retry
from retrain.store.backends.any_names import ODD_NAME, Stored, is_askable
from retrain.store.backends.objects import LISTED, ObjectStore, StoreFailed

LISTED_FILES = 10
Told = tuple[str, str, str]
"""Level, what is told, and the way out."""


def prefix_told(config: Config, name: str, environment: Mapping[str, str]) -> Iterator[Told]:
    """All of it, from the first names and the first byte of one object; nothing where the data are in a folder."""
    store, settings = data_store(config, name, environment), config.models[name]
    if store is None:
        return
    try:
        page = next(store.pages(), [])
    except StoreFailed as error:
        yield "error", f"{name}: {error.message}", _way_out(error.hopeless)
        return
    ours = [
        (one, stored) for one, stored in page if matches(one, settings.intake.patterns) or one == settings.items_file
    ]
    yield from _unread(name, page, settings.intake.patterns, settings.items_file)
    if (why := _why_unreadable(store, [(one, stored) for one, stored in ours if is_askable(one)])) is not None:
        yield "error", f"{name}: {store.place} may be listed, but {why}", "let this user get objects (s3:GetObject)"
        return
    more = " and more" if len(page) >= LISTED else ""
    yield "ok", f"{name}: watches {store.place}, {counted(len(ours), 'data file')}{more}", ""


def _unread(name: str, page: list[tuple[str, Stored]], patterns: tuple[str, ...], items: str | None) -> Iterator[Told]:
    """Objects that are not read, by their names; an empty one may be the mark of a folder."""
    wrong = [
        (one, ODD_NAME if matches(one, patterns) else why_unread(one))
        for one, stored in page
        if (stored.size and one != items and not matches(one, patterns) and not is_passing(one)) or not is_askable(one)
    ]
    for one, why in wrong[:LISTED_FILES]:
        yield "warning", f"{name}: {printable(one)}: {why}", ""
    if len(wrong) > LISTED_FILES:
        yield "warning", f"{name}: {len(wrong) - LISTED_FILES} more objects are not read", ""


def _why_unreadable(store: ObjectStore, objects: list[tuple[str, Stored]]) -> str | None:
    """Why the smallest object cannot be read; None where it can, or there is none."""
    if not objects:
        return None
    one, stored = min(objects, key=lambda found: found[1].size)
    try:
        next(store.parts(one, min(1, stored.size), lambda _: True), None)
    except (Refused, StoreFailed) as error:
        return f"{printable(one)} {error.message}"
    except (FileNotFoundError, Retry):
        pass
    return None


def _way_out(is_hopeless: bool) -> str:
    hint = "check data_dir, and the credentials and rights" if is_hopeless else "is it up?"
    return f"{hint} AWS_ENDPOINT_URL and AWS_REGION say where it is"
