"""Everything that changed what a model serves or learns from, in one order: cycles, promotions by hand, roll-backs,
adjustments, held and released files, and what people asked for."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection

from daemon.ledger import commands, cycles, deployments, events, files, promotions
from daemon.ledger.promotions import RolledBack
from daemon.reports.iso import iso

Entry = dict[str, Any]
KINDS = {"manual": "promotion", "rollback": "roll_back", "reweigh": "adjustment", "promote": "promotion"}
"""The ledger's kinds of promotion, as the timeline names them."""
MOMENTS = ("at", "opened", "finished")
BLANK: Entry = dict.fromkeys(
    ("at", "kind", "model", "cycle", "trigger", "why", "opened", "finished", "state", "version", "from_version",
     "rolled_back", "served", "undone", "file", "command", "by", "reason", "evidence")
)  # fmt: skip
"""Every entry has all keys; None where one says nothing of it. Times are Unix seconds."""


def timeline(conn: Connection, model: str | None, last: int) -> list[Entry]:
    """The newest entries of a model, or of all, oldest first. A cycle stands where it ended, or where it was opened
    while it has not; the promotion that it led to is part of it."""
    entries = chain(
        map(_cycle, cycles.listed(conn, model, last)),
        (_promotion(conn, row) for row in promotions.apart_from_cycles(conn, model, last)),
        map(_command, commands.listed(conn, model, last)),
        _of_files(conn, model, last),
    )
    return sorted(entries, key=lambda entry: entry["at"])[-last:]


def with_iso_times(entry: Entry) -> Entry:
    """As `driftd history --json` prints it."""
    return entry | {key: iso(entry[key]) for key in MOMENTS}


def event_json(row: Any) -> dict[str, Any]:
    """An event of the log, as `driftd history --events --json` prints it."""
    fields: dict[str, Any] = row.fields
    return {"event": row.event, "level": row.level, "timestamp": iso(row.at), "model": row.model} | fields


def folded(entries: Sequence[Entry]) -> list[tuple[Entry, int]]:
    """Adjustments of one version that follow each other as the newest of them, with how many came before it: a blend
    that follows every file else would fill the timeline."""
    found: list[tuple[Entry, int]] = []
    for entry in entries:
        last, before = found[-1] if found else (BLANK, 0)
        same = all(entry[key] == last[key] for key in ("kind", "model", "version"))
        if same and entry["kind"] == "adjustment":
            found[-1] = (entry, before + 1)
        else:
            found.append((entry, 0))
    return found


def _cycle(row: Any) -> Entry:
    at = row.opened_at if row.finished_at is None else row.finished_at
    return BLANK | {
        "at": at, "kind": "cycle", "model": row.model, "cycle": row.id, "trigger": row.trigger["kind"],
        "why": row.trigger["reason"], "opened": row.opened_at, "finished": row.finished_at, "state": row.state,
        "version": row.version, "reason": row.reason,
    }  # fmt: skip


def _promotion(conn: Connection, row: Any) -> Entry:
    entry = BLANK | {"at": row.at, "kind": KINDS[row.kind], "model": row.model, "state": "done", "reason": row.reason}
    if row.kind != "rollback":
        served = deployments.by_key(conn, row.deployment_id)
        return entry | {"version": served.name, "served": served.described}
    return entry | roll_back_json(conn, row.model, promotions.rolled_back(conn, row))


def roll_back_json(conn: Connection, model: str, done: RolledBack) -> Entry:
    """What was undone and why: `evidence` has, of each labelled file on which the two were compared, by how much the
    one that went was worse, a row, in the metric's unit."""
    return {
        "version": done.served.name, "from_version": done.undone.name, "rolled_back": done.version,
        "served": done.served.described, "undone": done.undone.described, "reason": done.reason, "at": done.at,
        "evidence": [{"file": files.path_of(conn, model, one["seq"])} | one for one in done.evidence],
    }  # fmt: skip


def _command(row: Any) -> Entry:
    told = {key: str(value) for key, value in row.args.items()}
    return BLANK | {
        "at": row.at, "kind": "command", "model": told.get("model"), "cycle": row.args.get("cycle"),
        "version": told.get("version"), "file": told.get("file"), "command": row.name, "by": row.user,
        "opened": row.at, "finished": row.finished_at, "state": row.state, "reason": row.message,
    }  # fmt: skip


def _of_files(conn: Connection, model: str | None, last: int) -> Iterator[Entry]:
    for row in events.of_files(conn, model, last):
        kinds = ", ".join(row.fields.get("kinds", ())).replace("_", " ")
        reason = row.fields.get("reason") or f"so many files in a row with the same doubt are a new normal: {kinds}"
        entry = {"at": row.at, "kind": row.event, "model": row.model, "file": row.fields.get("file"), "state": "done"}
        yield BLANK | entry | {"reason": reason}


def heading(entry: Entry) -> str:
    """What an entry is, in a word or two.

    >>> heading({"kind": "cycle", "cycle": 3}), heading({"kind": "command", "command": "pause"})
    ('cycle 3', '`driftd pause`')
    """
    if entry["kind"] == "cycle":
        return f"cycle {entry['cycle']}"
    if entry["kind"] == "command":
        return f"`driftd {str(entry['command']).replace('_class', ' --class')}`"
    return {"roll_back": "roll-back"}.get(entry["kind"], str(entry["kind"]).replace("_", " "))


def undone_words(entry: Entry) -> str:
    """What a roll-back undid.

    >>> undone_words({"rolled_back": "v2", "served": "v1", "undone": "v2"})
    'v2 is undone, v1 serves again'
    """
    blend = "" if entry["undone"] == entry["rolled_back"] else f" in place of {entry['undone']}"
    return f"{entry['rolled_back']} is undone, {entry['served']} serves again{blend}"


def sentence(entry: Entry, before: int = 0) -> str:
    """What became of it, in words; `before` so many like it are folded into it."""
    reason = entry["reason"] or ""
    match entry["kind"]:
        case "cycle":
            outcome = str(entry["state"]).replace("_", " ")
            what = f"{outcome} {entry['version'] or ''}".strip()
            return f"{what} ({entry['trigger']}){reason and f': {reason}'}"
        case "command":
            state = {"done": "", "queued": "not done yet, the service does it when it runs"}.get(entry["state"])
            answer = f"refused: {reason}" if state is None else state or reason
            return f"{entry['by']}: {answer}"
        case "roll_back":
            return f"{undone_words(entry)}: {reason}"
        case "promotion":
            return f"{entry['served']} serves: {reason}"
        case "adjustment":
            return f"without training, {reason}" + (f"; {before:,} more before it" if before else "")
        case _:
            return f"{entry['file']}: {reason}"
