"""The daemon and the replay of the same files decide the same."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from daemon_harness import Daemon, drop
from helpers import wait_for

from daemon.config.config import load_config
from daemon.tools.replay.engine import Engine
from daemon.tools.replay.source import read_source

INITIAL, FILES, ROWS = 2, 9, 400
QUIET_S = 1.0
SETTINGS = """\
[models.m.intake]
settle = "150ms"
rescan = "500ms"
[models.m.triggers]
first_rows = 700
cooldown = "1ms"
regret = 0.2
retrains = "1 per 2 batches"
[models.m.estimator]
params = { max_iter = 20 }
"""


def batch(seq: int) -> pa.Table:
    """A file of a problem whose rule turns round after the fourth."""
    rng = np.random.default_rng(seq)
    x, z = rng.normal(size=ROWS), rng.normal(size=ROWS)
    colour = rng.choice(["red", "green", "blue"], ROWS)
    signal = (x if seq <= 4 else z) + 0.4 * (colour == "red") + rng.normal(0, 0.3, ROWS)
    return pa.table({"x": x, "z": z, "colour": colour, "label": np.where(signal > 0, "yes", "no")})


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A running daemon."""
    running = Daemon(tmp_path, SETTINGS)
    for seq in range(1, INITIAL + 1):
        drop(batch(seq), running.data / f"{seq:02}.parquet")
    running.start()
    yield running
    running.close()


@dataclass
class Settled:
    """True once a file is held, or assessed, and all that follows from it was done and logged a second ago."""

    daemon: Daemon
    seq: int
    _events: int = -1
    _since: float = 0.0

    def __call__(self) -> bool:
        if len(self.daemon.events) != self._events:
            self._events, self._since = len(self.daemon.events), time.monotonic()
        return self._done() and time.monotonic() - self._since > QUIET_S

    def _done(self) -> bool:
        daemon = self.daemon
        held = any(daemon.seen("file_held", file=f"{self.seq:02}.parquet"))
        names = [e["version"] for e in daemon.events if e.get("event") in ("version_promoted", "deployment_adjusted")]
        swapped = [event["version"] for event in daemon.seen("model_swapped")]
        cycles = [sum(1 for _ in daemon.seen(event)) for event in ("cycle_opened", "cycle_finished")]
        done = cycles[0] == cycles[1] and bool(swapped) and swapped[-1] == names[-1]
        return done and (held or any(daemon.seen("labels_assessed", seq=self.seq)))


def decisions(daemon: Daemon) -> list[dict[str, Any]]:
    """Trigger, reason and outcome of every cycle after the first, and every adjustment."""
    found = []
    names: dict[str, str] = {}
    for event in daemon.events:
        if event.get("event") == "cycle_opened":
            found.append({"trigger": event["trigger"], "reason": event["reason"]})
        elif event.get("event") == "version_promoted":
            names[event["version"]] = event["version"][:5]
            found.append({"promoted": event["reason"]})
        elif event.get("event") in ("version_kept", "version_rolled_back", "deployment_adjusted"):
            found.append({event["event"]: event["reason"]})
    text = json.dumps(found)
    for long, short in names.items():
        text = text.replace(long, short)
    plain: list[dict[str, Any]] = json.loads(text)
    return plain


def test_a_daemon_fed_file_by_file_and_a_replay_decide_the_same(daemon: Daemon, tmp_path: Path) -> None:
    """Every cycle has the same trigger, reason, numbers and outcome, and every adjustment the same weights."""
    daemon.wait("model_swapped")
    for seq in range(INITIAL + 1, FILES + 1):
        drop(batch(seq), daemon.data / f"{seq:02}.parquet")
        wait_for(Settled(daemon, seq), 180, what=f"file {seq} to be dealt with")
    told = decisions(daemon)

    config = load_config(daemon.config)
    work = tmp_path / "replay"
    work.mkdir()
    files = sorted(daemon.data.glob("*.parquet"))
    files.append(drop(batch(FILES + 1), tmp_path / "one-more.parquet"))  # a replay decides nothing after its last file
    engine = Engine(read_source(files, config.models["m"], 50, work), config.models["m"], tmp_path, INITIAL)
    engine.play()
    assert told == engine.run.decisions
    assert sum("trigger" in one for one in told) >= 3 and any("deployment_adjusted" in one for one in told)
