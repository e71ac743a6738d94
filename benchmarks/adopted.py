"""Measures one row over HTTP of adopted pipelines and of models with a preparation, beside the plain call of the same
pipeline in this process; prints a table. The pipelines and the code are those of the tests."""

import argparse
import http.client
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adopting import prepare_cases
from adopting.adopt_cases import KINDS, adopted_before_data, requested, sections
from adopting.pipelines import INPUTS, frame
from daemon_harness import Daemon
from rich.console import Console
from rich.table import Table

from benchmarks.figures import machine
from retrain.store.versions import load_version

ROWS = 20
"""Different rows, asked one by one, again and again."""
WARM = 50
TRAINED_S = 600.0


def main() -> None:
    """Measure by turns: each row of each model over HTTP, then by the plain call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000, help="of each model")
    count = parser.parse_args().requests
    table = Table("model", "over HTTP, p50 ms", "p99 ms", "plain call, p50 ms", "p50 beyond it, ms")
    with tempfile.TemporaryDirectory(prefix="driftd-bench-") as made:
        daemon, calls = _served(Path(made))
        try:
            connection = http.client.HTTPConnection("127.0.0.1", daemon.port)
            for name, (rows, plain) in calls.items():
                table.add_row(name, *_measured(connection, name, rows, plain, count))
        finally:
            daemon.close()
    console = Console()
    console.print(table)
    console.print(machine())


Call = tuple[list[dict[str, Any]], Callable[[int], Any]]
"""The rows of requests, and the plain call about the one at a place."""


def _served(folder: Path) -> tuple[Daemon, dict[str, Call]]:
    """A service of all of them, and what is asked of each."""
    for library, code in {"pandas": prepare_cases.PANDAS, "polars": prepare_cases.POLARS}.items():
        (folder / f"by_{library}.py").write_text(code)
    config = prepare_cases.CONFIG.replace("features.py", "by_pandas.py") + prepare_cases.COLUMNS
    other = (config.replace("models.m", "models.p")).replace("by_pandas", "by_polars")
    second = f'[models.p]\ndata_dir = "data"\ntask = "classification"\ntarget = "label"\n{other}'
    daemon = Daemon(folder, config + second + sections(folder, *KINDS), columns=False)
    prepare_cases.drop(prepare_cases.rows(1), folder / "data", "a.csv")
    daemon.start()
    for model in ("m", "p"):
        daemon.wait("model_swapped", timeout_s=TRAINED_S, model=model)
    pipelines = adopted_before_data(daemon, *KINDS)
    asked = frame(7, ROWS)
    calls: dict[str, Call] = {}
    for kind in KINDS:
        own = pipelines[kind]
        calls[kind] = requested(asked), lambda at, own=own: own.predict_proba(asked[INPUTS].iloc[[at]])
    for model in ("m", "p"):
        version = load_version(Path(daemon.json("versions", model)[-1]["path"]))
        rows = prepare_cases.requested(prepare_cases.rows(9, ROWS))
        read = version.preprocessor.preparation
        assert read is not None
        frames = [_frame(read, row) for row in rows]
        calls[model] = rows, lambda at, read=read, frames=frames: read.function(frames[at])
    return daemon, calls


def _frame(preparation: Any, row: dict[str, Any]) -> Any:
    """The frame that the user's code would be given of one row."""
    from retrain.model.frames import column_for, frame_of

    cells, raw = preparation.raw.transform_rows([row]), preparation.raw.features
    columns = [column_for(preparation.library, cells[:, at], one.kind) for at, one in enumerate(raw)]
    return frame_of(preparation.library, [one.name for one in raw], columns)


def _measured(
    connection: http.client.HTTPConnection, model: str, rows: list[Any], plain: Callable[[int], Any], count: int
) -> tuple[str, ...]:
    bodies = [json.dumps({"rows": [row]}) for row in rows]
    served, called = [], []
    for number in range(count + WARM):
        at, begun = number % len(rows), time.perf_counter()
        connection.request("POST", f"/models/{model}/predict", bodies[at], {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        ended = time.perf_counter()
        plain(at)
        if number >= WARM:
            served.append(1000 * (ended - begun))
            called.append(1000 * (time.perf_counter() - ended))
    p50, alone = statistics.median(served), statistics.median(called)
    return f"{p50:.2f}", f"{statistics.quantiles(served, n=100)[98]:.2f}", f"{alone:.2f}", f"{p50 - alone:.2f}"


if __name__ == "__main__":
    main()
