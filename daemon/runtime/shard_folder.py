"""Whose state folder it is: a shard writes its name into its own, so that no other one works with what is in there."""

import contextlib
from pathlib import Path

from daemon.config.paths import StatePaths
from daemon.ledger.sound import holds_work
from retrain import durable
from retrain.records.errors import Refused


def refuse_other_shard(state_dir: Path, shard: str | None) -> None:
    """Refused where the folder holds work of another shard than this one, None being a service without one. A ledger
    that is a file is not yet moved, and says so itself."""
    paths = StatePaths(state_dir)
    found = _written(paths)
    if found == shard or not holds_work(state_dir) or (found is None and paths.ledger.exists()):
        return
    ours = "this service has no shard" if shard is None else f"this one is {shard}"
    whose = "of a service without a shard" if found is None else f"of shard {found}"
    raise Refused(
        f"the state folder {state_dir} is {whose}, and {ours}; nothing was changed",
        "give each shard a state_dir of its own",
    )


def claim_folder(state_dir: Path, shard: str | None) -> None:
    """Write into the folder whose it is; Refused as above."""
    refuse_other_shard(state_dir, shard)
    paths = StatePaths(state_dir)
    if _written(paths) == shard:
        return
    if shard is None:
        durable.remove(paths.shard, "shard.remove")
    else:
        durable.replace_file(paths.shard, f"{shard}\n".encode(), "shard")


def _written(paths: StatePaths) -> str | None:
    """The name; None of a folder without one, and of one that this user may not look into, whose work is as hidden."""
    with contextlib.suppress(OSError):
        return paths.shard.read_text("utf-8", "replace").strip() or None
    return None
