"""What a database that keeps the ledger must be able to do. Each has a module of its own; nothing else knows which."""

from collections.abc import Hashable
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine

Version = int | str
"""Another one after each commit of any connection; compared for equality alone."""


class Watch(Protocol):
    """A connection of one's own that tells whether anything was committed; OperationalError where it cannot."""

    def version(self) -> Version:
        """The version of the ledger now; cheap enough to poll."""

    def close(self) -> None:
        """No more questions."""


class Hints(Protocol):
    """A connection of one's own that hears at once of what servers wait for. It may get lost, and hints with it."""

    def wait(self, timeout_s: float) -> bool:
        """Whether a hint came within so long; OperationalError where the connection is lost."""

    def close(self) -> None:
        """No more of them."""


class Backend(Protocol):
    """An open database."""

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's."""

    @property
    def place(self) -> str:
        """Where it is, for people, without a secret."""

    @property
    def file(self) -> Path | None:
        """Its file, if it is one."""

    @property
    def lost(self) -> str:
        """Why control may not write any more; "" while it may."""

    @property
    def term(self) -> int:
        """Which of those who claimed it, one after the other, this one is; 0 of none, or where they are not counted."""

    def identity(self) -> Hashable:
        """Which database this is: another one once another is in its place; OSError where it is away."""

    def newest_term(self) -> int:
        """That of who claimed it last; OperationalError where it is away."""

    def instance(self) -> str:
        """The same by whichever name it is reached; a copy of it is another one. OperationalError where it is away."""

    def begin_read(self, connection: Connection) -> None:
        """Begin a transaction that sees one state, that of its first read."""

    def begin_write(self, connection: Connection, durable: bool) -> None:
        """Begin a transaction that no other writer's overlaps; `durable` outlasts a power cut from its commit on."""

    def is_free(self) -> bool:
        """Whether a writer could begin now, without waiting for another; yes where that cannot be told."""

    def fence(self) -> None:
        """From here on only who has claimed it may write."""

    def claim(self, holder: str, lease_s: float) -> bool:
        """Be the only service that writes, for so long unless it is renewed; no where another one is."""

    def renew(self) -> bool:
        """Be it as long again; no, for good, where another one is. OperationalError where that cannot be told."""

    def hold_back(self, is_held: bool) -> None:
        """From here on let another one be it as soon as there is one, and write until then; or no more so."""

    def release(self) -> None:
        """Be it no more, so that another one need not wait."""

    def watch(self) -> Watch:
        """A watch for a thread of its own."""

    def hints(self) -> Hints | None:
        """Hints at promotions and trials, for a thread of its own; None of a database that gives none."""

    def give_back(self, pages: int) -> None:
        """Return unused space to the system, so many pages in each of many short steps."""

    def purge(self) -> None:
        """Leave nothing in the tables' files of what rows said before; OperationalError while others read them."""

    def close(self) -> None:
        """Close what is open besides the engine's connections."""
