"""The ledger that a configuration names: the file in the state folder, or a database, whose URL may be a secret, or a
shard's part of one."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from daemon.config.config import Config
from daemon.config.service import why_no_ledger
from daemon.config.shards import url_of_shard
from daemon.ledger import Ledger, open_ledger
from daemon.runtime.secret_files import read_secret, secret_file
from daemon.runtime.shard_folder import refuse_other_shard
from retrain.records.errors import Refused

CREDENTIAL = "driftd-ledger-url"
NEEDS_DATABASE = (
    "[service] shard is for a ledger in a database, which several services share",
    'write ledger = "postgresql+psycopg://USER@HOST:PORT/DATABASE", or ledger_file; or leave shard out',
)


def ledger_url(config: Config, environment: Mapping[str, str] = os.environ) -> str | None:
    """The URL of the database that keeps the ledger, with its password, and of the shard in it, if this is one; None
    where the ledger is the state folder's file. Refused says which file cannot be used, and nothing that is in it, or
    that a shard has no database."""
    url, shard = _database_url(config, environment), config.service.shard
    if url is None and shard is not None:
        raise Refused(*NEEDS_DATABASE)
    return url if url is None or shard is None else url_of_shard(url, shard)


def _database_url(config: Config, environment: Mapping[str, str]) -> str | None:
    if config.service.ledger is not None:
        return config.service.ledger
    file = _file(config, environment)
    if file is None:
        return None
    url = read_secret(file).decode("utf-8", "replace")
    if (why := why_no_ledger(url, secret=True)) is not None:
        raise Refused(f"{file}: {why}")
    return url


def open_configured(config: Config, environment: Mapping[str, str] = os.environ, read_only: bool = True) -> Ledger:
    """The ledger of a service that ran before, open; Refused or Retry as `daemon.ledger.open_ledger` says; Refused,
    too, where the state folder is another shard's."""
    url = ledger_url(config, environment)
    refuse_other_shard(config.state_dir, config.service.shard)
    return open_ledger(config.state_dir, url=url, create=False, read_only=read_only)


def ledger_place(config: Config, environment: Mapping[str, str] = os.environ) -> str:
    """Where the ledger is, for people: the file, or the database without its password."""
    url = ledger_url(config, environment)
    if url is None:
        return str(config.paths.ledger)
    from daemon.ledger.backends.postgresql_url import place_of

    return place_of(url)


def refuse_database(config: Config, what: str, environment: Mapping[str, str] = os.environ) -> None:
    """Refused where the ledger is in a database: `what` copies or replaces files alone."""
    if ledger_url(config, environment) is not None:
        raise Refused(
            f"the ledger is in {ledger_place(config, environment)}, of which {what} has no copy",
            "use pg_dump and pg_restore for it, first the dump and then a copy of the state folder: docs/ledger.md",
        )


def ledger_files(config: Config, environment: Mapping[str, str]) -> Iterator[Path]:
    """The file that the URL is read from, if any."""
    if config.service.ledger is None and (file := _file(config, environment)) is not None:
        yield file


def _file(config: Config, environment: Mapping[str, str]) -> Path | None:
    return secret_file(config, config.service.ledger_file, CREDENTIAL, environment)
