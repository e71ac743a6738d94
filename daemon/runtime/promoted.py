"""What is to be served of each model, and which challenger is on trial, as files beside the ledger: servers read these
alone. The ledger is the truth, which `daemon.runtime.describing` has them follow."""

from collections.abc import Collection

import msgspec

from daemon.config.paths import StatePaths
from retrain import durable
from retrain.records.deployment import Champion
from retrain.records.trial import Trial


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


def describe_trial(paths: StatePaths, model: str, trial: Trial | None) -> None:
    """Write down which challenger is on trial, whole or not at all, or that none is; OSError."""
    path = paths.on_trial(model)
    if trial is None:
        durable.remove(path, "trial.remove")
        return
    durable.make_folder(path.parent, "promoted.folder")
    durable.replace_file(path, msgspec.json.encode(trial), "trial")


def described_trial(paths: StatePaths, model: str) -> Trial | None:
    """The trial that was written down; None of none, or where the file cannot be understood. OSError where it cannot be
    read."""
    try:
        return msgspec.json.decode(paths.on_trial(model).read_bytes(), type=Trial)
    except (FileNotFoundError, ValueError, RecursionError, msgspec.MsgspecError):
        return None


def forget_all_but(paths: StatePaths, models: Collection[str]) -> None:
    """Remove what another ledger's promotions and trials left, as before a restore."""
    for path in (path for kind in (paths.promoted, paths.on_trial) for path in kind("any").parent.glob("*.json")):
        if path.stem not in models:
            durable.remove(path, "promoted.forget")
