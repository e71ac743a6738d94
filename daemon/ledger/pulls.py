"""What was pulled of a model's database, each time as a data file of its own. The newest row has the watermark: it is
written when the file has its lasting name, and that it was taken in with what it became."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from daemon.ledger.rows import insert_row, last_row, last_rows
from daemon.ledger.tables import files, pulls

PullRow = Row[Any]


def record(
    conn: Connection, model: str, path: str, folder: str, watermark: str, value: dict[str, Any], rows: int, now: float
) -> None:
    """So many rows lie in a folder, the data file `path`: all up to the `value` of the column `watermark`."""
    values = {"path": path, "folder": folder, "watermark": watermark, "value": value, "rows": rows, "at": now}
    insert_row(conn, pulls, {"model": model, **values})


def newest(conn: Connection, model: str) -> PullRow | None:
    """What was pulled last."""
    return last_row(conn, pulls, pulls.c.model == model)


def of_watermark(conn: Connection, model: str, watermark: str) -> Sequence[PullRow]:
    """What was pulled by that column, oldest first; another column begins anew."""
    return last_rows(conn, pulls, None, pulls.c.model == model, pulls.c.watermark == watermark)


def waiting(conn: Connection, model: str) -> PullRow | None:
    """The oldest of which nothing became yet, or that was refused."""
    query = select(pulls).where(pulls.c.model == model, pulls.c.is_taken.is_(False))
    return conn.execute(query.order_by(pulls.c.id).limit(1)).first()


def settle(conn: Connection, model: str, path: str) -> None:
    """Note that a data file was dealt with, if the ledger's files say so; one that was refused waits on."""
    file = last_row(conn, files, files.c.model == model, files.c.path == path)
    if file is not None and file.state != "refused":
        conn.execute(update(pulls).where(pulls.c.model == model, pulls.c.path == path).values(is_taken=True))


def kept(conn: Connection, model: str) -> dict[str, bool]:
    """The folders that are needed, below the state folder, and whether their rows are: not once they are taken in."""
    rows = last_rows(conn, pulls, None, pulls.c.model == model, pulls.c.is_kept)
    return {row.folder: not row.is_taken for row in rows}


def let_go(conn: Connection, model: str, watermark: str, ids: Sequence[int]) -> None:
    """Their folders are needed no longer. Of all that are not kept the newest stays known: up to its watermark nobody
    can say any more which rows were pulled. What was pulled by another column goes once it is taken in."""
    conn.execute(delete(pulls).where(pulls.c.model == model, pulls.c.watermark != watermark, pulls.c.is_taken))
    conn.execute(update(pulls).where(pulls.c.id.in_(ids)).values(is_kept=False))
    mine = pulls.c.model == model, pulls.c.watermark == watermark
    gone = last_row(conn, pulls, *mine, pulls.c.is_kept.is_(False))
    if gone is not None:
        conn.execute(delete(pulls).where(*mine, pulls.c.id < gone.id))
