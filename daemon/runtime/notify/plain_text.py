"""What people read of a message where it is no JSON: a subject and lines of text; pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from daemon.runtime.notify.messages import headline
from daemon.runtime.printable import printable

LONGEST_SUBJECT = 150
"""Characters."""
WORST = ("error", "warning", "info")


def subject(data: Mapping[str, Any]) -> str:
    """What happened, in a few words and one line.

    >>> subject({"event": "drift_detected", "model": "flights", "state": "over", "level": "warning", "times": 1})
    '[driftd] flights: drift_detected is over'
    >>> subject({"event": "several", "model": None, "events": 3, "counts": {"file_held": 3}, "over": 0})
    '[driftd] 3 events (3 file_held)'
    """
    if data["event"] == "several":
        return printable(f"[driftd] {headline(data)}").replace("\n", " ")[:LONGEST_SUBJECT]
    model = f"{data['model']}: " if data.get("model") else ""
    times = f", {data['times']} times" if data.get("times", 1) > 1 else ""
    over = " is over" if data.get("state") == "over" else ""
    text = printable(f"[driftd] {model}{data['event']}{over}{times}")
    return text.replace("\n", " ")[:LONGEST_SUBJECT]


def lines(data: Mapping[str, Any]) -> Iterator[str]:
    """What happened, and what to do about it."""
    yield printable(data["text"])
    for one in data.get("messages", [data]):
        if action := one.get("action"):
            yield ""
            yield f"What to do about {one['event']}: {action}"
            yield f"More: {one['help']}"
        if files := one.get("files"):
            yield f"Files: {printable(', '.join(files))}"
        if link := one.get("link"):
            yield link


def severity(data: Mapping[str, Any]) -> str:
    """The worst level of what a message tells; `over` where it tells ends alone.

    >>> severity({"messages": [{"level": "warning", "state": "happened"}, {"level": "error", "state": "over"}]})
    'warning'
    """
    levels = {one["level"] for one in data.get("messages", [data]) if one.get("state") != "over"}
    return next((level for level in WORST if level in levels), "info") if levels else "over"
