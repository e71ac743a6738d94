"""How far the labels of a model are in, as its newest assessment found; and how many settled since its last cycle."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select, update

from daemon.ledger import totals
from daemon.ledger.tables import models
from retrain.records.label_state import LabelState

NOTHING: dict[str, Any] = {"new": 0, "by_file": {}}
"""Of settled rows: those that are new since the last cycle was opened, and the most that each file ever had."""


def load(conn: Connection, model: str) -> LabelState | None:
    """None before the first assessment."""
    labels = conn.scalar(select(models.c.labels).where(models.c.name == model))
    return None if labels is None else LabelState.from_json(labels)


def save(conn: Connection, model: str, labels: LabelState, from_seq: int, seen_seq: int) -> None:
    """Write down what an assessment of the files from one on found. Of the first one, rows of files after `seen_seq`,
    the newest that the last cycle knew, are new."""
    labels = replace(labels, from_seq=from_seq)
    settled = conn.scalar(select(models.c.settled).where(models.c.name == model))
    before = settled or {"new": 0, "by_file": {seq: rows for seq, rows in labels.by_file.items() if seq <= seen_seq}}
    values = {"labels": labels.to_json(), "settled": _grown(before, labels)}
    conn.execute(update(models).where(models.c.name == model).values(values))


def _grown(before: Mapping[str, Any], labels: LabelState) -> dict[str, Any]:
    """With what a file has more than it ever had: what is believed, doubted and believed again is new once."""
    most = {int(seq): rows for seq, rows in before["by_file"].items() if int(seq) >= labels.from_seq}
    new = sum(max(0, rows - most.get(seq, 0)) for seq, rows in labels.by_file.items())
    most |= {seq: max(rows, most.get(seq, 0)) for seq, rows in labels.by_file.items()}
    return {"new": before["new"] + new, "by_file": {str(seq): rows for seq, rows in sorted(most.items())}}


def trust(conn: Connection, model: str) -> dict[int, str]:
    """By seq, how far the labels of files may be believed that are not simply complete."""
    labels = load(conn, model)
    return {} if labels is None else labels.trust


def settled_rows(conn: Connection, model: str, labels: LabelState) -> tuple[int, int]:
    """Rows whose label may be believed, all of a file that is too old to be looked at; and those that are new since the
    last cycle was opened."""
    sums = totals.accepted_rows(conn, model, labels.from_seq - 1) if labels.from_seq > 1 else {}
    settled = conn.scalar(select(models.c.settled).where(models.c.name == model)) or NOTHING
    return labels.settled + totals.with_late(sums), int(settled["new"])


def cycle_opened(conn: Connection, model: str) -> None:
    """From now on others are new."""
    settled = conn.scalar(select(models.c.settled).where(models.c.name == model))
    if settled is not None:
        conn.execute(update(models).where(models.c.name == model).values(settled=settled | {"new": 0}))
