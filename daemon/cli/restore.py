"""`driftd restore DIR`: puts a backup in place of the state."""

from pathlib import Path
from typing import Annotated

import typer

from daemon.cli.arguments import Json
from daemon.cli.backup_output import print_backup
from daemon.cli.progress import BYTES, progress_bars
from daemon.cli.session import SESSION


def restore(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A backup, or a folder of them: the newest.", show_default=False)
    ],
    json: Json = False,
) -> None:
    """Put a backup in place of the state, while the service is stopped; what was there is moved aside, not deleted."""
    from daemon.runtime.ledgers import refuse_database
    from daemon.tools.backup.restore import restore_backup

    config = SESSION.config()
    refuse_database(config, "a backup of driftd")
    with progress_bars(BYTES) as show:
        done = restore_backup(config.state_dir, folder, show, config.service.group)
    aside = None if done.aside is None else str(done.aside)
    words = f"{config.state_dir} is what {done.backup} holds, of {done.manifest.created_at}"
    words += "" if aside is None else f"\nwhat was there before is in {aside}; delete it once all is well"
    facts = {"backup": str(done.backup), "state_dir": str(config.state_dir), "aside": aside}
    print_backup(json, facts, done.manifest, words)
