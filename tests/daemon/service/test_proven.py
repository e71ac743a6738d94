"""A version is proven once before it is promoted by hand, and again only where its files are other ones."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from bare_model import bare_model

from daemon.ledger import commands
from daemon.runtime.worker.process import Limits, Worker
from daemon.service import commands as by_hand
from daemon.service.commands import Commander
from retrain.operations import Done


class Prover(Worker):
    """An analyst that proves all it is asked about."""

    async def call(self, request: Any, timeout_s: float | None = None, limit: str = "") -> Any:
        """Note which."""
        self.proven = [*getattr(self, "proven", []), request.path.name]
        return Done()


def test_a_version_is_proven_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever promotes it again waits for no proof."""
    monkeypatch.setattr(by_hand, "_stored", lambda _conn, _context, version: version)
    monkeypatch.setitem(by_hand.HANDLERS, "promote", lambda _conn, _context, args: args["version"])

    async def nothing() -> str:
        return ""

    async def pull(_model: str) -> str:
        return ""

    with bare_model(tmp_path) as context:
        context.shared.analyst = analyst = Prover("analyst", Limits())
        commander = Commander({"m": context}, lambda _name: None, nothing, nothing, pull, pull)
        for name in ("v1", "v2"):
            context.folders.version(name).mkdir()
            (context.folders.version(name) / "model").write_text(name)

        def promote(version: str) -> None:
            with context.shared.ledger.begin() as conn:
                commands.enqueue(conn, "promote", {"model": "m", "version": version}, "ada", 0.0)
            asyncio.run(commander.apply_all())

        for version in ("v1", "v2", "v1", "v2", "v1"):
            promote(version)
        assert analyst.proven == ["v1", "v2"]
        (context.folders.version("v1") / "model").write_text("changed")
        promote("v1")
        assert analyst.proven == ["v1", "v2", "v1"]
