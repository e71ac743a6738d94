"""With `load = "when_asked"` a version takes no memory before somebody asks for its model."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import learning
import local_http
import pytest
from bare_model import BINARY, bare_model
from daemon_harness import FAST, Daemon, serve_first_model
from helpers import wait_for

from daemon.ledger import deployments, promotions
from daemon.runtime.context import ModelContext
from daemon.server.app import App
from daemon.server.follow import LATELY_S, Follower
from daemon.server.origins import Origins
from daemon.server.slot import ModelSlot, SlotState
from daemon.server.tokens import Tokens
from retrain.store.versions import version_schema

CONFIG = BINARY.replace("[service]\n", '[service]\nload = "when_asked"\n')
BROKEN = "v0003-cccccccc"


class Unloaded:
    """One model with two good versions and a damaged one, and a server's app that follows it."""

    def __init__(self, context: ModelContext, good: Path, other: Path) -> None:
        self.context, self.told, self.first, self.second = context, list[dict[str, Any]](), good.name, other.name
        for name, path in ((good.name, good), (other.name, other), (BROKEN, good)):
            shutil.copytree(path, context.folders.version(name))
        (context.folders.version(BROKEN) / "model.skops").write_bytes(b"other")
        schema = version_schema(good)
        assert schema is not None
        self.row = {column.name: None for column in schema.features}
        config, self.slot = context.shared.config, ModelSlot("m")
        self.app = App(config, {"m": self.slot}, "1", Tokens((), ()), Origins((), loopback=True))
        pools = self.app.pools.loading, self.app.pools.looking
        self.follower = Follower(config, {"m": self.slot}, self.told.append, *pools)
        self.app.load = self.app.about.load = self.follower.load
        self.app.about.loaded = True

    def promote(self, version: str) -> None:
        """As control does, and the server finds it."""
        with self.context.shared.ledger.begin() as conn:
            deployment = deployments.for_version(conn, "m", version, 0.0)
            promotions.record(conn, "m", deployment, "promote", "a test", 0.0)
        self.context.shared.describing.look()
        self.follower.hint()
        asyncio.run(self.follower.catch_up())

    def ask(self, method: str, path: str, times: int = 1, **body: Any) -> list[httpx.Response]:
        """So many requests at once."""

        async def all_of_them() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self.app)
            async with local_http.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await asyncio.gather(*(client.request(method, path, **body) for _ in range(times)))

        return asyncio.run(all_of_them())

    def predict(self, times: int = 1) -> list[httpx.Response]:
        """Predictions of one row."""
        return self.ask("POST", "/models/m/predict", times, json={"rows": [self.row]})

    def events(self) -> list[tuple[str, str, bool | None]]:
        """What was reported."""
        return [(one["event"], one["version"], one.get("is_loaded")) for one in self.told]


@pytest.fixture
def unloaded(tmp_path: Path) -> Iterator[Unloaded]:
    """Its first version is promoted, and nobody asked for it."""
    good = learning.published(tmp_path / "one")
    other = learning.published(tmp_path / "two", estimator=learning.fast(max_iter=3))
    with bare_model(tmp_path, CONFIG) as context:
        made = Unloaded(context, good, other)
        made.promote(good.name)
        yield made
        made.app.logs["m"].close()
        made.app.pools.close()


