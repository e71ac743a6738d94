"""How far the labels of a model are in, as its newest assessment found; and how many settled since its last cycle."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select, update

from daemon.ledger import totals
from daemon.ledger.tables import models
from retrain.records.label_state import LabelState

NOTHING: dict[str, Any] = {"new": 0, "by_file": {}}
"""Of settled rows: how many are new since the last cycle was opened, and by file the most that it ever had, and since
when (Unix seconds)."""
MOST_FILES = 60
"""Whose settled rows a cycle keeps, the newest that decided."""


def load(conn: Connection, model: str) -> LabelState | None:
    """None before the first assessment."""
    labels = conn.scalar(select(models.c.labels).where(models.c.name == model))
    return None if labels is None else LabelState.from_json(labels)


def save(
    conn: Connection, model: str, labels: LabelState, from_seq: int, seen_seq: int, now: float, row: Any = None
) -> None:
    """Write down what an assessment of the files from one on found. Of the first one, rows of files after `seen_seq`,
    the newest that the last cycle knew, are new. `row` is the model's, if it was read."""
    labels = replace(labels, from_seq=from_seq)
    settled = _settled(conn, model) if row is None else row.settled
    if settled is None:
        known = {str(seq): [rows, now] for seq, rows in labels.by_file.items() if seq <= seen_seq}
        settled = {"new": 0, "by_file": known}
    values = {"labels": labels.to_json(), "settled": _grown(settled, labels, now)}
    conn.execute(update(models).where(models.c.name == model).values(values))


def state_of(row: Any) -> LabelState | None:
    """The same of a model's row; None without one."""
    return None if row is None or row.labels is None else LabelState.from_json(row.labels)


def _settled(conn: Connection, model: str) -> dict[str, Any] | None:
    settled: dict[str, Any] | None = conn.scalar(select(models.c.settled).where(models.c.name == model))
    return settled


def _grown(before: Mapping[str, Any], labels: LabelState, now: float) -> dict[str, Any]:
    """With what a file has more than it ever had: what is believed, doubted and believed again is new once."""
    most = {int(seq): entry for seq, entry in before["by_file"].items() if int(seq) >= labels.from_seq}
    new = before["new"]
    for seq, rows in labels.by_file.items():
        more = rows - most.get(seq, (0, now))[0]
        if more > 0:
            new, most[seq] = new + more, [rows, now]
    return {"new": new, "by_file": {str(seq): entry for seq, entry in sorted(most.items())}}


def at_opening(conn: Connection, model: str, after: int) -> dict[str, Any]:
    """For a cycle that opens, as part of its evidence: which labels it may believe, also at another attempt later, and
    of the files after one, which decided, how many rows are settled, and since when."""
    labels = load(conn, model)
    if labels is None:
        return {}
    since = {int(seq): at for seq, (_, at) in (_settled(conn, model) or NOTHING)["by_file"].items()}
    files = [[seq, rows, since[seq]] for seq, rows in sorted(labels.by_file.items()) if rows and seq > after]
    kept = {key: one for key, one in labels.to_json().items() if key not in ("by_file", "from_seq")}
    return {"labels": kept, "settled": files[-MOST_FILES:]}


def settled_rows(conn: Connection, model: str, labels: LabelState) -> tuple[int, int]:
    """Rows whose label may be believed, all of a file that is too old to be looked at; and those that are new since the
    last cycle was opened."""
    return settled_beside(conn, model, labels, _settled(conn, model))


def settled_beside(
    conn: Connection, model: str, labels: LabelState, settled: Mapping[str, Any] | None
) -> tuple[int, int]:
    """The same where the model's row was read, which has `settled`."""
    sums = totals.accepted_rows(conn, model, labels.from_seq - 1) if labels.from_seq > 1 else {}
    settled = settled or NOTHING
    return labels.settled + totals.with_late(sums), int(settled["new"])


def cycle_opened(conn: Connection, model: str) -> None:
    """From now on others are new."""
    settled = _settled(conn, model)
    if settled is not None:
        conn.execute(update(models).where(models.c.name == model).values(settled=settled | {"new": 0}))
