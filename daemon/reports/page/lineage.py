"""Where a version comes from: the files that taught it, and its model card."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from daemon.config.paths import ModelPaths
from daemon.ledger import cycles, promotions, quality
from daemon.reading.rejects import printable
from retrain.records.cycle import Stage

CARD, MOST_BYTES = "card.md", 65_536


def lineage(conn: Connection, paths: ModelPaths, version: Mapping[str, Any]) -> dict[str, Any]:
    """How many `files` taught a version, the paths of the `first` and the `last` one that the ledger still knows, and
    the model `card` in Markdown; None where nothing is known."""
    prepared = {} if version["cycle"] is None else cycles.result_of(conn, version["cycle"], Stage.PREPARE)
    digests: Sequence[str] = prepared.get("snapshots") or ()
    first, last = (_path(conn, paths, digests[at]) if digests else None for at in (0, -1))
    card = _card(paths, version["version"])
    return {"files": len(digests) or None, "first": first, "last": last, "card": card}


def served_periods(conn: Connection, model: str, names: Collection[str]) -> dict[str, list[list[float | None]]]:
    """By version, when it answered alone or as the newest of a blend: begin and end of each time, oldest first, in Unix
    seconds; None for an end that is not yet."""
    found: dict[str, list[list[float | None]]] = {}
    before = ""
    for row in promotions.changes(conn, model):
        if row.newest == before:
            continue
        if before in found:
            found[before][-1][1] = row.at
        if row.newest in names:
            found.setdefault(row.newest, []).append([row.at, None])
        before = row.newest
    return found


def _path(conn: Connection, paths: ModelPaths, digest: str) -> str | None:
    found = quality.path_of_snapshot(conn, paths.model, str(paths.snapshot(digest).relative_to(paths.state)))
    return None if found is None else printable(found)


def _card(paths: ModelPaths, version: str) -> str | None:
    try:
        with (paths.version(version) / CARD).open("rb") as file:
            return file.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
