"""Files that are scored as they are dropped, and what became of them: "begun", "made" (its result lies ready under a
passing name), "lost" (that was removed, and it is scored anew), "scored", "repeated" (a content that was scored under
another name), or "refused"."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from daemon.ledger.files import LOOK
from daemon.ledger.rows import insert_row, last_row, last_rows, update_row
from daemon.ledger.tables import scored
from daemon.reading.look import Look

ScoredRow = Row[Any]
DONE = ("scored", "repeated", "refused")


def known(conn: Connection, model: str) -> dict[str, Look]:
    """The newest look at each path that was dealt with."""
    columns = (scored.c.path, *(scored.c[name] for name in LOOK))
    rows = conn.execute(select(*columns).where(scored.c.model == model, scored.c.state.in_(DONE)).order_by(scored.c.id))
    return {path: Look(*look) for path, *look in rows}


def by_content(conn: Connection, model: str, sha256: str) -> ScoredRow | None:
    """How this content was scored last; None where it never was."""
    return last_row(conn, scored, scored.c.model == model, scored.c.sha256 == sha256, scored.c.state == "scored")


def made_last(conn: Connection, model: str, result: str) -> ScoredRow | None:
    """What the result of that name was made of last; None where there was none."""
    states = scored.c.state.in_(("made", "scored"))
    return last_row(conn, scored, scored.c.model == model, scored.c.result == result, states)


def begin(conn: Connection, model: str, path: str, seen: Look, now: float, **values: Any) -> int:
    """A file is to be scored; `values` are its sha256, the name of its result, and who answers. What was begun of it
    before is forgotten."""
    conn.execute(delete(scored).where(scored.c.model == model, scored.c.path == path, scored.c.state == "begun"))
    return _insert(conn, model, path, seen, now, state="begun", **values)


def made(conn: Connection, key: int, **values: Any) -> None:
    """Its result lies ready: result_sha256, rows, rejected and logged ones."""
    update_row(conn, scored, key, state="made", **values)


def finished(conn: Connection, key: int, now: float) -> None:
    """Its result has its name."""
    update_row(conn, scored, key, state="scored", finished_at=now)


def repeated(conn: Connection, model: str, path: str, seen: Look, original: ScoredRow, now: float) -> None:
    """A content whose result is there: at its own path only the look is renewed, elsewhere the name is noted."""
    if original.path == path:
        look = {name: getattr(seen, name) for name in LOOK}
        conn.execute(update(scored).where(scored.c.model == model, scored.c.path == path).values(**look))
        return
    reason, same = f"same content as {original.path}", {"sha256": original.sha256, "result": original.result}
    _insert(conn, model, path, seen, now, state="repeated", reason=reason, finished_at=now, **same)


def refused(conn: Connection, model: str, path: str, seen: Look, reason: str, now: float) -> None:
    """A file that cannot be scored; what was begun of it is forgotten."""
    conn.execute(delete(scored).where(scored.c.model == model, scored.c.path == path, scored.c.state == "begun"))
    _insert(conn, model, path, seen, now, state="refused", reason=reason, finished_at=now)


def unfinished(conn: Connection, model: str) -> Sequence[ScoredRow]:
    """Those whose result lies ready and may have no name yet."""
    return last_rows(conn, scored, None, scored.c.model == model, scored.c.state == "made")


def forget_begun(conn: Connection, model: str) -> list[str]:
    """What was begun before a kill is begun anew when the file is looked at; the names of the results."""
    begun = last_rows(conn, scored, None, scored.c.model == model, scored.c.state == "begun")
    conn.execute(delete(scored).where(scored.c.model == model, scored.c.state == "begun"))
    return [row.result for row in begun]


def lost(conn: Connection, key: int) -> None:
    """A result that lay ready is gone, with nothing in its place: its file is scored anew, and not logged again."""
    update_row(conn, scored, key, state="lost")


def is_logged(conn: Connection, model: str, sha256: str) -> bool:
    """Whether rows of this content are in the prediction log already."""
    return last_row(conn, scored, scored.c.model == model, scored.c.sha256 == sha256, scored.c.logged > 0) is not None


def total(conn: Connection, model: str) -> dict[str, int]:
    """How many files there are of each state."""
    counted = select(scored.c.state, func.count()).where(scored.c.model == model).group_by(scored.c.state)
    return {state: int(count) for state, count in conn.execute(counted)}


def listed(conn: Connection, model: str, last: int, state: str | None = None) -> Sequence[ScoredRow]:
    """The newest files, oldest first; of one state, where that is named."""
    return last_rows(conn, scored, last, scored.c.model == model, *([] if state is None else [scored.c.state == state]))


def _insert(conn: Connection, model: str, path: str, seen: Look, now: float, **values: Any) -> int:
    look = {name: getattr(seen, name) for name in LOOK}
    return insert_row(conn, scored, {"model": model, "path": path, "at": now} | look | values)
