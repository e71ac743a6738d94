"""How often `driftd check` alarms where something changed, and where nothing did, at budgets of 1 and 5 %.

For each population a real service trains and promotes a model, by default settings, on all of the ten files of 1,000
rows that lie in its folder. New files are then judged by the function that `driftd check` runs, on that state; of the
first model the first file of each change by the command itself too, which must say the same. `benchmarks.calibration`
measures more references, by the same `check_columns` without a model."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from daemon_harness import Daemon
from numpy.typing import NDArray
from scipy.signal import lfilter

from benchmarks.calibration import remember_ks
from benchmarks.figures import machine

Floats = NDArray[np.float64]
FEATURES, ROWS, FILES = 20, 1_000, 10
BUDGETS = (0.01, 0.05)
GAP = 2.09
"""Distance of the classes' means in standard deviations: a best AUC of Φ(GAP/√2) = 0.93."""
STEP = 2.0
CATEGORIES = np.array([0.4, 0.25, 0.15, 0.1, 0.06, 0.04])
CONFIG = """\
[service]
state_dir = "state"
listen = "127.0.0.1:{port}"
min_free = "1MB"
[models.m]
data_dir = "data"
task = "classification"
target = "label"
[models.m.intake]
settle = "200ms"
[models.m.triggers]
first_rows = {rows}
[models.m.drift]
false_alarms = {budget}
"""


@dataclass(frozen=True)
class Rows:
    """How a file's rows are drawn: the `share` of the label; `shift` of one feature and `step` of all, in standard
    deviations; `moved` is the share that goes to the rarest category of one column, `missing` the share of one column's
    values that are gone."""

    share: float = 0.5
    shift: float = 0.0
    step: float = 0.0
    moved: float = 0.0
    missing: float = 0.0


@dataclass(frozen=True)
class Reference:
    """What the model was trained on: the last `new` of the files are after a step; all rows are independent, or depend
    on their neighbours (AR(1) of `near`), or files have means of their own (`jitter`, sd). With `mixed` eight of the
    columns are categories and 5 % of the cells are missing."""

    name: str
    new: int = 0
    near: float = 0.0
    jitter: float = 0.0
    mixed: bool = False
    sizes: tuple[int, ...] = (ROWS,) * FILES


Change = tuple[str, Rows]
NOTHING: Change = ("nothing", Rows())
SHIFT: Change = ("one feature by 0.3 sd", Rows(shift=0.3))
LIKE: Change = ("like the newest file", Rows(step=STEP))
PLAN: tuple[tuple[Reference, tuple[Change, ...]], ...] = (
    (
        Reference("ten files"),
        (
            NOTHING,
            SHIFT,
            ("label share 50 → 40 %", Rows(share=0.4)),
            ("label share 50 → 30 %", Rows(share=0.3)),
        ),
    ),
    (Reference("the newest after a step of 2 sd", new=1), (LIKE, ("0.3 sd more in one", Rows(shift=0.3, step=STEP)))),
    (
        Reference("the newest three after a step", new=3),
        (LIKE, ("0.3 sd more in one", Rows(shift=0.3, step=STEP)), ("back to before", Rows())),
    ),
    (Reference("rows depend, AR(1) 0.7", near=0.7), (NOTHING, SHIFT, ("one by 1 sd", Rows(shift=1.0)))),
    (Reference("the same, newest after a step", new=1, near=0.7), (LIKE,)),
    (Reference("files' means vary, sd 0.05", jitter=0.05), (NOTHING, SHIFT, ("one by 1 sd", Rows(shift=1.0)))),
    (Reference("the same, newest after a step", new=1, jitter=0.05), (LIKE,)),
    (
        Reference("12 numbers, 8 categories, 5 % missing", mixed=True),
        (
            NOTHING,
            SHIFT,
            ("a rare category 4 → 14 % in one", Rows(moved=0.1)),
            ("missing 5 → 15 % in one", Rows(missing=0.1)),
        ),
    ),
    (Reference("the same, newest after a step", new=1, mixed=True), (LIKE,)),
    (
        Reference("files of 300 to 3,000 rows", sizes=(500, 3000, 800, 300, 1500, 400, 2000, 1000, 300, 700)),
        (NOTHING, SHIFT),
    ),
    (
        Reference("the same, newest after a step", new=1, sizes=(500, 3000, 800, 300, 1500, 400, 2000, 1000, 300, 700)),
        (LIKE,),
    ),
)


