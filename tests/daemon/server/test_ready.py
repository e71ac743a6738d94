"""Ready is what the slots serve beside what is to be served, which is described beside the ledger."""

import asyncio
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import learning
import local_http
import pytest
from bare_model import bare_model
from structlog.testing import capture_logs

from daemon.ledger import deployments, promotions
from daemon.runtime.context import ModelContext
from daemon.runtime.serving import read_serving
from daemon.server.app import App
from daemon.server.follow import Follower
from daemon.server.origins import Origins
from daemon.server.slot import ModelSlot
from daemon.server.tokens import Tokens
from daemon.server.wanted import WantedSource
from daemon.service.serving_file import Serving, ServingFile

BROKEN, TOKEN = "v0009-0123abcd", b"r" * 32


class Standing:
    """One model with two good versions and a broken one, and a server's app that follows its ledger."""

    def __init__(self, context: ModelContext, good: Path) -> None:
        self.context, self.told = context, []
        config = context.shared.config
        for name in (good.name, BROKEN):
            shutil.copytree(good, context.folders.version(name))
        (context.folders.version(BROKEN) / "model.skops").write_bytes(b"other")
        self.good = good.name
        self.slot = ModelSlot("m")
        tokens = Tokens((TOKEN,), ())
        self.app = App(config, {"m": self.slot}, "1", tokens, Origins((), loopback=True))
        self.app.about.loaded = True
        pools = self.app.pools.loading, self.app.pools.looking
        self.follower = Follower(config, {"m": self.slot}, self.told.append, *pools)

    def promote(self, version: str) -> None:
        """Commit a promotion and describe it, as control does."""
        with self.context.shared.ledger.begin() as conn:
            deployment = deployments.for_version(conn, "m", version, 0.0)
            promotions.record(conn, "m", deployment, "promote", "a test", 0.0)
        assert self.context.shared.describing.look().is_news

    def follow(self) -> None:
        """What the server does when it is hinted."""
        self.follower.hint()
        asyncio.run(self.follower.catch_up())

    def ready(self, token: bytes = TOKEN) -> tuple[int, dict[str, Any]]:
        """The answer to those who may look, or another."""

        async def ask() -> httpx.Response:
            async with local_http.AsyncClient(
                transport=httpx.ASGITransport(self.app), base_url="http://localhost"
            ) as client:
                return await client.get("/v2/health/ready", headers={"authorization": f"Bearer {token.decode()}"})

        answer = asyncio.run(ask())
        return answer.status_code, answer.json()


@pytest.fixture
def standing(tmp_path: Path) -> Iterator[Standing]:
    """Nothing is promoted yet."""
    good = learning.published(tmp_path / "made")
    with bare_model(tmp_path) as context:
        made = Standing(context, good)
        yield made
        made.app.pools.close()


def test_a_champion_that_answers_nobody_is_not_ready(standing: Standing) -> None:
    """The model is named with the reason to those who may look; strangers learn that it is not ready."""
    assert standing.ready() == (200, {"ready": True})  # nothing is to be served
    standing.promote(BROKEN)
    standing.follow()
    status, told = standing.ready()
    assert status == 503 and told["ready"] is False
    named = told["models"]["m"]
    assert (named["state"], named["serves"], named["champion"]) == ("failed", None, BROKEN)
    assert "differs from what was published" in named["reason"]
    assert standing.ready(b"unknown") == (503, {"ready": False})


def test_a_predecessor_that_stands_in_is_ready_and_named(standing: Standing) -> None:
    """Whether it was served before, or is what a new server finds in the champion's place."""
    standing.promote(standing.good)
    standing.follow()
    assert standing.ready() == (200, {"ready": True})
    standing.promote(BROKEN)
    for _ in range(2):
        standing.follow()
        status, told = standing.ready()
        assert (status, told["models"]["m"]["state"]) == (200, "standing in")
        assert told["models"]["m"]["serves"] == standing.good
        standing.slot.served, standing.slot.failed = None, {}


