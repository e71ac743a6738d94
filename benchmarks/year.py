"""How long the command line, control and whoever looks at a page wait for a ledger with a year of one file a minute:
`make year`."""

import contextlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from year_of_files import START, build, milliseconds

from daemon.cli.app import run
from daemon.config.config import Config
from daemon.cycles.retention import sweep_service
from daemon.ledger import Ledger, assessments, checks, cycles, due, events, files, observe, prediction_log, retention
from daemon.reading.look import Look
from daemon.reports.page.asked import Asked, PageReader
from daemon.reports.page.views import html_of
from daemon.reports.status import overview
from retrain.records.planner_state import PlannerState

YEAR = 365 * 24 * 60
PAGES = (
    "/", "/m/m", "/m/m?state=held", "/m/m?before=1000", "/m/m/cycle/200", "/m/m/file/day0/100.csv",
    "/m/m/versions", "/log", "/log?show=events", "/badge/m.svg",
)  # fmt: skip


def main(count: int = YEAR) -> int:
    """Fill a ledger, then measure; status 1 where a command's queries take 100 ms or more."""
    with tempfile.TemporaryDirectory(prefix="driftd-year-") as folder:
        started = time.perf_counter()
        config, ledger, now = build(Path(folder), count)
        size = Path(ledger.place).stat().st_size
        print(f"{count:,} files, {size / 1e6:,.0f} MB, filled in {time.perf_counter() - started:.0f} s")
        asked = {"status": lambda: overview(config, ledger)} | _queries(ledger)
        told = {name: round(milliseconds(work), 2) for name, work in asked.items()}
        for command in (["status"], ["history"], ["history", "--events"], ["versions", "m"], ["files", "m"]):
            told["driftd " + " ".join(command)] = round(milliseconds(_command(config.path, command)), 2)
        pages = _pages(config, ledger, now).items()
        told |= {f"page {path}, CPU": round(milliseconds(work, clock=time.process_time), 2) for path, work in pages}
        started = time.perf_counter()
        with ledger.connect() as conn:
            files.known(conn, "m")
        told["once a start: known files"] = round((time.perf_counter() - started) * 1000)
        started = time.perf_counter()
        sweep_service(ledger, START + (now - START) / 2)
        told["once a day: events and schedules"] = round((time.perf_counter() - started) * 1000)
        with ledger.connect() as conn:
            started = time.perf_counter()
            sum(1 for _ in retention.accepted(conn, "m"))
            told["once a day: files that may expire"] = round((time.perf_counter() - started) * 1000)
        for name, ms in told.items():
            print(f"{name:44} {ms:10.2f} ms")
        print(json.dumps(told))
        ledger.close()
        return int(any(ms >= 100 for name, ms in told.items() if not name.startswith("once")))


def _command(path: Path, command: list[str]) -> Callable[[], Any]:
    def work() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            run(["-c", str(path), *command])

    return work


def _pages(config: Config, ledger: Ledger, now: float) -> dict[str, Callable[[], Any]]:
    """Each view of the status page, made whole."""
    reader = PageReader(config, ledger, config.paths)

    def made(path: str) -> Callable[[], Any]:
        place, _, query = path.partition("?")
        asked = Asked(tuple(place.split("/")[1:]) if place != "/" else (), dict(parse_qsl(query)), True, "", now)
        return lambda: html_of(reader, asked)

    return {path: made(path) for path in PAGES}


def _queries(ledger: Ledger) -> dict[str, Callable[[], Any]]:
    """What control asks for each file."""

    def read(query: Callable[[Any], Any]) -> Callable[[], Any]:
        def work() -> None:
            with ledger.connect() as conn:
                query(conn)

        return work

    look = Look(1, 1, 1, 1)
    state = PlannerState(handled_check=2**40, assessed=2**40, seen_seq=100)
    old = files.by_content

    def accept(conn: Any) -> None:
        result = {
            "kind": "rows", "snapshot": "s", "snapshot_digest": "d", "rows": 1, "labelled_rows": 1, "class_rows": {},
            "rejected": 0, "quarantine": None, "quality": None, "first_time": None, "last_time": None, "rejects": [],
        }  # fmt: skip
        files.record_accepted(conn, "m", "new.csv", look, f"new{time.monotonic_ns()}", result, 1.0)

    def write() -> None:
        with ledger.begin() as conn:
            accept(conn)

    return {
        "observe": read(lambda c: observe.observe(c, "m", 0, state)),
        "observe, no cycle for a year": read(lambda c: observe.observe(c, "m", 0, state)),
        "by content": read(lambda c: old(c, "m", "nobody")),
        "record a file": write,
        "newest usable": read(lambda c: files.newest_usable(c, "m", 1000)),
        "candidates": read(lambda c: assessments.candidates(c, "m", 0)),
        "proposal": read(lambda c: assessments.proposal(c, "m")),
        "newest label file": read(lambda c: assessments.newest_label_file(c, "m")),
        "newest rows": read(lambda c: files.newest_rows(c, "m", 6, ("accepted",), sources=("folder",))),
        "unchecked": read(lambda c: checks.unchecked(c, "m", 200, 0, 20)),
        "recent day": read(lambda c: files.recent(c, "m", 86400.0)),
        "due": read(lambda c: due.pending(c, "m", "check")),
        "open cycle": read(lambda c: cycles.current(c, "m")),
        "log waiting": read(lambda c: prediction_log.waiting(c, "m")),
        "left snapshots": read(lambda c: retention.left_snapshots(c, "m", 0.0)),
        "events of a model": read(lambda c: events.listed(c, "m", 20)),
    }


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else YEAR))
