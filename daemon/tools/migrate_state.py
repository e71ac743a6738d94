"""`driftd migrate-state`: a state folder's ledger moves into the database, and its files into the object store, that
the configuration names. What was killed on the way is begun again; what is there is compared, and not written twice."""

from contextlib import closing
from dataclasses import dataclass

from daemon.config.config import Config
from daemon.ledger import Ledger, open_ledger
from daemon.ledger.references import References, references_of
from daemon.runtime.ledgers import ledger_place, ledger_url
from daemon.runtime.lock import sole_owner
from daemon.runtime.shard_folder import claim_folder
from daemon.runtime.stored_state import Owner, StoredState, mendable
from daemon.runtime.stores import configured_store
from daemon.tools.backup.manifest import Progress
from retrain import durable
from retrain.records.errors import Refused, Retry


@dataclass(frozen=True)
class Moved:
    """Where the ledger is, with how many rows; the store, if there is one, and how many files the ledger names that the
    folder did not have."""

    ledger: str
    rows: int
    store: str | None
    missing: tuple[str, ...]


def migrate_state(config: Config, progress: Progress) -> Moved:
    """Refused with nothing changed while a service runs, without a database in the configuration, where there is no
    ledger that is a file, and where the database has another one. The files go first, so that what the moved ledger
    names is in the store."""
    from daemon.ledger.moving import destination, move_rows

    url, paths = ledger_url(config), config.paths
    if url is None:
        raise Refused(
            "[service] ledger names no database to move the ledger to",
            'write ledger = "postgresql+psycopg://USER@HOST:PORT/DATABASE", or ledger_file',
        )
    place = ledger_place(config)
    if not paths.ledger.exists():
        is_moved = paths.moved_ledger.exists()
        raise Refused(
            f"there is no ledger in {paths.ledger}", "it was moved before: start `driftd run`" if is_moved else ""
        )
    with sole_owner(config.state_dir):
        with closing(open_ledger(config.state_dir, group=config.service.group)) as source:
            with source.connect() as conn:
                named = references_of(conn)
            owner = Owner(destination(source, url), place)
            stored = _stored(config)
            missing = () if stored is None else _put(stored, named, owner, progress)
            rows = move_rows(source, url, progress)
            _emptied(source)
        if stored is not None:
            stored.say_copied(place, 0)
            stored.close()
        claim_folder(config.state_dir, config.service.shard)
        durable.rename(paths.ledger, paths.moved_ledger, "migrate.moved")
        for end in ("-wal", "-shm"):
            durable.remove(paths.ledger.with_name(paths.ledger.name + end), "migrate.remove")
    return Moved(place, rows, None if stored is None else stored.store.place, missing)


def _emptied(source: Ledger) -> None:
    """Have the file be whole without its -wal, which is not kept; Retry while others read it."""
    with source.engine.connect() as conn:
        conn.exec_driver_sql("PRAGMA busy_timeout = 1000")
        busy, *_ = conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    if busy:
        raise Retry(f"others read {source.place}", "end `driftd serve` and commands that run, and begin again")


def _stored(config: Config) -> StoredState | None:
    store = configured_store(config)
    return None if store is None else StoredState(store, config.state_dir, config.service.store_grace)


def _put(stored: StoredState, named: References, owner: Owner, progress: Progress) -> tuple[str, ...]:
    """Put what the ledger names and the store lacks; what the folder itself lacks."""
    progress("files", 0, 1)
    with mendable():
        missing = stored.fetch(named, was_copy=False, owner=owner).missing
    progress("files", 1, 1)
    return missing
