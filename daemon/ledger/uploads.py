"""How far what other hosts uploaded was taken in: of each stream the number of the last segment. A stream is taken in
in the order of its numbers, so that one row says of all its segments whether they are known."""

from collections.abc import Iterable

from sqlalchemy import Connection, select

from daemon.config.uploads import Stream, Upload
from daemon.ledger.rows import insert_or_update
from daemon.ledger.tables import uploads


def taken_up_to(conn: Connection) -> dict[Stream, int]:
    """By stream, the number of the last segment that was taken in."""
    return {Stream(row.kind, row.model, row.host): row.number for row in conn.execute(select(uploads))}


def record(conn: Connection, segments: Iterable[Upload]) -> None:
    """These were taken in, and all before them of their streams; committed with what they brought."""
    newest: dict[Stream, int] = {}
    for one in segments:
        newest[one.stream] = max(one.number, newest.get(one.stream, 0))
    for stream, number in newest.items():
        key = {"kind": stream.kind, "model": stream.model, "host": stream.host}
        insert_or_update(conn, uploads, list(key), {**key, "number": number})
