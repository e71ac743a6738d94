"""In place of the service's servers, where a test is of what control does beside them."""

import asyncio
from typing import Any


class SilentServers:
    """Servers that answer nobody."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.replaced = 0

    async def wait_ready(self) -> None:
        """They load for ever, so that the analyst is not started."""
        await asyncio.Event().wait()

    def silences(self, _now_s: float) -> dict[str, float]:
        """Nobody to be silent."""
        return {}

    def pids(self) -> set[int | None]:
        """None runs."""
        return set()

    def follow(self) -> None:
        """They look at nothing."""

    def write_to(self, uploads: bool) -> None:
        """They write nothing."""

    async def hand_over(self) -> None:
        """They write nothing."""

    async def drain(self, _seconds: float, _ended: asyncio.Event) -> None:
        """Nobody asks."""

    async def replace(self) -> None:
        """As after a reload."""
        self.replaced += 1

    async def stop(self) -> None:
        """Nothing to stop."""
