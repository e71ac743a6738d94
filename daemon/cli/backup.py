"""`driftd backup DIR`: saves the state."""

from pathlib import Path
from typing import Annotated

import typer

from daemon.cli.arguments import Json
from daemon.cli.backup_output import print_backup
from daemon.cli.progress import BYTES, progress_bars
from daemon.cli.session import SESSION


def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where backups lie.", show_default=False)],
    keep: Annotated[
        int | None, typer.Option(help="Remove all but so many of the newest backups afterwards.", min=1)
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Make none: read the newest one whole.")] = False,
    json: Json = False,
) -> None:
    """Back the state up into a new folder of DIR, while the service runs or not; each is verified once written."""
    from daemon.tools.backup.make import make_backup
    from daemon.tools.backup.manifest import newest_of
    from daemon.tools.backup.manifest import verify as read_whole

    config = SESSION.config()
    if verify:
        path = newest_of(folder)
        with progress_bars(BYTES) as show:
            manifest = read_whole(path, show)
        print_backup(json, {"backup": str(path), "verified": True}, manifest, f"{path} is whole")
        return
    with progress_bars(BYTES) as show:
        made = make_backup(config, folder, keep, show)
    removed = [str(old) for old in made.removed]
    more = f"; removed {len(removed)} older" if removed else ""
    words = f"{made.path}: written, verified{more}"
    print_backup(json, {"backup": str(made.path), "removed": removed}, made.manifest, words)
