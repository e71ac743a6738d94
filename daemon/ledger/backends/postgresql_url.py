"""The URL of a ledger in PostgreSQL: which database, and which shard in it. Pure."""

from dataclasses import dataclass

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from daemon.config.shards import PARAMETER, why_no_shard
from daemon.ledger.rows import HINTS
from retrain.records.errors import Refused


@dataclass(frozen=True)
class LedgerAddress:
    """A database, and the `shard` whose schema in it is meant; None of the schema that the role finds first."""

    url: URL
    shard: str | None = None

    @property
    def schema(self) -> str | None:
        """The shard's."""
        return None if self.shard is None else f"shard_{self.shard}"

    @property
    def hints(self) -> str:
        """The channel of NOTIFY, which a whole database shares."""
        return HINTS if self.shard is None else f"{HINTS}_{self.shard}"

    @property
    def place(self) -> str:
        """For people: without the password, and without options, which may have one."""
        url = self.url
        user, port = f"{url.username}@" if url.username else "", f":{url.port}" if url.port else ""
        shard = "" if self.shard is None else f"?{PARAMETER}={self.shard}"
        return f"postgresql://{user}{url.host or ''}{port}/{url.database or ''}{shard}"


def parsed(url: str) -> LedgerAddress:
    """Refused where it cannot be read, or the shard's name is none: it becomes part of statements."""
    try:
        found = make_url(url).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise Refused("the URL of the ledger cannot be read") from None
    shard = found.query.get(PARAMETER)
    if shard is None:
        return LedgerAddress(found)
    if not isinstance(shard, str) or why_no_shard(shard) is not None:
        raise Refused("the URL of the ledger names a shard that has no valid name")
    return LedgerAddress(found.difference_update_query([PARAMETER]), shard)


def place_of(url: str) -> str:
    """A ledger for people.

    >>> place_of("postgresql+psycopg://ada:secret@db:5433/ledger?password=secret")
    'postgresql://ada@db:5433/ledger'
    >>> place_of("postgresql://ada:secret@db/ledger?sslmode=require&shard=eu")
    'postgresql://ada@db/ledger?shard=eu'
    """
    return parsed(url).place


def literal(text: str) -> str:
    """A text as it stands in a statement.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A name of something in the database as it stands in a statement.

    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'
