"""A dropped file is scored once, whatever ends the part that scores it; without a service around it."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.csv
import pytest
from bare_model import bare_model
from helpers import until
from learning import published, rows, table

from daemon.ledger import deployments, prediction_log, promotions, scored
from daemon.runtime.context import ModelContext
from daemon.scoring.dropped import DroppedFiles
from retrain import durable

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
POINTS = (
    "scoring.begun", "prediction_log.publish.before_rename", "scoring.committed", "scoring.receipt.before_rename",
    "scoring.receipt.after_rename", "scoring.result.before_fsync", "scoring.result.before_rename",
    "scoring.result.after_rename",
)  # fmt: skip


class Ended(BaseException):
    """As if the process died here: nothing catches it."""


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Iterator[ModelContext]:
    """A model with a champion."""
    folder: Path = tmp_path_factory.mktemp("once")
    version = published(folder / "state")
    with bare_model(folder, CONFIG) as made:
        with made.shared.ledger.begin() as conn:
            deployment = deployments.for_members(conn, "m", {version.name: 1.0}, None, 0.0)
            promotions.record(conn, "m", deployment, "first", "a test", 0.0)
        yield made


def dropped(context: ModelContext, name: str, seed: int, count: int = 60) -> Path:
    """A file whose rows are of that seed, in the folder of files to be scored."""
    folder = context.data_dir.parent / "in"
    folder.mkdir(exist_ok=True)
    path = folder / name
    pyarrow.csv.write_csv(table(rows(count, seed)).drop_columns(["y"]), path.with_name(f".{name}"))
    path.with_name(f".{name}").rename(path)
    return path


async def score(context: ModelContext, done) -> None:
    """Let a fresh part work until something is the case, or it ends."""
    task = asyncio.create_task(DroppedFiles(context).run())
    await until(lambda: task.done() or done())
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Ended):
        await task


def state_of(context: ModelContext, name: str) -> list[str]:
    """What the ledger says became of a file, oldest first."""
    with context.shared.ledger.connect() as conn:
        return [row.state for row in scored.listed(conn, "m", 1000) if row.path == name]


def logged(context: ModelContext) -> int:
    """Rows in the prediction log."""
    with context.shared.ledger.connect() as conn:
        return int(prediction_log.total(conn, "m")["rows"])


def test_ended_at_any_moment_it_is_scored_once_and_whole(context):
    """One result, with its receipt, and half of its rows in the log once, as `share` says; nothing passing is left."""

    async def all_points() -> None:
        for number, point in enumerate(POINTS):
            name, passed = f"f{number}.csv", list[str]()

            def end(where: str, point: str = point, passed: list[str] = passed) -> None:
                if where == point and not passed:
                    passed.append(where)
                    raise Ended

            before = logged(context)
            dropped(context, name, seed=number)
            durable.install_hook(end)
            try:
                await score(context, lambda: False)
                assert passed == [point]
                await score(context, lambda name=name: state_of(context, name) == ["scored"])
            finally:
                durable.install_hook(None)
            out = context.data_dir.parent / "out"
            assert pyarrow.csv.read_csv(out / name).num_rows == 60
            assert json.loads((out / f"{name}.receipt.json").read_text())["rows"] == 60
            assert not list(out.glob(".*")), point
            assert logged(context) == before + 30, point
        await context.shared.analyst.close()

    asyncio.run(all_points())


def test_columns_of_the_answers_have_the_prefix(context):
    """As configured."""
    head = (context.data_dir.parent / "out" / "f0.csv").read_text().splitlines()[0]
    assert head.endswith("a_prediction,a_probability_no,a_probability_yes,a_version")
