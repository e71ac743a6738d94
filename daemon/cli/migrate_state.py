"""`driftd migrate-state`: from a folder to a database and an object store."""

from daemon.cli.arguments import Json
from daemon.cli.output import print_json
from daemon.cli.progress import ROWS, progress_bars
from daemon.cli.session import SESSION


def migrate_state(json: Json = False) -> None:
    """Move the ledger of state_dir into the database that [service] ledger names, and put its files into the object
    store, if [service] store names one. The service is stopped meanwhile; begun again it goes on where it was."""
    from dataclasses import asdict

    from daemon.tools.migrate_state import migrate_state as move

    with progress_bars(ROWS) as show:
        done = move(SESSION.config(), show)
    if json:
        print_json(asdict(done))
        return
    print(f"{done.ledger} has the ledger: {done.rows:,} rows, as they were in the file, which is kept as *.moved")
    if done.store is not None:
        print(f"{done.store} has the files that it names" + (f", but for {len(done.missing)}" if done.missing else ""))
    print("start the service: it goes on where it was")
