"""What takes long for one model leaves a process to the others: real child processes."""

import asyncio
import fcntl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from helpers import PATIENCE_S, until
from structlog.contextvars import bound_contextvars

from daemon.runtime.worker import analysts as several
from daemon.runtime.worker.analysts import Analysts
from daemon.runtime.worker.operations import WarmRequest
from daemon.runtime.worker.process import Limits, WorkerError

NOTHING = WarmRequest(modules=())
LONG = WarmRequest(modules=("takes_long",))
MODULE = "import fcntl\nfcntl.flock(open({gate!r}), fcntl.LOCK_SH)\n"
"""Waits until nobody keeps the gate closed."""


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[IO[str]]:
    """What long work waits for until it is closed."""
    (tmp_path / "takes_long.py").write_text(MODULE.format(gate=str(tmp_path / "gate")))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:.")
    with (tmp_path / "gate").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def with_analysts(story: Callable[[Analysts], Awaitable[None]], fresh: Callable[[], None] = lambda: None) -> None:
    """Tell a story with both, which are ended afterwards."""

    async def run() -> None:
        made = Analysts(Limits(nice=0), fresh)
        try:
            await asyncio.wait_for(story(made), PATIENCE_S)
        finally:
            await made.close()

    asyncio.run(run())


async def ask(made: Analysts, model: str, request: WarmRequest) -> None:
    """What a model asks."""
    with bound_contextvars(model=model):
        await made.call(request)


def test_another_models_small_file_does_not_wait_for_a_long_one(gate: IO[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the second process, which is ended once it is idle; the model's own next question waits for its first."""
    monkeypatch.setattr(several, "IDLE_S", 0.0)
    cleared: list[int] = []

    async def story(made: Analysts) -> None:
        long = asyncio.create_task(ask(made, "slow", LONG))
        await until(lambda: made.first.busy is not None)
        own = asyncio.create_task(ask(made, "slow", NOTHING))
        for model in ("quick", "small", "quick"):
            await ask(made, model, NOTHING)
        assert not long.done() and not own.done()
        assert made.busy is not None and made.busy is made.first.busy
        await until(lambda: made.second.pid is None)
        assert cleared == [1]  # not what the first one works on
        gate.close()
        await asyncio.gather(long, own)

    with_analysts(story, lambda: cleared.append(1))


def test_who_waits_for_two_long_ones_gets_the_first_that_is_free(gate: IO[str]) -> None:
    """And nobody is forgotten."""

    async def story(made: Analysts) -> None:
        long = [asyncio.create_task(ask(made, name, LONG)) for name in ("a", "b")]
        await until(lambda: made.first.busy is not None and made.second.busy is not None)
        others = [asyncio.create_task(ask(made, name, NOTHING)) for name in "cdef"]
        await asyncio.sleep(0)
        assert not any(one.done() for one in others)
        gate.close()
        await asyncio.gather(*long, *others)

    with_analysts(story)


def test_what_takes_longer_than_it_may_is_stopped_and_says_by_which_key(gate: IO[str]) -> None:
    """And the process after it answers."""

    async def story(made: Analysts) -> None:
        with pytest.raises(WorkerError, match=r"warm took longer than 0\.5 s \(limits\.read_time\)") as caught:
            await made.call(LONG, 0.5, "limits.read_time")
        assert caught.value.kind == "late"
        await made.call(NOTHING)

    with_analysts(story)


def test_while_libraries_are_loaded_no_second_process_loads_them_too(
    gate: IO[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question that comes meanwhile waits for the first process, however long that takes."""
    monkeypatch.setattr(several, "SECOND_AFTER_S", 0.0)

    async def story(made: Analysts) -> None:
        loading = asyncio.create_task(made.warm(LONG))
        await until(lambda: made.first.pid is not None)
        asked = asyncio.create_task(ask(made, "m", NOTHING))
        with pytest.raises(TimeoutError):
            await until(lambda: made.second.busy is not None or asked.done(), timeout_s=0.2)
        gate.close()
        await asyncio.gather(loading, asked)
        assert made.second.pid is None

    with_analysts(story)


def test_libraries_that_wait_for_a_long_question_keep_nobody_waiting(gate: IO[str]) -> None:
    """As long as the first process answers a question, others have the second."""

    async def story(made: Analysts) -> None:
        long = asyncio.create_task(ask(made, "slow", LONG))
        await until(lambda: made.first.busy is not None)
        loading = asyncio.create_task(made.warm(WarmRequest(modules=("json",))))
        await ask(made, "quick", NOTHING)
        assert not long.done() and not loading.done()
        gate.close()
        await asyncio.gather(long, loading)

    with_analysts(story)


def test_who_waited_for_libraries_that_could_not_be_loaded_is_answered(gate: IO[str]) -> None:
    """The process answers what it can without."""

    async def story(made: Analysts) -> None:
        loading = asyncio.create_task(made.warm(WarmRequest(modules=("there_is_no_such_module",))))
        await until(lambda: made.first.busy is not None)
        await ask(made, "m", NOTHING)
        with pytest.raises(WorkerError, match="there_is_no_such_module"):
            await loading

    with_analysts(story)
