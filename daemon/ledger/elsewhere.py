"""What the ledger says of a model that another system serves: the files that a reference is made of."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from daemon.ledger import due
from daemon.ledger.tables import files
from retrain.records.observation import Elsewhere
from retrain.records.schema_change import SchemaChange

ASKED = "reference"
"""What is due where a new reference was asked for by hand."""
MOST_FILES = 1_000
"""The newest files of rows, among which those of a reference are looked for."""


def look(
    conn: Connection, model: str, needed: int, changed: SchemaChange | None, before: str | None, why_new: str
) -> Elsewhere:
    """A reference is made of the first files that have the `needed` rows: of all, of those that were read by a changed
    schema, or of the version that predicted the newest ones; asked for by hand, of the newest files."""
    usable = files.c.model == model, files.c.kind == "rows", files.c.state == "accepted"
    columns = files.c.seq, files.c.rows, files.c.quality, files.c.schema_digest
    found = conn.execute(select(*columns).where(*usable).order_by(files.c.seq.desc()).limit(MOST_FILES)).all()[::-1]
    if changed is not None and changed.digest:
        found = [row for row in found if row.schema_digest == changed.digest]
    asked = due.pending(conn, model, ASKED)
    version = _version(found[-1]) if found else None
    if version is not None:
        found = _newest_run(found, version)
    chosen = _enough(found[::-1], needed)[::-1] if asked else _enough(found, needed)
    rows = sum(map(_rows, chosen))
    first, last = (chosen[0].seq, chosen[-1].seq) if chosen else (0, 0)
    return Elsewhere(rows, first, last, version, before, asked, why_new)


def _version(row: Any) -> str | None:
    """Which version predicted most rows of a file."""
    found: str | None = (row.quality or {}).get("served_version")
    return found


def _rows(row: Any) -> int:
    """Those that this version predicted."""
    return min(int((row.quality or {}).get("served_rows", row.rows)), int(row.rows))


def _newest_run(rows: Sequence[Any], version: str) -> list[Any]:
    """The newest files, as far back as one version predicted them."""
    others = [place for place, row in enumerate(rows) if _version(row) != version]
    return list(rows[others[-1] + 1 if others else 0 :])


def _enough(rows: Sequence[Any], needed: int) -> list[Any]:
    """As many from the start as have the needed rows, else all."""
    chosen: list[Any] = []
    for row in rows:
        if sum(map(_rows, chosen)) >= needed:
            break
        chosen.append(row)
    return chosen
