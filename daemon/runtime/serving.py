"""What the servers of the running service serve, as control wrote it down for `driftd status`."""

from typing import Any

import msgspec

from daemon.config.paths import StatePaths


def read_serving(paths: StatePaths) -> dict[str, Any]:
    """`servers` (pid, and by model version, promotion, reason) and `analyst` (work, since, heard; None unless it has
    worked on one thing for long); nothing of either where it cannot be read."""
    try:
        found = msgspec.json.decode(paths.serving.read_bytes())
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError):
        found = None
    return found if isinstance(found, dict) else {"servers": [], "analyst": None}