def test_a_version_is_loaded_once_when_it_is_first_asked_for(unloaded: Unloaded) -> None:
    """Before that its files are proven, it is ready and is said not to be loaded; all who ask at first are answered."""
    assert unloaded.slot.served is None and unloaded.slot.state is SlotState.UNLOADED
    (ready,) = unloaded.ask("GET", "/v2/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "unloaded": 1})
    (index,) = unloaded.ask("POST", "/v2/repository/index")[0].json()
    assert (index["state"], index["version"]) == (
        "READY",
        unloaded.first,
    ) and "is loaded when it is asked for" in index["reason"]
    assert unloaded.ask("GET", f"/v2/models/m/versions/{unloaded.first}/ready")[0].json()["ready"] is True
    assert unloaded.slot.served is None
    answers = unloaded.predict(times=5)
    assert [(one.status_code, one.json()["version"]) for one in answers] == [(200, unloaded.first)] * 5
    assert unloaded.events() == [("swapped", unloaded.first, False), ("swapped", unloaded.first, True)]
    assert unloaded.ask("GET", "/v2/health/ready")[0].json() == {"ready": True}


def test_what_it_is_made_of_is_an_answer_of_a_loaded_one(unloaded: Unloaded) -> None:
    """Who asks for the metadata waits for them."""
    (about,) = unloaded.ask("GET", "/v2/models/m")
    assert about.json()["versions"] == [unloaded.first] and unloaded.slot.served is not None


def test_what_is_promoted_is_loaded_at_once_where_somebody_asked_lately(unloaded: Unloaded) -> None:
    """Also where that was another process; else its files are proven, and the older version is let go."""
    unloaded.promote(unloaded.second)
    assert unloaded.slot.served is None
    unloaded.follower.asked(["m", "another"])
    asyncio.run(unloaded.follower.catch_up())
    assert unloaded.slot.served is not None and unloaded.slot.served.name == unloaded.second
    unloaded.promote(unloaded.first)
    assert unloaded.slot.served.name == unloaded.first
    unloaded.slot.asked_s -= LATELY_S
    unloaded.promote(unloaded.second)
    assert unloaded.slot.served is None and unloaded.slot.state is SlotState.UNLOADED
    assert unloaded.predict()[0].json()["version"] == unloaded.second


def test_what_cannot_be_loaded_now_is_not_ready(unloaded: Unloaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a disk that fails: who asks is told why; it is loaded later, or proven again where nobody asks any more."""

    def failing(*_: object) -> None:
        raise OSError("the disk is away")

    with monkeypatch.context() as broken:
        broken.setattr("daemon.server.follow.load_served", failing)
        (answer,) = unloaded.predict()
        assert answer.status_code == 503 and "the disk is away" in answer.json()["error"]
        assert unloaded.ask("GET", "/v2/health/ready")[0].status_code == 503
    unloaded.slot.asked_s -= LATELY_S
    unloaded.follower.hint()
    asyncio.run(unloaded.follower.catch_up())
    assert unloaded.ask("GET", "/v2/health/ready")[0].json() == {"ready": True, "unloaded": 1}
    assert unloaded.predict()[0].status_code == 200


def test_a_service_says_what_its_servers_load_when_it_is_asked_for(
    make_daemon: Callable[..., Daemon], first_model: Path
) -> None:
    """Its status before and after the first request; what was asked for fresh servers load by themselves."""
    daemon = make_daemon(FAST, service='page = false\nload = "when_asked"')
    serve_first_model(daemon, first_model, event="version_verified")
    wait_for(lambda: "1 of 1 server loads it when it is asked for" in daemon.cli("status").stdout)
    assert not list(daemon.seen("model_swapped")) and daemon.predict().status_code == 200
    version = daemon.wait("model_swapped")["version"]
    wait_for(lambda: daemon.json("status")["models"]["m"]["served"][0]["state"] == "serving")
    since, text = len(daemon.events), daemon.config.read_text()
    daemon.config.write_text(text.replace("[service]\n", "[service]\nmax_waiting = 500\n"))
    daemon.cli("reload")
    assert daemon.wait("model_swapped", since=since)["version"] == version
    wait_for(lambda: [one["state"] for one in daemon.json("status")["models"]["m"]["served"]] == ["serving"])


def test_a_version_that_is_damaged_is_found_without_being_loaded(unloaded: Unloaded) -> None:
    """It is told, as of any other; what was served before stands in for who asks."""
    unloaded.promote(BROKEN)
    assert [one["event"] for one in unloaded.told] == ["swapped", "swap_failed", "stand_in"]
    assert "differs from what was published" in unloaded.told[1]["error"]
    (ready,) = unloaded.ask("GET", "/v2/health/ready")
    assert (ready.status_code, ready.json()["models"]["m"]["state"]) == (200, "standing in")
    assert unloaded.predict()[0].json()["version"] == unloaded.first
