"""What `driftd backup` and `driftd restore` print."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from daemon.cli.output import print_json
from daemon.cli.session import NO, Exit
from drift.notation import counted

if TYPE_CHECKING:
    from daemon.tools.backup.manifest import Manifest


def print_backup(
    json: bool, result: dict[str, Any], manifest: "Manifest", words: str, last_whole: str | None = None
) -> None:
    """What was made, read or restored; Exit 1 where it lacks what the state needs, with the last one that does not."""
    facts = {"files": len(manifest.files), "bytes": manifest.total_bytes, "created_at": manifest.created_at}
    if json:
        gone = {"missing": list(manifest.missing), "lost": list(manifest.lost)}
        print_json(result | facts | {"schema": manifest.schema} | gone)
        if manifest.lost:
            raise Exit(NO)
        return
    print(f"{words}\n{counted(len(manifest.files), 'file')}, {manifest.total_bytes / 1e6:,.1f} MB")
    if manifest.missing:
        print(f"{counted(len(manifest.missing), 'file', 'were')} gone or damaged that the ledger mentions")
    if manifest.lost:
        whole = f"; the last whole backup is {last_whole}" if last_whole else ""
        raise Exit(NO, f"the state needs {_some(manifest.lost)}, which it has no longer, and neither has this{whole}")


def _some(names: Sequence[str]) -> str:
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more:,} more" if more > 0 else "")
