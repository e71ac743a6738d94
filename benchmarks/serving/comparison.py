"""driftd's server and its peers under the same load in turns: requests a second, latencies, memory, ratios."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.figures import Goal
from benchmarks.serving import endpoints as running
from benchmarks.serving.endpoints import Endpoint
from benchmarks.serving.processes import settle
from benchmarks.serving.wrk import Load, Wrk

Tell = Callable[[str], None]
Cell = tuple[int, int]
CELLS: tuple[Cell, ...] = ((1, 1), (1, 16), (1, 64), (100, 1), (100, 16), (100, 64))
ACCELERATED: dict[Cell, float] = dict(zip(CELLS, (20, 12, 12, 3, 3, 3), strict=True))
FALLBACK: dict[Cell, float] = {(1, 16): 6, (1, 64): 8, (100, 1): 3, (100, 16): 3, (100, 64): 3}
TARGETS = {"driftd": ACCELERATED, "driftd, scikit-learn": FALLBACK}
P99_SHARE = 0.2


@dataclass(frozen=True)
class Options:
    """How long each cell is loaded, and how often."""

    seconds: float
    rounds: int
    warm_up_s: float


@dataclass
class Row:
    """A server's rounds, by rows of a body and connections."""

    name: str
    peer: bool
    loads: dict[Cell, list[Load]] = field(default_factory=dict)
    memory_mb: tuple[float, ...] = ()

    def failed(self, cell: Cell) -> int:
        """Requests that failed in all rounds."""
        return sum(load.failed for load in self.loads[cell])

    def counts(self, cell: Cell) -> bool:
        """Whether it answered, and nothing else than 200."""
        return not self.failed(cell) and all(load.requests for load in self.loads[cell])

    def median(self, cell: Cell, key: str) -> float:
        """Of the rounds."""
        return statistics.median(getattr(load, key) for load in self.loads[cell])


def measure(endpoints: Sequence[Endpoint], wrk: Wrk, folder: Path, options: Options, tell: Tell) -> list[Row]:
    """All servers run; one at a time is loaded, each in each round."""
    rows = [Row(endpoint.name, endpoint.peer, {cell: [] for cell in CELLS}) for endpoint in endpoints]
    files = [running.written(endpoint, folder) for endpoint in endpoints]
    for turn in range(options.rounds):
        for row, endpoint, bodies in zip(rows, endpoints, files, strict=True):
            for cell in CELLS:
                row.loads[cell].append(_one(endpoint, bodies[cell[0]], cell[1], wrk, options))
            rates = " · ".join(f"{row.loads[cell][-1].per_s:,.0f}" for cell in CELLS)
            tell(f"round {turn + 1} of {options.rounds}, {row.name}: {rates} requests/s")
    for row, endpoint in zip(rows, endpoints, strict=True):
        row.memory_mb = endpoint.memory_mb
    return rows


def _one(endpoint: Endpoint, bodies: Path, connections: int, wrk: Wrk, options: Options) -> Load:
    """A cell of a round; what a load leaves behind unanswered is not counted against the next."""
    if options.warm_up_s:
        wrk.run(endpoint.url, bodies, connections, options.warm_up_s)
        settle(endpoint.pids[0])
    load = wrk.run(endpoint.url, bodies, connections, options.seconds)
    settle(endpoint.pids[0])
    return load


def best_peer(rows: Sequence[Row], cell: Cell) -> Row | None:
    """The peer with the most requests a second, of those that answered all."""
    peers = [row for row in rows if row.peer and row.counts(cell)]
    return max(peers, key=lambda row: row.median(cell, "per_s"), default=None)


def least_p99_ms(rows: Sequence[Row]) -> float | None:
    """Of all peers, for one row on one connection."""
    first = CELLS[0]
    return min((row.median(first, "p99_ms") for row in rows if row.peer and row.counts(first)), default=None)


def ratio(rows: Sequence[Row], row: Row, cell: Cell) -> float | None:
    """Its requests a second as a multiple of the best peer's; none where requests failed."""
    best = best_peer(rows, cell)
    return row.median(cell, "per_s") / best.median(cell, "per_s") if best and row.counts(cell) else None


def goals(rows: Sequence[Row]) -> list[Goal]:
    """The targets of driftd and of its fallback; one that could not be measured counts as 0."""
    found = []
    for row in (row for row in rows if row.name in TARGETS and any(each.peer for each in rows)):
        for cell, target in TARGETS[row.name].items():
            size, connections = cell
            name = f"{row.name} ÷ best peer, rows {size}, connections {connections}"
            found.append(Goal(name, ratio(rows, row, cell) or 0.0, "×", target, True))
        least = least_p99_ms(rows)
        if least:
            share = row.median(CELLS[0], "p99_ms") / least
            found.append(Goal(f"{row.name}: p99 ÷ least p99 of a peer, 1 row, 1 connection", share, "×", P99_SHARE))
        failures = sum(row.failed(cell) for cell in CELLS)
        found.append(Goal(f"{row.name}: failed requests", failures, "requests", 0))
    return found


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Every round of every cell."""
    return [
        {
            "server": row.name,
            "peer": row.peer,
            "memory_mb": row.memory_mb,
            "cells": [
                {"rows": size, "connections": connections, "rounds": [asdict(load) for load in loads]}
                for (size, connections), loads in row.loads.items()
            ],
        }
        for row in rows
    ]
