"""What changed last, in few words: the newest entry of the timeline that changed what is served or learned from."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from daemon.reports.page.moments import stamp
from daemon.reports.timeline import Entry, timeline, undone_words

LOOKED_AT = 20
"""So many entries are looked through for one that changed something."""

BY_HAND = ("hold", "release", "forget", "pause", "resume")
"""Commands that are a change themselves; others lead to one."""


def newest_change(conn: Connection, model: str | None) -> Entry | None:
    """The newest entry of a model, or of all; None before the first."""
    entries = timeline(conn, model, LOOKED_AT)
    return next((one for one in reversed(entries) if _is_change(one)), None)


def _is_change(entry: Entry) -> bool:
    if entry["kind"] == "command":
        return bool(entry["state"] == "done" and entry["command"] in BY_HAND)
    return bool(entry["kind"] != "adjustment" and entry["state"] != "open")


def brief(entry: Mapping[str, Any], of_all: bool = False) -> str:
    """An entry in a few words; with its model where it is one of all.

    >>> cycle = {"kind": "cycle", "at": 0.0, "model": "m", "cycle": 3, "state": "kept", "version": ""}
    >>> brief(cycle, of_all=True)
    'm, 1970-01-01T00:00:00Z: cycle 3 kept what was served'
    """
    who = f"{entry['model']}, " if of_all and entry["model"] else ""
    return f"{who}{stamp(entry['at'])}: {words(entry)}"


def words(entry: Mapping[str, Any]) -> str:
    """What it came to."""
    match entry["kind"]:
        case "cycle":
            ends = {
                "promoted": f"cycle {entry['cycle']} promoted {entry['version']}",
                "kept": f"cycle {entry['cycle']} kept what was served",
                "failed": f"cycle {entry['cycle']} failed",
                "awaiting_approval": f"cycle {entry['cycle']} waits for approval",
                "on_trial": f"{entry['version'] or 'a challenger'} is on trial",
            }
            return ends.get(entry["state"], f"cycle {entry['cycle']} is under way")
        case "roll_back":
            return f"rolled back: {undone_words(dict(entry))}"
        case "promotion":
            return f"{entry['version']} was promoted by hand"
        case "command":
            return f"`driftd {entry['command']}` {entry['file'] or ''}".rstrip() + f" by {entry['by']}"
        case "file_held":
            return f"{entry['file']} was held"
        case _:
            return f"{entry['file']}: {str(entry['kind']).replace('_', ' ')}"
