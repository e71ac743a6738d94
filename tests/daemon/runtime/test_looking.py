"""Looks at folders that may hang: each of them waits alone."""

import asyncio
import sys
import threading
from collections.abc import Iterator

import pytest
from helpers import PATIENCE_S, until

from daemon.runtime import looking
from daemon.runtime.looking import AT_ONCE, Looking


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look hangs soon."""
    monkeypatch.setattr(looking, "TURN_S", 0.01)
    monkeypatch.setattr(looking, "HUNG_S", 0.02)


@pytest.fixture
def hasty() -> Iterator[None]:
    """The interpreter changes from thread to thread as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def names() -> list[str]:
    """Of the threads that look."""
    return [thread.name for thread in threading.enumerate() if thread.name == "looking at data folders"]


def test_looks_that_hang_keep_no_other_from_its_turn(short: None) -> None:
    """More hang than there are turns: the next one is answered, those that hang are told once, and end some day."""
    gate, told = threading.Event(), list[int]()

    async def story() -> None:
        looks, before = Looking(), len(names())
        hanging = [
            asyncio.create_task(looks.run(gate.wait, hung=lambda n=n: told.append(n))) for n in range(2 * AT_ONCE)
        ]
        assert await looks.run(lambda: 7) == 7
        while len(told) < 2 * AT_ONCE:
            await asyncio.sleep(0)
        assert sorted(told) == list(range(2 * AT_ONCE))
        gate.set()
        assert await asyncio.gather(*hanging) == [True] * len(hanging)
        assert len(names()) - before <= 2 * AT_ONCE + 1

    asyncio.run(asyncio.wait_for(story(), PATIENCE_S))


def test_the_more_looks_hang_the_shorter_others_wait(short: None) -> None:
    """Turns shrink with each look that outlasts its own, and are whole again once they end."""
    gate = threading.Event()

    async def story() -> None:
        looks = Looking()
        whole_s = looks.turn_s
        hanging = [asyncio.create_task(looks.run(gate.wait)) for _ in range(100)]
        await until(lambda: looks.turn_s < whole_s / 100)
        gate.set()
        await asyncio.gather(*hanging)
        assert looks.turn_s == whole_s

    asyncio.run(asyncio.wait_for(story(), PATIENCE_S))


def test_threads_are_used_again_and_errors_come_back(hasty: None) -> None:
    """Many looks after each other need AT_ONCE threads; one that raises raises where it is awaited."""

    async def story() -> None:
        looks, before = Looking(), len(names())
        for number in range(50):
            assert await looks.run(int, str(number)) == number
        with pytest.raises(ValueError, match="invalid literal"):
            await looks.run(int, "x")
        assert sum(await asyncio.gather(*(looks.run(int, "1") for _ in range(100)))) == 100
        assert len(names()) - before <= AT_ONCE

    asyncio.run(asyncio.wait_for(story(), PATIENCE_S))


def test_a_cancelled_look_gives_its_turn_back(short: None) -> None:
    """As at the end of a model's keeper: the thread may hang on, the others do not."""
    gate = threading.Event()

    async def story() -> None:
        looks = Looking()
        for _ in range(AT_ONCE):
            task = asyncio.create_task(looks.run(gate.wait))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await looks.run(lambda: 7) == 7
        gate.set()

    asyncio.run(asyncio.wait_for(story(), PATIENCE_S))
