"""The example is what it says: honest data, a configuration that fits it, and `driftd demo`, which plays it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import local_http
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from daemon_harness import free_port
from helpers import PATIENCE_S, wait_for

from daemon.config.config import load_config
from daemon.tools.demo import flights_story, playing, shop

ROOT = Path(__file__).parent.parent
MONTHS = flights_story.months()
EVERY = 3
KNOWN_AFTERWARDS = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}


def test_twelve_full_months_fit_a_repository():
    """Twelve files, full months in order, together under 6 MB."""
    assert [path.stem for path in MONTHS] == [f"2013-{month:02d}" for month in range(1, 13)]
    assert sum(path.stat().st_size for path in MONTHS) < 6_000_000
    tables = [pq.read_table(path, columns=["departure_time", "flight_id"]) for path in MONTHS]
    assert all(23_000 < table.num_rows < 30_000 for table in tables)
    spans = [pc.min_max(table["departure_time"]).as_py() for table in tables]
    assert all(before["max"] < after["min"] for before, after in pairwise(spans))
    ids = [value for table in tables for value in table["flight_id"].to_pylist()]
    assert len(set(ids)) == len(ids)


def test_configuration_declares_the_columns_of_the_data():
    """Every column of every month is declared, and none tells what is only known after departure."""
    settings = load_config(ROOT / "config.toml").models["flights"]
    for path in MONTHS:
        names = pq.read_schema(path).names
        assert set(names) == set(settings.columns)
        assert not set(names) & KNOWN_AFTERWARDS
    assert settings.metric == "roc_auc"


def test_late_flights_are_a_minority_of_every_month():
    """Both answers occur often enough to learn from and to score."""
    for path in MONTHS:
        late = pc.mean(pc.equal(pq.read_table(path, columns=["late"])["late"], "yes")).as_py()
        assert 0.1 < late < 0.4


def test_the_flight_of_the_curl_line_is_real():
    """The row that the demonstration asks about is a row of December."""
    rows = pq.read_table(MONTHS[-1]).to_pylist()
    row = next(row for row in rows if row["flight_id"] == "DL2594-20131214-JFK1900")
    assert {name: row[name] for name in flights_story.FLIGHT} == pytest.approx(flights_story.FLIGHT)
    features = set(row) - {"flight_id", "departure_time", "late"}
    assert set(flights_story.FLIGHT) == features


def test_a_month_is_placed_whole_and_once(tmp_path):
    """A month appears under its name complete, and a second time not at all."""
    folder = tmp_path / "data"
    assert playing.place(MONTHS[0], folder)
    assert (folder / MONTHS[0].name).read_bytes() == MONTHS[0].read_bytes()
    assert not playing.place(MONTHS[0], folder)
    assert [path.name for path in folder.iterdir()] == [MONTHS[0].name]


def test_on_a_terminal_the_story_and_the_log_are_told_apart(monkeypatch, capsys):
    """Lines of the daemon stand behind a bar, those of the story begin with an arrow, with room before them."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(
        playing, "driftd", lambda *_: [sys.executable, "-c", "print('file_seen'); print('file_accepted')"]
    )
    monkeypatch.setenv("NO_COLOR", "1")
    daemon = playing.Daemon(load_config(ROOT / "config.toml"), ())
    daemon.process.wait(PATIENCE_S)
    assert daemon.stop() == 0
    playing.say("dropped a month")
    assert capsys.readouterr().out == "  │ file_seen\n  │ file_accepted\n\n→ dropped a month\n"


def test_the_shop_is_the_same_every_time_and_small(tmp_path):
    """A seed gives one log: a hundred days under 4 MB, in order of time, with the columns that config.toml names; the
    day with the bot is the one that stands out; the catalogue of a day has what is launched by then."""
    settings = load_config(ROOT / "config.toml").models["shop"]
    log = shop.events()
    assert log.equals(shop.events()) and not log.equals(shop.events(1))
    assert {settings.user_column, settings.item_column, settings.time_column, settings.event_column} == set(
        log.column_names
    )
    files = shop.write(tmp_path)
    assert len(files) == shop.DAYS and sum(path.stat().st_size for path in tmp_path.iterdir()) < 4_000_000
    assert pc.all(pc.less_equal(log["time"][:-1], log["time"][1:])).as_py()
    days = [table.num_rows for _, table in shop.days(log)]
    assert sum(days) == log.num_rows and days.index(max(days)) == shop.BOT_DAY
    before, after = (shop.catalogue().table(day) for day in (shop.COLLECTION_DAY - 1, shop.COLLECTION_DAY))
    assert after.num_rows > before.num_rows + 100
    assert pc.sum(after["available"]).as_py() < after.num_rows - 100
    assert set(pc.unique(log["item"]).to_pylist()) <= set(shop.catalogue().table(shop.DAYS)["item"].to_pylist())


