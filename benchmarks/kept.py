"""Results of runs, kept as JSON: what is there is not made again, and what was interrupted is not there."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

Case = TypeVar("Case")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Run:
    """One replay of a `stream`: `name` says of what (a policy, a schedule), `out` is where results are kept; `uneven`:
    batches are files of very different lengths; `rows`: of a longer stream so many in equal steps (0: all);
    without `checks` no batch is checked for drift or held."""

    stream: Path
    name: str
    out: Path
    batches: int = 50
    initial: int = 4
    delay: int = 0
    estimator: str = "auto"
    metric: str = "auto"
    seed: int = 0
    uneven: bool = False
    rows: int = 0
    checks: bool = True

    def __str__(self) -> str:
        return f"{self.stream.stem} {self.name} {self.batches}"

    @property
    def path(self) -> Path:
        """Where its result is: of the same name only for the same run."""
        estimator, more = self.estimator.rpartition(".")[2], ["uneven"] if self.uneven else []
        more += [f"{self.rows}rows"] if self.rows else []
        more += [] if self.checks else ["unchecked"]
        parts = (self.name, self.batches, self.initial, self.delay, estimator, self.metric, self.seed, *more)
        return self.out / self.stream.stem / (re.sub(r"[^A-Za-z0-9.+]+", "-", "_".join(map(str, parts))) + ".json")

    def result(self) -> dict[str, Any]:
        """As it was kept."""
        return kept(self.path)


def make_once(path: Path, make: Callable[[Path], dict[str, Any]]) -> None:
    """Make the result unless it is there, in a folder to work in; whole or not at all."""
    if path.exists():
        return
    with TemporaryDirectory(prefix="driftd-bench-") as work:
        result = make(Path(work))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(result), "utf-8")
    temporary.replace(path)


def kept(path: Path) -> dict[str, Any]:
    """A result as it was made."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def make_runs(play: Callable[[Run, Path], dict[str, Any]], runs: Sequence[Run], jobs: int) -> set[Run]:
    """Make what is missing: a result in a folder to work in. Those that failed."""
    missing = [run for run in runs if not run.path.exists()]
    return set(missing) - {run for run, _ in in_processes(partial(_make_run, play), missing, jobs)}


def _make_run(play: Callable[[Run, Path], dict[str, Any]], run: Run) -> None:
    make_once(run.path, partial(play, run))


def make_lines(
    path: Path, make: Callable[[Case], Mapping[str, Any]], cases: Mapping[str, Case], jobs: int
) -> list[dict[str, Any]]:
    """What came of cases, by their keys, a line of JSON each in one file, in which what is missing is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    names = {case: key for key, case in cases.items() if key not in {one.get("key") for one in lines}}
    with path.open("a", encoding="utf-8") as file:
        for case, found in in_processes(make, list(names), jobs):
            lines.append({"key": names[case], **found})
            print(json.dumps(lines[-1]), file=file, flush=True)
    return lines


def in_processes(make: Callable[[Case], Found], cases: Sequence[Case], jobs: int) -> Iterator[tuple[Case, Found]]:
    """What came of each case, as it comes, by spawned processes; progress, and what failed, go to standard error."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(make, case): case for case in cases}
        for done, future in enumerate(as_completed(waiting), 1):
            case, error = waiting[future], future.exception()
            told = "" if error is None else f": {type(error).__name__}: {error}"
            print(f"{done} of {len(cases)}: {case}{told}", file=sys.stderr, flush=True)
            if error is None:
                yield case, future.result()
