"""The daemon and the replay of the same files decide the same, however late labels come."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from daemon_harness import Daemon, drop
from helpers import slowness, wait_for

from daemon.config.config import load_config
from daemon.tools.replay.engine import Engine
from daemon.tools.replay.label_files import LabelFiles
from daemon.tools.replay.label_times import LabelTimes, arriving
from daemon.tools.replay.source import Source, read_source

INITIAL, FILES, ROWS = 2, 9, 400
QUIET_S = 1.0
SETTINGS = """\
id_column = "id"
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
MATURITY = '[models.m.labels]\nmaturity = "2 files"\nnegative = "no"\n'
COSTS = "[models.m.decision]\ncosts = { yes = 3 }\n"
AT_ONCE = LabelTimes()


def batch(seq: int) -> pa.Table:
    """A file of a problem whose rule turns round after the fourth."""
    rng = np.random.default_rng(seq)
    x, z = rng.normal(size=ROWS), rng.normal(size=ROWS)
    colour = rng.choice(["red", "green", "blue"], ROWS)
    signal = (x if seq <= 4 else z) + 0.4 * (colour == "red") + rng.normal(0, 0.3, ROWS)
    label = np.where(signal > 0, "yes", "no")
    return pa.table({"id": [f"r{seq}-{n}" for n in range(ROWS)], "x": x, "z": z, "colour": colour, "label": label})


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[str], Daemon]]:
    """Starts a daemon with further settings and the files of its first model."""
    running: list[Daemon] = []

    def start(more: str) -> Daemon:
        daemon = Daemon(tmp_path, SETTINGS + more)
        daemon.config.write_text(daemon.config.read_text() + 'id = "category"\n')
        running.append(daemon)
        for seq in range(1, INITIAL + 1):
            drop(batch(seq), daemon.data / f"{seq:02}.parquet")
        return daemon.start()

    yield start
    for daemon in running:
        daemon.close()


@dataclass
class Settled:
    """True once a file is taken in, what its labels say was asked for, and all that follows from it was done and logged
    a second ago."""

    daemon: Daemon
    name: str
    asked_before: int
    _events: int = -1
    _since: float = 0.0

    def __call__(self) -> bool:
        if len(self.daemon.events) != self._events:
            self._events, self._since = len(self.daemon.events), time.monotonic()
        return self._done() and time.monotonic() - self._since > QUIET_S * slowness() ** 2

    def _done(self) -> bool:
        daemon = self.daemon
        held = any(daemon.seen("file_held", file=self.name))
        names = [e["version"] for e in daemon.events if e.get("event") in ("version_promoted", "deployment_adjusted")]
        swapped = [event["version"] for event in daemon.seen("model_swapped")]
        cycles = [sum(1 for _ in daemon.seen(event)) for event in ("cycle_opened", "cycle_finished")]
        done = cycles[0] == cycles[1] and bool(swapped) and swapped[-1] == names[-1]
        return done and (held or asked(daemon) > self.asked_before)


def asked(daemon: Daemon) -> int:
    """The number of the newest answer of the analyst to what labels say; 0 before the first."""
    path = load_config(daemon.config).paths.ledger
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT coalesce(max(id), 0) FROM assessments").fetchone()[0]
    finally:
        connection.close()


def fed(daemon: Daemon, table: pa.Table, name: str) -> None:
    """Drop a file and wait until the daemon has dealt with it."""
    before = asked(daemon)
    drop(table, daemon.data / name)
    wait_for(Settled(daemon, name, before), what=f"{name} to be dealt with")


def feed(daemon: Daemon, source: Source, times: LabelTimes, work: Path) -> None:
    """The files after the first ones as they arrive under a schedule, each followed by the labels that came then."""
    files = LabelFiles(source, times, INITIAL, work)
    for one in source.batches[INITIAL:FILES]:
        rows, _ = files.arriving(one, None)
        fed(daemon, pq.read_table(rows).drop_columns(["__row"]), f"{one.seq:02}.parquet")
        labels = files.due(one.place)
        if labels is not None:
            fed(daemon, pq.read_table(labels[0]).drop_columns(["__row"]), f"{one.seq:02}.labels.parquet")


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


@pytest.mark.parametrize(
    ("times", "more"),
    [
        pytest.param(AT_ONCE, "", id="labels at once"),
        pytest.param(
            arriving("positives-only:2", "yes"),
            MATURITY + COSTS,
            id="positives first, then silence; costs",
            marks=pytest.mark.long,
        ),
        pytest.param(arriving("positives-first:2", "yes"), "", id="positives first", marks=pytest.mark.long),
        pytest.param(arriving("random:2"), "", id="at random", marks=pytest.mark.long),
        pytest.param(arriving("provisional:2", "yes"), "", id="corrected", marks=pytest.mark.long),
        pytest.param(arriving("share:0.15"), "", id="a share", marks=pytest.mark.long),
    ],
)
def test_a_daemon_fed_file_by_file_and_a_replay_decide_the_same(
    started: Callable[[str], Daemon], tmp_path: Path, times: LabelTimes, more: str
) -> None:
    """Every cycle has the same trigger, reason, numbers and outcome, and every adjustment the same weights."""
    daemon = started(more)
    daemon.wait("model_swapped")
    config, work = load_config(daemon.config), tmp_path / "replay"
    work.mkdir()
    files = [drop(batch(seq), work / f"{seq:02}.parquet") for seq in range(1, FILES + 2)]
    source = read_source(files, config.models["m"], 50, work, INITIAL, times=times)
    feed(daemon, source, times, work)
    told = decisions(daemon)

    engine = Engine(source, config.models["m"], tmp_path, INITIAL, times)
    engine.play()  # it decides nothing after its last file
    assert told == engine.run.decisions
    assert any("deployment_adjusted" in one for one in told) or times.kind == "provisional"  # few are believed there
    assert sum("trigger" in one for one in told) >= (3 if times == AT_ONCE else 2)