class Demo:
    """The demonstration of a copy of the packages, in a folder and on a port of its own, with every third flight, a short
    cool-down, and as little patience before the next month."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "shown"
        self.port = free_port()
        for package in ("daemon", "retrain", "drift"):
            shutil.copytree(ROOT / package, folder / package)  # compiled as it is, or each process would do it again
        text = (ROOT / "config.toml").read_text("utf-8")
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        text = text.replace("[models.flights.triggers]", '[models.flights.triggers]\ncooldown = "100ms"')
        demo = folder / "daemon" / "tools" / "demo"
        (demo / "config.toml").write_text(text, "utf-8")
        story = demo / "flights_story.py"
        story.write_text(story.read_text("utf-8").replace("QUIET_S = 12.0", "QUIET_S = 0.5"), "utf-8")
        for month in (demo / "flights").glob("*.parquet"):
            pq.write_table(pq.read_table(month)[::EVERY], month)
        self.lines: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    def start(self, *options: str) -> None:
        """Start it; `lines` are those of this run."""
        self.lines = []
        environment = dict(os.environ, PYTHONPATH=str(self.folder.parent), OMP_NUM_THREADS="1")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "daemon", "demo", *options, "shown"], cwd=self.folder.parent,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
        )  # fmt: skip
        threading.Thread(target=self._read, args=(self.process, self.lines), daemon=True).start()

    @staticmethod
    def _read(process: "subprocess.Popen[str]", lines: list[str]) -> None:
        assert process.stdout is not None
        lines.extend(line.rstrip() for line in process.stdout)

    def event(self, name: str, **fields: Any) -> bool:
        """Whether the daemon logged such an event."""
        events = (json.loads(line) for line in list(self.lines) if line.startswith("{"))
        return any(e["event"] == name and all(e.get(k) == v for k, v in fields.items()) for e in events)

    def wait(self, done: Callable[[], bool], timeout_s: float) -> None:
        """Until `done()`, or a failure that shows the terminal."""
        try:
            wait_for(done, timeout_s)
        except AssertionError:
            raise AssertionError("\n".join(self.lines[-60:])) from None

    def interrupt(self) -> int:
        """Ctrl-C, and the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def running(tmp_path) -> Iterator[Demo]:
    """A demonstration that is ended whatever happens."""
    demo = Demo(tmp_path)
    yield demo
    if demo.process is not None and demo.process.poll() is None:
        demo.process.terminate()
        demo.process.wait(PATIENCE_S)


@pytest.mark.timeout(600)
def test_the_demonstration_shows_the_whole_loop_and_goes_on_after_ctrl_c(running):
    """A first version is served, April leads to a cycle with an outcome, a later month drifts; Ctrl-C is clean, and
    the next run goes on with what is there."""
    running.start()
    running.wait(lambda: running.event("version_promoted"), 120)
    running.wait(lambda: any(line.startswith("curl ") for line in running.lines), 60)
    curl = next(line for line in running.lines if line.startswith("curl "))
    answer = subprocess.run(["bash", "-c", curl], capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(answer.stdout)["predictions"][0] in {"no", "yes"}
    running.wait(lambda: running.event("file_accepted", file="2013-04.parquet"), 60)
    running.wait(lambda: sum('"cycle_finished"' in line for line in list(running.lines)) >= 2, 180)
    running.wait(lambda: running.event("drift_detected"), 180)
    assert running.interrupt() == 0
    version = json.loads(answer.stdout)["version"]
    running.start()
    running.wait(lambda: running.event("service_ready"), 60)
    served = local_http.get(f"http://127.0.0.1:{running.port}/v2/models/flights")
    assert served.status_code == 200 and version
    assert not running.event("file_accepted", file="2013-01.parquet")
    assert running.interrupt() == 0


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_shop_recommends_counts_at_once_and_goes_on_by_the_day(running):
    """A first version is served and its `curl` line works when pasted, a visitor's event changes the list, and days
    are dropped one after the other; Ctrl-C is clean."""
    running.start("--recommender")
    running.wait(lambda: any("/recommend " in line for line in running.lines), 240)
    curl = next(line for line in running.lines if line.startswith("curl ") and "/recommend " in line)
    answer = subprocess.run(["bash", "-c", curl], capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(answer.stdout)["recommendations"][0]["items"]
    running.wait(lambda: any("without any training" in line for line in running.lines), 60)
    running.wait(lambda: running.event("file_accepted", file="2024-04-11.csv"), 240)
    assert running.interrupt() == 0
