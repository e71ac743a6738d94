"""Which files a recommender's counters are made of, as a file beside the ledger: servers count by it. The ledger is the
truth, which `daemon.runtime.describing` has it follow."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from daemon.config.paths import StatePaths
from retrain import durable
from retrain.operations import AcceptedFile


class CountedFile(msgspec.Struct, frozen=True, array_like=True):
    """An accepted file of rows; `snapshot` is below the state folder."""

    seq: int
    snapshot: str
    digest: str
    rows: int
    source: str
    accepted_at: float


class Counted(msgspec.Struct, frozen=True):
    """The files of a model in the order of arrival; of the newest accepted file of items its place in that order and
    its snapshot, None without one; by column the marks of people who are forgotten, whose events do not count."""

    files: tuple[CountedFile, ...]
    items: tuple[int, str] | None = None
    forgotten: dict[str, tuple[str, ...]] = {}

    @property
    def snapshots(self) -> set[str]:
        """All that is counted, below the state folder."""
        return {file.snapshot for file in self.files} | ({self.items[1]} if self.items else set())


def describe_counted(paths: StatePaths, model: str, counted: Counted) -> None:
    """Write down what is counted, whole or not at all; OSError."""
    path = paths.counted(model)
    durable.make_folder(path.parent, "promoted.folder")
    durable.replace_file(path, msgspec.json.encode(counted), "counted")


def described_counted(paths: StatePaths, model: str) -> Counted | None:
    """What was written down last; None where nothing was, or it cannot be understood. OSError where it cannot be
    read."""
    try:
        return msgspec.json.decode(paths.counted(model).read_bytes(), type=Counted)
    except (FileNotFoundError, ValueError, RecursionError, msgspec.MsgspecError):
        return None


def still_there(state: Path, counted: Counted) -> Counted:
    """Less what was removed since it was written down."""
    files = tuple(file for file in counted.files if (state / file.snapshot).exists())
    items = counted.items if counted.items and (state / counted.items[1]).exists() else None
    return Counted(files, items, counted.forgotten)


def accepted_files(state: Path, files: Iterable[CountedFile]) -> list[AcceptedFile]:
    """As the reader of logs takes them."""
    return [
        AcceptedFile(
            seq=file.seq, snapshot=state / file.snapshot, digest=file.digest, rows=file.rows, source=file.source,
            accepted_at=file.accepted_at,
        )
        for file in files
    ]  # fmt: skip