def test_a_promotion_that_is_not_applied_is_named(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first one nobody answers: 503; with one that is served it is a swap under way: 200."""

    def failing(*_: object) -> None:
        raise OSError("the disk is away")

    with monkeypatch.context() as broken:
        broken.setattr("daemon.server.follow.load_served", failing)
        standing.promote(standing.good)
        standing.follow()
        status, told = standing.ready()
        assert (status, told["models"]["m"]["state"]) == (503, "loading")
        assert "the disk is away" in told["models"]["m"]["reason"]
    standing.follow()
    shutil.copytree(standing.context.folders.version(standing.good), standing.context.folders.version("v0002-aa"))
    with monkeypatch.context() as broken:
        broken.setattr("daemon.server.follow.load_served", failing)
        standing.promote("v0002-aa")
        standing.follow()
        status, told = standing.ready()
    assert (status, told["models"]["m"]["state"]) == (200, "swapping")
    assert (told["models"]["m"]["serves"], told["models"]["m"]["champion"]) == (standing.good, "v0002-aa")


def test_a_change_of_a_description_is_found_without_a_hint(standing: Standing) -> None:
    """Also where it comes within the moment in which the file system's clock stands, and twice; what did not change is
    not read again."""
    standing.promote(standing.good)
    for version in (BROKEN, standing.good, BROKEN):
        standing.promote(version)
        asyncio.run(standing.follower.catch_up())
        assert standing.slot.wanted is not None and standing.slot.wanted.deployment.name == version
    paths = standing.context.shared.config.paths
    source = WantedSource(paths, ("m",))
    paths.on_trial("m").parent.mkdir()
    for path in (paths.promoted, paths.on_trial):
        os.utime(path("m").parent, (1.0, 1.0))
    assert source.look(again=False) is not None and source.look(again=False) is None
    assert source.look(again=True) is not None


@pytest.mark.parametrize("away", ["promoted", "promoted/m.json"])
def test_while_the_description_is_gone_what_is_served_stays(standing: Standing, away: str) -> None:
    """As with the state folder: there is no way back by a file that is not there."""
    standing.promote(standing.good)
    standing.follow()
    path = standing.context.shared.config.state_dir / away
    path.rename(path.with_name("elsewhere"))
    standing.follow()
    assert standing.slot.served is not None and standing.ready() == (200, {"ready": True})
    assert standing.slot.wanted is not None


def test_what_is_served_is_told(standing: Standing) -> None:
    """Of the servers that run what they said last."""
    context, serving = standing.context, Serving()
    paths = context.shared.config.paths
    keeping = ServingFile(paths, serving, lambda: {7}, context.shared.analyst)
    serving.receive(
        {"event": "swapped", "pid": 7, "model": "m", "version": standing.good, "promotion": 1, "is_loaded": True}
    )
    serving.receive({"event": "swap_failed", "pid": 8, "model": "m", "version": standing.good, "error": "why"})
    asyncio.run(keeping.write())
    assert read_serving(paths) == keeping.facts()
    (server,) = keeping.facts()["servers"]
    assert server == {
        "pid": 7,
        "models": {"m": {"version": standing.good, "promotion": 1, "reason": "", "is_loaded": True}},
    }


def test_what_servers_said_that_begin_beside_others_is_not_forgotten() -> None:
    """As in a reload: they are told of once they serve; and nothing of those that are gone."""
    serving = Serving()
    with subprocess.Popen(["sleep", "60"]) as other:
        for pid in (os.getpid(), other.pid):
            serving.receive(
                {"event": "swapped", "pid": pid, "model": "m", "version": "v", "promotion": 1, "is_loaded": True}
            )
        assert [one["pid"] for one in serving.of({other.pid})] == [other.pid]
        assert [one["pid"] for one in serving.of({os.getpid()})] == [os.getpid()]
        other.kill()
    assert serving.of({os.getpid()}) and serving.of({other.pid}) == []


def test_a_folder_that_hangs_hinders_nobody(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a mount that is dead: it is told once, what is served stays, and is followed again when it is back."""
    standing.promote(standing.good)
    standing.follow()
    done, look = threading.Event(), standing.follower._source.look
    monkeypatch.setattr(standing.follower._source, "look", lambda again: done.wait() and None)
    monkeypatch.setattr(standing.follower._looking, "_deadline_s", 0.01)
    with capture_logs() as told:
        for _ in range(3):
            standing.follow()
            assert standing.ready() == (200, {"ready": True})
    assert [event["event"] for event in told] == ["ledger_unreadable"]
    monkeypatch.setattr(standing.follower._source, "look", look)
    monkeypatch.setattr(standing.follower._looking, "_deadline_s", None)
    done.set()
    standing.promote(BROKEN)
    standing.follow()
    assert standing.ready()[1]["models"]["m"]["champion"] == BROKEN
