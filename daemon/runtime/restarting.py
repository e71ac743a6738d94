"""Parts of a service that go on whatever happens: one that fails is logged and begun again.

What fails in the same way again is neither logged nor tried as often as the first time: a full disk is no reason to
fill the log."""

import asyncio
import time
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

LONGEST_PAUSE_S = 60.0
LOG_AGAIN_S = 60.0
LOG_SELDOM_S = FORGOTTEN_S = 600.0
DAMAGED = ("database disk image is malformed", "file is not a database")


async def supervise(part: Callable[[], Coroutine[Any, Any, None]], log: Any, pause_s: float) -> None:
    """Run a part for ever. A failure is logged at once, with its traceback; while the same goes on it is counted,
    logged after a minute and then every ten, and the pause grows from `pause_s` to a minute."""
    failures = Failures()
    while True:
        try:
            await part()
        except Exception as error:
            same = failures.count(error, time.monotonic())
            if same.is_due:
                trace = {"traceback": traceback.format_exc()} if same.times == 1 else {}
                fields = {"error": repr(error), "times": same.times, **way_out(error), **trace}
                log.error("part_failed", part=part.__qualname__, **fields)
            await asyncio.sleep(min(pause_s * 2 ** min(same.times - 1, 10), LONGEST_PAUSE_S))


@dataclass
class Same:
    """Failures that are the same: how many, and whether the newest is to be logged."""

    times: int = 0
    is_due: bool = True
    again_s: float = 0.0
    newest_s: float = 0.0


@dataclass
class Failures:
    """The failures of one part; what did not happen for ten minutes is new when it happens again."""

    _by_kind: dict[tuple[type, str], Same] = field(default_factory=dict)

    def count(self, error: Exception, now_s: float) -> Same:
        """Count a failure."""
        self._by_kind = {kind: same for kind, same in self._by_kind.items() if now_s - same.newest_s < FORGOTTEN_S}
        same = self._by_kind.setdefault((type(error), error_key(error)), Same())
        same.times, same.newest_s = same.times + 1, now_s
        same.is_due = same.times == 1 or now_s >= same.again_s
        if same.is_due:
            same.again_s = now_s + (LOG_AGAIN_S if same.times == 1 else LOG_SELDOM_S)
        return same


def error_key(error: Exception) -> str:
    """The same for the same trouble: its first line."""
    return str(error).splitlines()[0] if str(error) else repr(error)


def way_out(error: Exception) -> dict[str, str]:
    """What an event about an error says of the way out, where a damaged ledger leaves only one."""
    if not any(words in str(error) for words in DAMAGED):
        return {}
    return {"hint": "the ledger is damaged: stop the service and run `driftd restore DIR`, see docs/backup.md"}
