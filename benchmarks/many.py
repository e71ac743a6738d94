"""Three hundred models at rest: threads, CPU and memory of all processes, and how long `driftd status` takes.

One model is learned, and the state folder then has it under as many names."""

import json
import resource
import shutil
from pathlib import Path
from typing import Any

import psutil
from daemon_harness import FAST, Daemon, drop, in_own_process, rows
from sqlalchemy import Connection, Table, insert, select

from benchmarks.figures import Figure
from benchmarks.idle import AtRest, watched
from daemon.ledger import open_ledger, tables

MODELS, APART = 300, 1_000
SETTLING_S, WATCHED_S = 150.0, 60.0
PATIENCE_S = 600.0
PASSING = ("events", "commands", "due", "file_totals", "class_totals", "hooks", "outbox")
"""Tables that hold nothing of a model at rest, or that the ledger fills itself."""
REFERENCES = (
    "id",
    "deployment",
    "deployment_id",
    "predecessor_id",
    "cycle_id",
    "file_id",
    "duplicate_of",
    "episode_id",
)


def measure(folder: Path) -> list[Figure]:
    """What control and all processes hold and use, with a champion each and nothing to do."""
    daemon = prepared(folder, MODELS)
    try:
        found, threads = _at_rest(daemon)
        status_s = min(_cpu_s_of_status(daemon) for _ in range(3))
    finally:
        daemon.close()
    note = f"{MODELS} models, all processes over {WATCHED_S:g} s, together {found.resident_mb:.0f} MB resident"
    return [
        Figure("CPU at rest", found.share, "% of a core", 2.0, note),
        Figure("threads of control at rest", float(threads), "threads", 40.0, f"{MODELS} models"),
        Figure(
            "`driftd status`, CPU",
            status_s,
            "s",
            1.0,
            f"{MODELS} models, best of three, the interpreter's start included",
        ),
    ]


def at_rest(folder: Path, models: int) -> AtRest:
    """A service with the status page and so many small models."""
    daemon = prepared(folder, models)
    try:
        return _at_rest(daemon)[0]
    finally:
        daemon.close()


def _at_rest(daemon: Daemon) -> tuple[AtRest, int]:
    """The same, and the threads of control."""
    daemon.start(wait_ready=False)
    daemon.wait("service_ready", timeout_s=PATIENCE_S)
    assert daemon.process is not None
    found = watched(daemon.process.pid, SETTLING_S, WATCHED_S)
    return found, psutil.Process(daemon.process.pid).num_threads()


def prepared(folder: Path, count: int, learned: int = 400, extra: str = "") -> Daemon:
    """A daemon that is not started, whose state folder has so many models with a champion that learned of so many
    rows; `extra` is TOML of the model's section and below."""
    daemon = Daemon(folder, FAST.replace('rescan = "500ms"\n', "") + extra, service="")
    daemon.start()
    drop(rows(0, learned), daemon.data / "a.csv")
    daemon.wait("model_swapped", timeout_s=PATIENCE_S)
    daemon.stop()
    text = daemon.config.read_text("utf-8")
    section = text[text.index("[models.m]") :]
    parts = [text]
    for number in range(1, count):
        name = f"m{number:03d}"
        shutil.copytree(daemon.data, folder / name)
        parts.append(section.replace("models.m", f"models.{name}").replace('data_dir = "data"', f'data_dir = "{name}"'))
        for place in (folder / "state").glob("*/m"):
            shutil.copytree(place, place.with_name(name), symlinks=True)
    ledger = open_ledger(folder / "state")
    with ledger.begin() as conn:
        for number in range(1, count):
            _copy(conn, number)
    ledger.close()
    daemon.config.write_text("\n".join(parts), "utf-8")
    return daemon


def _copy(conn: Connection, number: int) -> None:
    """What the ledger has of the model m, under another name."""
    for table in tables.metadata.sorted_tables:
        if table.name not in PASSING:
            found = [_renamed(dict(row), table, number) for row in conn.execute(_of_first(table)).mappings()]
            if found:
                conn.execute(insert(table), found)


def _of_first(table: Table) -> Any:
    if "model" in table.c:
        return select(table).where(table.c.model == "m")
    return select(table).where(table.c.name == "m" if "name" in table.c else table.c.id < APART)


def _renamed(row: dict[str, Any], table: Table, number: int) -> dict[str, Any]:
    name = f"m{number:03d}"
    for column in row:
        if column in REFERENCES and row[column] is not None:
            row[column] += APART * number
        elif column == "model" or (table.name == "models" and column == "name"):
            row[column] = name
        elif isinstance(row[column], str):
            row[column] = row[column].replace("/m/", f"/{name}/")
    return row


def _cpu_s_of_status(daemon: Daemon) -> float:
    """CPU seconds of `driftd status` in a process of its own, as a person starts it."""
    before = cpu_s_of_children()
    done = in_own_process(["-c", str(daemon.config), "status", "--json"])
    spent_s = cpu_s_of_children() - before
    assert done.returncode == 0 and len(json.loads(done.stdout)["models"]) == MODELS, f"not all models: {done.stderr}"
    return spent_s


def cpu_s_of_children() -> float:
    """CPU seconds of this process's children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
