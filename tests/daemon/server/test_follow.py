"""What a server does with a promotion whose version cannot be served."""

import asyncio
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import learning
import pytest
from bare_model import bare_model

from daemon.ledger import deployments, promotions
from daemon.runtime.context import ModelContext
from daemon.server.follow import Follower
from daemon.server.pools import Pool
from daemon.server.served import ServedDeployment
from daemon.server.slot import ModelSlot
from retrain.model.deployment import LoadedDeployment

CONFIG = """\
[models.m]
data_dir = "d"
task = "classification"
target = "y"
"""
BROKEN = "v0004-0123abcd"


def damaged(version: Path) -> None:
    """Its model is not what was published."""
    (version / "model.skops").write_bytes(b"other")


def otherwise(version: Path) -> None:
    """It loads, and answers its probe rows in another way than when it was evaluated."""
    probe, manifest = (
        json.loads((version / "probe.json").read_text()),
        json.loads((version / "manifest.json").read_text()),
    )
    probe["probabilities"][0] = probe["probabilities"][0][::-1]
    (version / "probe.json").write_text(json.dumps(probe))
    manifest["files"]["probe.json"] = hashlib.sha256((version / "probe.json").read_bytes()).hexdigest()
    (version / "manifest.json").write_text(json.dumps(manifest))


def gone(version: Path) -> None:
    """There is no such folder."""
    shutil.rmtree(version)


def promote(context: ModelContext, version: str) -> None:
    """Commit a promotion and describe it, as control does."""
    with context.shared.ledger.begin() as conn:
        deployment = deployments.for_version(conn, "m", version, 0.0)
        promotions.record(conn, "m", deployment, "promote", "a test", 0.0)
    assert context.shared.describing.look().is_news


@pytest.mark.parametrize(
    ("breaks", "reason"),
    [(damaged, "differs from what was published"), (otherwise, "does not answer"), (gone, "cannot be read")],
)
def test_a_champion_that_fails_to_load_leaves_what_is_served(
    breaks: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    """The server tells control why, once, and goes on answering with the version that works."""
    good, told = learning.published(tmp_path / "made"), []
    with bare_model(tmp_path, CONFIG) as context:
        for name in (good.name, BROKEN):
            shutil.copytree(good, context.folders.version(name))
        breaks(context.folders.version(BROKEN))
        slots = {"m": ModelSlot("m")}
        pools = Pool("loading", 1), Pool("looking", 1)
        follower = Follower(context.shared.config, slots, told.append, *pools)

        def catch_up() -> Any:
            asyncio.run(follower.catch_up())
            return slots["m"].served

        promote(context, good.name)
        served = catch_up()
        promote(context, BROKEN)
        assert catch_up() is served and catch_up() is served
    assert [(message["event"], message["version"]) for message in told] == [
        ("swapped", good.name), ("swap_failed", BROKEN),
    ]  # fmt: skip
    assert reason in told[1]["error"]


def test_what_was_served_a_while_ago_is_not_loaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Going back to it is a swap of a pointer, as long as its files are what they were."""
    good, loads = learning.published(tmp_path / "made"), []
    with bare_model(tmp_path, CONFIG) as context:
        for name in ("v0001-aaaaaaaa", "v0002-bbbbbbbb"):
            shutil.copytree(good, context.folders.version(name))
        monkeypatch.setattr("daemon.server.follow.load_served", counting(loads))
        slots, told = {"m": ModelSlot("m")}, []
        pools = Pool("loading", 1), Pool("looking", 1)
        follower = Follower(context.shared.config, slots, told.append, *pools)

        def swap_to(version: str) -> Any:
            promote(context, version)
            asyncio.run(follower.catch_up())
            return slots["m"].served

        served = [swap_to(version) for version in ("v0001-aaaaaaaa", "v0002-bbbbbbbb", "v0001-aaaaaaaa")]
        assert loads == ["v0001-aaaaaaaa", "v0002-bbbbbbbb"]
        assert served[2].loaded is served[0].loaded and served[2].promotion > served[1].promotion
        path = context.folders.version("v0002-bbbbbbbb") / "model.skops"
        path.write_bytes(path.read_bytes())
        swap_to("v0002-bbbbbbbb")
        assert loads[2:] == ["v0002-bbbbbbbb"]
    assert [message["event"] for message in told] == ["swapped"] * 4


def counting(loads: list[str]) -> Callable[..., Any]:
    """A loader that notes what it loads."""

    def load(deployment: Any, promotion: int, *_: Any) -> ServedDeployment:
        loads.append(deployment.name)
        return ServedDeployment(deployment, promotion, LoadedDeployment({}, {}, deployment.name), (), ())

    return load
