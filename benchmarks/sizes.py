"""What is written for a file, a predicted row and a version, in bytes: by the product, of generated rows, so that it
does not depend on how busy a machine is.

The ledger of so many files is filled as for `make year`, and moved into a PostgreSQL by `driftd migrate-state`. A
service takes a file of 200 rows (two numbers, a category, a label) in, learns, and answers rows over HTTP. `python -m
benchmarks.sizes` (`make sizes`) prints a table and JSON; without the package of PostgreSQL that line is left out."""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import local_http
import psycopg
from daemon_harness import FAST, Daemon, drop, in_process, rows
from helpers import wait_for
from hosts import write_secret
from postgresql import PROGRAMS, running_server
from year_of_files import CONFIG, build

LEARNED, ASKED, AT_ONCE = 600, 60_000, 10_000
LOG = '[models.m.prediction_log]\nevery = "2s"\n'


def of_ledger(folder: Path, files: int) -> dict[str, float]:
    """Bytes a file in the ledger, by engine, with the reports of the newest quarter of them."""
    folder.mkdir()
    _, ledger, _ = build(folder, files)
    found = {"ledger, SQLite, a file": Path(ledger.place).stat().st_size / files}
    ledger.close()
    if PROGRAMS is None:
        return found
    with running_server() as server, server.database("sizes") as connection:
        (empty,) = _size(connection)
        write_secret(folder / "url", server.url("sizes"))
        (folder / "config.toml").write_text(f'[service]\nledger_file = "url"\n{CONFIG}')
        moved = in_process(["-c", str(folder / "config.toml"), "migrate-state"])
        assert moved.returncode == 0, moved.stderr
        found["ledger, PostgreSQL, a file"] = (_size(connection)[0] - empty) / files
    return found


def _size(connection: "psycopg.Connection") -> Any:
    return connection.execute("SELECT pg_database_size(current_database())").fetchone()


def of_service(folder: Path) -> dict[str, float]:
    """Bytes of a snapshot a row, of a version, and of what is kept of an answered row."""
    folder.mkdir()
    daemon = Daemon(folder, FAST + LOG)
    try:
        daemon.start()
        drop(rows(1, LEARNED), daemon.data / "a.csv")
        daemon.wait("model_swapped")
        daemon.wait("cycle_finished")
        drop(rows(2, 200), daemon.data / "b.csv")
        daemon.wait("check_finished", file="b.csv")
        state = folder / "state"
        snapshots = sorted((state / "snapshots" / "m").glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
        predictions = sorted((state / "predictions" / "m").glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
        found = {
            "CSV file of 200 rows": (daemon.data / "b.csv").stat().st_size,
            "its snapshot": snapshots[-1].stat().st_size,
            "its predictions": predictions[-1].stat().st_size,
            "a version": sum(path.stat().st_size for path in (state / "versions" / "m").rglob("*") if path.is_file()),
        }
        for seed in range(3, 3 + ASKED // AT_ONCE):
            body = rows(seed, AT_ONCE).drop_columns(["label"]).to_pylist()
            answer = local_http.post(f"{daemon.url}/models/m/predict", json={"rows": body})
            assert answer.status_code == 200, answer.text[:200]

        def logged() -> Any:
            ((count, size),) = daemon.query(
                "SELECT coalesce(sum(rows), 0), coalesce(sum(bytes), 0) FROM prediction_log"
            )
            return (count, size) if count == ASKED else None

        count, size = wait_for(logged, what="all answers in the log")
        return found | {"prediction log, an answered row": size / count}
    finally:
        daemon.close()


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--files", type=int, default=20_000)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftd-sizes-") as name:
        found: dict[str, float] = {}
        for measure in (of_service, lambda folder: of_ledger(folder, given.files)):
            more = measure(Path(name) / str(len(found)))
            found |= more
            for what, size in more.items():
                print(f"{what:36} {size:12,.1f} bytes", flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
