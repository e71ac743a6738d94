"""Commands that save the state and bring it back: backup and restore."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.session import NO, SESSION, Exit, print_json

if TYPE_CHECKING:
    from daemon.tools.backup.manifest import Manifest, Progress

Json = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (backup, restore):
        app.command()(command)


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
        with byte_progress() as told:
            manifest = read_whole(path, told)
        _print(json, {"backup": str(path), "verified": True}, manifest, f"{path} is whole")
        return
    with byte_progress() as told:
        made = make_backup(config, folder, keep, told)
    removed = [str(old) for old in made.removed]
    more = f"; removed {len(removed)} older" if removed else ""
    _print(json, {"backup": str(made.path), "removed": removed}, made.manifest, f"{made.path}: written, verified{more}")


def restore(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A backup, or a folder of them: the newest.", show_default=False)
    ],
    json: Json = False,
) -> None:
    """Put a backup in place of the state, while the service is stopped; what was there is moved aside, not deleted."""
    from daemon.tools.backup.restore import restore_backup

    config = SESSION.config()
    with byte_progress() as told:
        done = restore_backup(config.state_dir, folder, told, config.service.group)
    aside = None if done.aside is None else str(done.aside)
    words = f"{config.state_dir} is what {done.backup} holds, of {done.manifest.created_at}"
    words += "" if aside is None else f"\nwhat was there before is in {aside}; delete it once all is well"
    _print(json, {"backup": str(done.backup), "state_dir": str(config.state_dir), "aside": aside}, done.manifest, words)


def _print(json: bool, told: dict[str, Any], manifest: "Manifest", words: str) -> None:
    facts = {"files": len(manifest.files), "bytes": manifest.total_bytes, "created_at": manifest.created_at}
    if json:
        print_json(
            told
            | facts
            | {"schema": manifest.schema, "missing": list(manifest.missing)}
            | {"lost": list(manifest.lost)}
        )
        return
    print(f"{words}\n{facts['files']:,} files, {manifest.total_bytes / 1e6:,.1f} MB")
    if manifest.missing:
        print(f"{len(manifest.missing):,} files that the ledger mentions were gone or damaged")
    if manifest.lost:
        raise Exit(NO, f"driftd: the state needs {_some(manifest.lost)}, which it has no longer, and neither has this")


def _some(names: Sequence[str]) -> str:
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more:,} more" if more > 0 else "")


@contextmanager
def byte_progress() -> "Iterator[Progress]":
    """Tells on a terminal how far it is; nothing in a pipe."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    terminal = Console(stderr=True)
    if not terminal.is_terminal:
        yield lambda _what, _done, _total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
