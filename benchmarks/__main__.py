"""Runs the benchmarks that are named, or all quick ones, and prints a table with the machine, then the same as JSON."""

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure, machine

NAMES = ("latency", "idle", "rescan", "memory")
MORE = ("files", "many", "swaps", "asked")
"""Those that take minutes or a server, and are measured where they are named."""
Measure = Callable[[Path], list[Figure]]


def main() -> None:
    """Measure one after the other: they would disturb each other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="|".join((*NAMES, *MORE)))
    names = parser.parse_args().names
    if unknown := sorted(set(names) - {*NAMES, *MORE}):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join((*NAMES, *MORE))}")
    console = Console()
    computer, figures = machine(), []
    for name in names:
        console.print(f"measuring {name} …", style="dim")
        measure: Measure = import_module(f"benchmarks.{name}").measure
        with tempfile.TemporaryDirectory(prefix="driftd-bench-") as folder:
            figures += measure(Path(folder))
    console.print(_table(figures))
    for key, value in computer.items():
        console.print(f"{key}: {value}", highlight=False)
    print(json.dumps({"machine": computer, "figures": [asdict(f) | {"met": f.met} for f in figures]}))


def _table(figures: list[Figure]) -> Table:
    table = Table("what", "measured", "target", "", "how")
    for figure in figures:
        table.add_row(
            figure.name, f"{figure.value:.3g} {figure.unit}", f"≤ {figure.target:g} {figure.unit}",
            "met" if figure.met else "missed", figure.note,
        )  # fmt: skip
    return table


if __name__ == "__main__":
    main()
