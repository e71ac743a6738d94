"""What is to be served of each model, as a file beside the ledger: servers start by it while the ledger is away.

The ledger is the truth; control writes the file after each promotion, and all of them at its start."""

from collections.abc import Collection

import msgspec

from daemon.config.paths import StatePaths
from retrain import durable
from retrain.records.deployment import Champion


def describe(paths: StatePaths, champion: Champion) -> None:
    """Write down a committed promotion, whole or not at all; OSError."""
    path = paths.promoted(champion.deployment.model)
    durable.make_folder(path.parent, "promoted.folder")
    durable.replace_file(path, msgspec.json.encode(champion), "promoted")


def described(paths: StatePaths, model: str) -> Champion | None:
    """The promotion that was written down last; None before the first, or where the file cannot be understood. OSError
    where it cannot be read."""
    try:
        return msgspec.json.decode(paths.promoted(model).read_bytes(), type=Champion)
    except (FileNotFoundError, ValueError, RecursionError, msgspec.MsgspecError):
        return None


def forget_all_but(paths: StatePaths, models: Collection[str]) -> None:
    """Remove what another ledger's promotions left, as before a restore."""
    for path in paths.promoted("any").parent.glob("*.json"):
        if path.stem not in models:
            durable.remove(path, "promoted.forget")
