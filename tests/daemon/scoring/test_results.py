"""What lies in the folder of results is what the file of that name came to; without a service around it."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.csv
import pytest
from bare_scoring import dropped, score, scoring_model, states_of

from daemon.runtime.context import ModelContext


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Iterator[ModelContext]:
    """A model with a champion."""
    with scoring_model(tmp_path_factory.mktemp("results")) as made:
        yield made


@pytest.fixture
def out(context) -> Path:
    """The folder of results."""
    return context.data_dir.parent / "out"


@pytest.fixture(scope="module")
def scoring(context) -> Iterator[Callable[..., None]]:
    """Scores until files are in these states, all in one event loop: the worker is begun once."""

    async def one(wanted: tuple[tuple[str, list[str]], ...]) -> None:
        await score(context, lambda: all(states_of(context, name) == states for name, states in wanted))

    with asyncio.Runner() as runner:
        yield lambda *wanted: runner.run(one(wanted))
        runner.run(context.shared.analyst.close())


def test_a_content_that_comes_back_gets_its_own_result(context, out, scoring):
    """Where another content had its name meanwhile, the result is made anew, also under another name."""
    for seed, states in ((1, ["scored"]), (2, ["scored"] * 2), (1, ["scored"] * 3)):
        first = dropped(context, "tonight.csv", seed)
        scoring(("tonight.csv", states))
        written = pyarrow.csv.read_csv(out / "tonight.csv").column("x").to_pylist()
        assert written == pyarrow.csv.read_csv(first).column("x").to_pylist()
    dropped(context, "other.csv", 2)
    dropped(context, "same.csv", 1)
    scoring(("other.csv", ["scored"]), ("same.csv", ["repeated"]))
    assert (out / "other.csv").exists() and not (out / "same.csv").exists()
