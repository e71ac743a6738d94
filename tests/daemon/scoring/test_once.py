"""A dropped file is scored once, whatever ends the part that scores it; without a service around it."""

import asyncio
import json
from collections.abc import Iterator

import pyarrow.csv
import pytest
from bare_scoring import Ended, dropped, logged, score, scoring_model, states_of

from daemon.runtime.context import ModelContext
from retrain import durable

pytestmark = pytest.mark.xdist_group("scoring_once")  # one model for both

POINTS = (
    "scoring.begun", "prediction_log.publish.before_rename", "scoring.committed", "scoring.receipt.before_rename",
    "scoring.receipt.after_rename", "scoring.result.before_fsync", "scoring.result.before_rename",
    "scoring.result.after_rename",
)  # fmt: skip


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Iterator[ModelContext]:
    """A model with a champion."""
    with scoring_model(tmp_path_factory.mktemp("once")) as made:
        yield made


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
                await score(context, lambda name=name: states_of(context, name) == ["scored"])
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
    dropped(context, "columns.csv", seed=99)

    async def scored() -> None:
        await score(context, lambda: states_of(context, "columns.csv") == ["scored"])
        await context.shared.analyst.close()

    asyncio.run(scored())
    head = (context.data_dir.parent / "out" / "columns.csv").read_text().splitlines()[0]
    assert head.endswith("a_prediction,a_probability_no,a_probability_yes,a_version")
