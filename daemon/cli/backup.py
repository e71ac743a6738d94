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
        int | None,
        typer.Option(help="Remove all but so many of the newest, and of the newest whole, backups afterwards.", min=1),
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Make none: read the newest one whole.")] = False,
    json: Json = False,
) -> None:
    """Back the state up into a new folder of DIR, while the service runs or not; each is verified once written."""
    from daemon.tools.backup.make import make_backup
    from daemon.tools.backup.manifest import last_whole, newest_of
    from daemon.tools.backup.manifest import verify as read_whole

    config = SESSION.config()
    if verify:
        path = newest_of(folder)
        with progress_bars(BYTES) as show:
            manifest = read_whole(path, show)
        found = last_whole(path.parent)
        whole = None if found is None else str(found[0])
        words = f"{path} is {'whole' if manifest.is_whole else 'what was written'}"
        facts = {"backup": str(path), "verified": True, "whole": manifest.is_whole, "last_whole": whole}
        print_backup(json, facts, manifest, words, whole)
        return
    with progress_bars(BYTES) as show:
        made = make_backup(config, folder, keep, show)
    removed = [str(old) for old in made.removed]
    more = f"; removed {len(removed)} older" if removed else ""
    words = f"{made.path}: written, verified{more}"
    whole = None if made.last_whole is None else str(made.last_whole)
    facts = {"backup": str(made.path), "removed": removed, "whole": made.manifest.is_whole, "last_whole": whole}
    print_backup(json, facts, made.manifest, words, whole)
