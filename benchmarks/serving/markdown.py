"""The results as tables in Markdown."""

from collections.abc import Iterator, Sequence

from benchmarks.figures import Goal
from benchmarks.serving.comparison import CELLS, P99_SHARE, TARGETS, Cell, Row, best_peer, least_p99_ms, ratio

SMALL = 10


def servers(rows: Sequence[Row]) -> Iterator[str]:
    """A line a server: requests/s (p50 / p99 in ms) of each cell, and memory."""
    yield from _head("requests/s (p50 / p99 ms)", [*map(_title, CELLS), "memory, PSS MB"])
    for row in rows:
        whole, *server = row.memory_mb
        weight = f"{whole:.0f}" + "".join(f" (server {part:.0f})" for part in server)
        yield _line(row.name, [*(_cell(row, cell) for cell in CELLS), weight])


def ratios(rows: Sequence[Row]) -> Iterator[str]:
    """driftd's requests/s as multiples of the best peer's, and its p99 on one connection."""
    names = [_title(cell) for cell in CELLS]
    yield from _head("driftd ÷ best peer", [*names, "p99, 1 row, c = 1"])
    best = [peer.name if (peer := best_peer(rows, cell)) else "none" for cell in CELLS]
    yield _line("best peer", [*best, "the least"])
    for name in (row.name for row in rows if row.name in TARGETS):
        aims = (TARGETS[name].get(cell) for cell in CELLS)
        yield _line(f"target of {name}", [*(f"≥ {aim:g}" if aim else "" for aim in aims), f"≤ {P99_SHARE:g}"])
    least = least_p99_ms(rows)
    for row in (row for row in rows if not row.peer):
        shares = [ratio(rows, row, cell) for cell in CELLS]
        p99 = f"{row.median(CELLS[0], 'p99_ms') / least:.2f}" if least else ""
        yield _line(row.name, [*(f"{share:.1f}" if share else "" for share in shares), p99])


def targets(goals: Sequence[Goal]) -> Iterator[str]:
    """What was aimed at and what came of it."""
    yield from _head("what", ["measured", "target", ""])
    for goal in goals:
        yield _line(goal.name, goal.words)


def _cell(row: Row, cell: Cell) -> str:
    if failed := row.failed(cell):
        return f"failed: {failed} requests"
    rate, *latencies = (row.median(cell, key) for key in ("per_s", "p50_ms", "p99_ms"))
    return f"{rate:,.0f} ({' / '.join(map(_short, latencies))})"


def _short(number: float) -> str:
    return f"{number:.2g}" if number < SMALL else f"{number:.0f}"


def _title(cell: Cell) -> str:
    size, connections = cell
    return f"{size} row{'s' if size > 1 else ''}, c = {connections}"


def _head(first: str, others: Sequence[str]) -> Iterator[str]:
    yield _line(first, others)
    yield "|" + "---|" * (len(others) + 1)


def _line(first: str, others: Sequence[str]) -> str:
    return "| " + " | ".join([first, *others]) + " |"
