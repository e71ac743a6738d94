"""The packages that are compared: each in an environment of its own, its runner in a process of its own."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import environments
from benchmarks.environments import Failed
from benchmarks.kept import kept, make_once

HERE = Path(__file__).parent
DETECTORS = ("river", "frouros")
BENCH = "lfmm"


@dataclass(frozen=True)
class Tools:
    """Where environments are, what makes them, and where progress is told."""

    envs: Path
    base: str
    tell: Callable[[str], None]

    def run(self, package: str, *arguments: object) -> dict[str, Any]:
        """What the package's runner printed; Failed says why there is nothing."""
        requirements = HERE / f"requirements-{package}.txt"
        python = environments.interpreter(requirements, self.envs / package, self.base, self.tell)
        told = environments.run([python, str(HERE / f"run_{package}.py"), *map(str, arguments)])
        lines = [line for line in told.splitlines() if line.startswith("{")]
        if not lines:
            raise Failed(f"run_{package}.py printed no result")
        result: dict[str, Any] = json.loads(lines[-1])
        return result

    def run_once(self, path: Path, package: str, *arguments: object) -> dict[str, Any]:
        """The same, kept at a path and never run twice."""
        make_once(path, lambda _: self.run(package, *arguments))
        return kept(path)