class Population:
    """Rows of two classes whose means differ in a direction of all numbers."""

    def __init__(self, reference: Reference, seed: int) -> None:
        self.reference, self.seed = reference, seed
        self.rng = np.random.default_rng([2, seed])
        self.numbers = FEATURES - 8 if reference.mixed else FEATURES
        direction = self.rng.normal(size=self.numbers)
        self.direction = direction / np.linalg.norm(direction)

    def draw(self, how: Rows, rows: int = ROWS) -> pa.Table:
        """One file, with its labels."""
        labels = self.rng.random(rows) < how.share
        X = self._noise(rows) + GAP * np.outer(labels - 0.5, self.direction) + how.step
        place = self.seed % self.numbers
        X[:, place] += how.shift
        columns: dict[str, Any] = {f"x{k}": X[:, k] for k in range(self.numbers)}
        if self.reference.mixed:
            self._gone(columns, f"x{place}", how.missing)
            columns |= {f"c{k}": self._words(rows, how, k == self.seed % 8) for k in range(8)}
        return pa.table(columns | {"label": np.where(labels, "yes", "no")})

    def _noise(self, rows: int) -> Floats:
        noise = self.rng.normal(size=(rows, self.numbers))
        near = self.reference.near
        if near:
            start = near * self.rng.normal(size=(1, self.numbers))
            noise = lfilter([np.sqrt(1 - near**2)], [1, -near], noise, axis=0, zi=start)[0]
        return np.asarray(noise + self.reference.jitter * self.rng.normal(size=self.numbers))

    def _gone(self, columns: dict[str, Any], most: str, share: float) -> None:
        for name, values in columns.items():
            gone = self.rng.random(len(values)) < 0.05 + share * (name == most)
            columns[name] = pa.array(values, mask=gone)

    def _words(self, rows: int, how: Rows, chosen: bool) -> pa.Array:
        """After a step the first two categories have changed places."""
        moved = how.moved if chosen else 0.0
        shares = CATEGORIES * (1 - moved / (1 - CATEGORIES[-1]))
        shares[-1] = CATEGORIES[-1] + moved
        codes = self.rng.choice(len(shares), rows, p=shares / shares.sum())
        if how.step:
            codes = np.where(codes < 2, 1 - codes, codes)
        return pa.array(np.array(list("abcdef"))[codes], mask=self.rng.random(rows) < 0.05)


def alarms(reference: Reference, changes: tuple[Change, ...], seed: int, checks: int) -> Floats:
    """The share of checks that alarm, by change and budget, of one population and its model."""
    people, found = Population(reference, seed), np.zeros((len(changes), len(BUDGETS)))
    with TemporaryDirectory(prefix="driftd-power-") as name:
        judge = trained(people, Path(name))
        for place, (_, how) in enumerate(changes):
            for number in range(checks):
                file = Path(name) / "now.parquet"
                pq.write_table(people.draw(how), file)
                found[place] += judge(file, number == seed == 0)
    return found / checks


def trained(people: Population, folder: Path) -> Callable[[Path, bool], list[bool]]:
    """A model by the service itself; what judges a file by it at each budget, and asks the command too if told so."""
    daemon = Daemon(folder)
    configs = [folder / "config.toml", *(folder / f"config{k}.toml" for k in range(1, len(BUDGETS)))]
    for path, budget in zip(configs, BUDGETS, strict=True):
        path.write_text(CONFIG.format(port=daemon.port, budget=budget, rows=sum(people.reference.sizes)))
    first_new = len(people.reference.sizes) - people.reference.new
    for number, rows in enumerate(people.reference.sizes):
        how = Rows(step=STEP if number >= first_new else 0.0)
        pq.write_table(people.draw(how, rows), daemon.data / f"{number:02}.parquet")
    try:
        daemon.start()
        daemon.wait("model_swapped", timeout_s=600)
        daemon.stop()
    finally:
        daemon.close()
    return lambda file, ask: [_judged(config, file, ask) for config in configs]


def _judged(path: Path, file: Path, ask: bool) -> bool:
    from daemon.config.config import load_config
    from daemon.ledger import open_ledger
    from daemon.tools.check_file import judge_file

    config = load_config(path)
    ledger = open_ledger(config.state_dir, create=False, read_only=True)
    try:
        report = judge_file(config, ledger, "m", file)
    finally:
        ledger.close()
    if ask:
        command = [sys.executable, "-m", "daemon", "-c", str(path), "check", str(file), "--model", "m", "--json"]
        told = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
        same = ("drift", "columns", "outputs", "notes")
        assert [told[key] for key in same] == [report[key] for key in same], "the command says something else"
    return bool(report["drift"])


def main() -> None:
    """Measure all of the plan on `--jobs` processes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--checks", type=int, default=40, help="for each model and change")
    parser.add_argument("--only", default="", help="references whose name has this")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    print("| the model's files | what changed | at 1 % | at 5 % |\n|---|---|---|---|", flush=True)
    models = range(arguments.models)
    with ProcessPoolExecutor(arguments.jobs, initializer=remember_ks) as pool:
        for reference, changes in PLAN:
            if arguments.only not in reference.name:
                continue
            many = [[one] * len(models) for one in (reference, changes)]
            found = np.stack(list(pool.map(alarms, *many, models, [arguments.checks] * len(models))))
            for place, (what, _) in enumerate(changes):
                rates = [_rate(found[:, place, budget]) for budget in range(len(BUDGETS))]
                print(f"| {reference.name} | {what} | {' | '.join(rates)} |", flush=True)
    print("\n" + ", ".join(f"{key}: {value}" for key, value in machine().items()))


def _rate(shares: Floats) -> str:
    error = float(shares.std(ddof=1) / np.sqrt(len(shares))) if len(shares) > 1 else float("nan")
    return f"{100 * shares.mean():.1f} ± {100 * error:.1f} %"


if __name__ == "__main__":
    main()
