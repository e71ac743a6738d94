"""A model with a champion that scores dropped files, without a service around it."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.csv
from bare_model import bare_model
from helpers import until
from learning import published, rows, table

from daemon.ledger import deployments, prediction_log, promotions, scored
from daemon.runtime.context import ModelContext
from daemon.scoring.dropped import DroppedFiles

CONFIG = """\
[service]
state_dir = "state"
[models.m]
data_dir = "data"
task = "classification"
target = "y"
[models.m.intake]
settle = "50ms"
rescan = "1s"
[models.m.scoring]
in_dir = "in"
out_dir = "out"
prefix = "a_"
[models.m.prediction_log]
share = 0.5
"""


class Ended(BaseException):
    """As if the process died here: nothing catches it."""


@contextlib.contextmanager
def scoring_model(folder: Path) -> Iterator[ModelContext]:
    """A model with a champion, and the folders that it scores."""
    version = published(folder / "state")
    with bare_model(folder, CONFIG) as made:
        with made.shared.ledger.begin() as conn:
            deployment = deployments.for_members(conn, "m", {version.name: 1.0}, None, 0.0)
            promotions.record(conn, "m", deployment, "first", "a test", 0.0)
        for name in ("in", "out"):
            (folder / name).mkdir()
        yield made


def dropped(context: ModelContext, name: str, seed: int, count: int = 60) -> Path:
    """A file whose rows are of that seed, in the folder of files to be scored."""
    path = context.data_dir.parent / "in" / name
    pyarrow.csv.write_csv(table(rows(count, seed)).drop_columns(["y"]), path.with_name(f".{name}"))
    path.with_name(f".{name}").rename(path)
    return path


async def score(context: ModelContext, done: Callable[[], bool]) -> None:
    """Let a fresh part work until something is the case, or it ends."""
    task = asyncio.create_task(DroppedFiles(context).run())
    await until(lambda: task.done() or done())
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Ended):
        await task


def states_of(context: ModelContext, name: str) -> list[str]:
    """What the ledger says became of a file, oldest first."""
    with context.shared.ledger.connect() as conn:
        return [row.state for row in scored.listed(conn, "m", 1000) if row.path == name]


def reason_of(context: ModelContext, name: str) -> str:
    """Why a file was refused last."""
    with context.shared.ledger.connect() as conn:
        return next(row.reason for row in scored.listed(conn, "m", 1000, "refused")[::-1] if row.path == name)


def logged(context: ModelContext) -> int:
    """Rows in the prediction log."""
    with context.shared.ledger.connect() as conn:
        return int(prediction_log.total(conn, "m")["rows"])
