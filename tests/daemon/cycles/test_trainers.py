"""What is on its way to a cluster's workers goes when nobody waits for it."""

import asyncio
from pathlib import Path

from bare_model import bare_model

from daemon.cycles.trainers import clear_exchange


def test_what_was_on_its_way_goes_once_stages_run_here_again(tmp_path: Path) -> None:
    """Rows of people are in it. Where no stage ever ran elsewhere, no folder is made for it."""
    with bare_model(tmp_path) as context:
        exchange = context.shared.config.paths.exchange
        asyncio.run(clear_exchange(context.shared))
        assert not exchange.exists()
        (exchange / "7").mkdir(parents=True)
        (exchange / "7" / "rows").write_text("x")
        asyncio.run(clear_exchange(context.shared))
        assert not (exchange / "7").exists()
