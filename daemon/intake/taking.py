"""A settled file that is to be taken in, and what became of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection

from daemon.reading.look import Look


class Taken(Enum):
    """What became of a settled file."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REFUSED = "refused"
    UNFINISHED = "unfinished"
    LATER = "later"
    HUNG = "hung"
    GONE = "gone"


@dataclass(frozen=True)
class Taking:
    """A settled file: its path within the data folder, and the look that two looks agreed on. One that was made of live
    traffic lies nowhere: its path is its name, and `also` is committed with it. Labels that came over HTTP have such a
    name, too, and lie `at` another place, as what was fetched of an object store does. `recent`: it changed a moment
    ago, and is not taken where it seems not whole. `items`: it is the file of items. `by_name`: under another name the
    same content is another file, since what is said again after something else is news."""

    path: str
    seen: Look
    source: str = "folder"
    also: Callable[[Connection], None] = lambda _conn: None
    at: Path | None = None
    recent: bool = False
    items: bool = False
    by_name: bool = False

    @property
    def is_dropped(self) -> bool:
        """Whether it is as somebody dropped it, and not what servers wrote or a database gave."""
        return not self.by_name

    def digest(self, content: str) -> str:
        """By which the file is known again, given the SHA-256 of its content."""
        return sha256(f"{self.path}\n{content}".encode()).hexdigest() if self.by_name else content
