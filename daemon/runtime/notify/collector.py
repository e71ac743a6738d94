"""Posts an event to a collector of OpenLineage; one attempt, bounded in time."""

import json
from typing import Any

from daemon.runtime.notify.attempt import LIMIT_S, Attempt
from daemon.runtime.notify.webhook import post_body


def post_event(url: str, key: str | None, event: dict[str, Any], limit_s: float = LIMIT_S) -> Attempt:
    """Send an event once. It may come twice: who gets it knows it by its run and type."""
    sent = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "driftd", "Connection": "close"}
    if key is not None:
        sent["Authorization"] = f"Bearer {key}"
    return post_body(url, json.dumps(event, ensure_ascii=False).encode("utf-8", "backslashreplace"), sent, limit_s)
