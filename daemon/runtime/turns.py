"""Work of one kind goes on side by side, and that of another kind alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Turns:
    """Who comes while someone waits to be alone waits for that."""

    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _sharing: int = 0
    _is_taken: bool = False

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Beside others."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_taken)
            self._sharing += 1
        try:
            yield
        finally:
            self._sharing -= 1
            await self._tell()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """With nobody beside."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_taken)
            self._is_taken = True
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: not self._sharing)
            yield
        finally:
            self._is_taken = False
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
