"""How often checks alarm where nothing changed, over many references (`benchmarks.power`: where something did).

Each setting draws references, checks several batches against each, and reports the share of alarmed checks with a
standard error computed over references: checks of one reference share its chance errors."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

import drift.statistics.ks
from benchmarks.figures import machine
from drift.check.check_columns import check_columns
from drift.derived.outputs import output_columns
from drift.profiles.categorical import Codes
from drift.profiles.profile import ColumnValues
from drift.profiles.reference import Reference, build_reference, with_files
from drift.statistics.samples import Sample
from drift.statistics.scores import Score

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """`rows` a batch and a reference of `ratio` times as many, with `numeric` and `categorical` columns of
    `categories` each. `dependence` is "rows" (independent), "batch" (each batch has its own mean, `strength` standard
    deviations of them) or "near" (autoregressive rows with coefficient `strength`); `shift` moves every column; a share
    `missing` of all cells is missing; with `outputs` a model's probabilities and classes are checked too."""

    rows: int
    ratio: int
    numeric: int
    categorical: int = 0
    categories: int = 2
    dependence: str = "rows"
    strength: float = 0.0
    shift: float = 0.0
    min_effect: float = 0.0
    references: int = 60
    checks: int = 20
    missing: float = 0.0
    outputs: bool = False


@dataclass(frozen=True)
class Rate:
    """The share of alarmed checks, its standard error over references, and the rate that 95 % of these stay below."""

    mean: float
    se: float
    worst: float


def batch(setting: Setting, rng: np.random.Generator, shift: float = 0.0) -> dict[str, ColumnValues]:
    """One batch of rows."""
    columns: dict[str, ColumnValues] = {}
    for position in range(setting.numeric):
        columns[f"n{position}"] = _numbers(setting, rng, position, shift)
    for position in range(setting.categorical):
        levels = _numbers(replace(setting, missing=0.0), rng, 0)
        ranks = np.searchsorted(_cuts(setting.categories), levels)
        if setting.missing:
            ranks[rng.random(setting.rows) < setting.missing] = -1
        columns[f"c{position}"] = Codes(ranks, [f"v{k}" for k in range(setting.categories)])
    return columns


def outputs(setting: Setting, columns: dict[str, ColumnValues]) -> dict[str, ColumnValues]:
    """What a logistic model of the first numeric columns says; nothing unless the setting has outputs."""
    if not setting.outputs:
        return {}
    seen = [np.nan_to_num(np.tanh(x)) for x in columns.values() if not isinstance(x, Codes)]
    likely = 1 / (1 + np.exp(-2 * np.sum(seen[:4], axis=0)))
    both = np.stack([1 - likely, likely], axis=1)
    return dict(output_columns(np.where(likely > 0.5, "yes", "no"), both, ["no", "yes"]))


def reference(setting: Setting, rng: np.random.Generator) -> Reference:
    """Of `ratio` batches, each a file, end to end."""
    pieces = [batch(setting, rng) for _ in range(setting.ratio)]
    columns = {name: _joined([piece.pop(name) for piece in pieces]) for name in list(pieces[0])}
    said = outputs(setting, columns)
    files = np.repeat(np.arange(setting.ratio), setting.rows)
    return with_files(build_reference(columns.items(), said.items()), columns.items(), files, said.items())


def rates(setting: Setting, budgets: tuple[float, ...], seed: int) -> dict[float, Rate]:
    """The rate of alarmed checks at each budget."""
    shares = np.zeros((setting.references, len(budgets)))
    for number in range(setting.references):
        rng = np.random.default_rng([seed, number])
        known = reference(setting, rng)
        for _ in range(setting.checks):
            shares[number] += _alarms(setting, known, batch(setting, rng, setting.shift), budgets)
    shares /= setting.checks
    errors = shares.std(axis=0, ddof=1) / np.sqrt(setting.references)
    worst = np.quantile(shares, 0.95, axis=0)
    return {
        budget: Rate(*map(float, found))
        for budget, *found in zip(budgets, shares.mean(axis=0), errors, worst, strict=True)
    }


def _alarms(setting: Setting, known: Reference, now: dict[str, ColumnValues], budgets: tuple[float, ...]) -> list[bool]:
    """Whether the check alarms at each budget."""
    said, effect = outputs(setting, now), setting.min_effect
    return [check_columns(known, now.items(), said.items(), alpha=one, min_effect=effect).drift for one in budgets]


def _numbers(setting: Setting, rng: np.random.Generator, position: int, shift: float = 0.0) -> Floats:
    noise = rng.normal(shift, 1, size=setting.rows)
    if setting.dependence == "batch":
        noise += setting.strength * rng.normal()
    if setting.dependence == "near":
        from scipy.signal import lfilter

        start = rng.normal()
        scale = np.sqrt(1 - setting.strength**2)
        noise = lfilter([scale], [1, -setting.strength], noise, zi=[setting.strength * start])[0]
    shapes: tuple[Callable[[Floats], Floats], ...] = (lambda x: x, np.exp, np.round, lambda x: x**3)
    values = shapes[position % len(shapes)](noise)
    if setting.missing:
        values[rng.random(setting.rows) < setting.missing] = np.nan
    return values


def _cuts(categories: int) -> Floats:
    """Zipf-like shares over the normal line."""
    from scipy.special import ndtri

    shares = 1 / np.arange(1, categories + 1)
    return np.asarray(ndtri(np.cumsum(shares / shares.sum())[:-1]), dtype=np.float64)


def _joined(pieces: list[ColumnValues]) -> ColumnValues:
    codes = [piece for piece in pieces if isinstance(piece, Codes)]
    if codes:
        return Codes(np.concatenate([piece.codes for piece in codes]), codes[0].names)
    return np.concatenate([piece for piece in pieces if not isinstance(piece, Codes)])


def settings() -> Iterator[Setting]:
    """Batches of 100 to 100,000 rows, references of 1 to 100 times as many, 5 to 200 columns, categories to 1,000."""
    base = Setting(rows=1_000, ratio=10, numeric=12, categorical=8, categories=10)
    few = replace(base, numeric=3, categorical=2)
    for rows in (100, 1_000):
        for ratio in (1, 10, 100):
            yield replace(base, rows=rows, ratio=ratio)
    yield replace(base, rows=10_000, ratio=1, references=40)
    yield replace(base, rows=10_000, references=40)
    yield replace(base, rows=10_000, ratio=100, references=12)
    yield replace(base, rows=100_000, ratio=1, references=30, checks=10)
    yield replace(base, rows=100_000, references=12, checks=10)
    yield replace(few, rows=100_000, ratio=100, references=8, checks=10)
    yield few
    for rows in (100, 1_000):
        yield replace(base, numeric=120, categorical=80, rows=rows, references=30, checks=10)
    for categories in (2, 50, 1_000):
        for rows, ratio in ((100, 1), (100, 10), (1_000, 10)):
            yield replace(base, numeric=0, categorical=20, categories=categories, rows=rows, ratio=ratio)
    yield replace(base, numeric=0, categorical=20, categories=50, rows=100, ratio=100)
    yield replace(base, numeric=0, categorical=20, categories=1_000, rows=10_000, references=30, checks=10)
    for rows, ratio in ((100, 1), (100, 10), (1_000, 10)):
        yield replace(base, rows=rows, ratio=ratio, missing=0.03)
    for rows, ratio in ((100, 10), (1_000, 1), (1_000, 10)):
        yield replace(base, rows=rows, ratio=ratio, outputs=True)
    for ratio in (1, 10, 20, 100):
        for strength in (0.05, 0.2):
            yield replace(base, ratio=ratio, dependence="batch", strength=strength, references=40)
    for ratio in (1, 10, 100):
        for strength in (0.3, 0.9):
            yield replace(base, ratio=ratio, dependence="near", strength=strength, references=40)
    yield replace(base, rows=10_000, shift=0.02, min_effect=0.05, references=30)


def remember_ks() -> None:
    """Keep exact p-values of KS: they depend on the distance and the numbers of rows alone, and recur."""
    known: dict[tuple[int, int, int], Score] = {}
    exact = drift.statistics.ks._exact

    def remembered(left: Sample, right: Sample) -> Score:
        steps = round(drift.statistics.ks.ks_distance(left, right) * len(left) * len(right))
        key = (steps, len(left), len(right))
        if key not in known:
            known[key] = exact(left, right)
        return known[key]

    drift.statistics.ks._exact = remembered


def _measured(setting: Setting) -> tuple[Setting, dict[float, Rate]]:
    return setting, rates(setting, (0.01, 0.05), seed=1)


def main() -> None:
    """Measure all settings on `--jobs` processes, print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of references")
    arguments = parser.parse_args()
    todo = [replace(one, references=max(4, int(one.references * arguments.scale))) for one in settings()]
    results = []
    print("| rows | reference | columns | categories | rows depend | at 1 % | at 5 % | 95 % at 5 % | measured |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    with ProcessPoolExecutor(arguments.jobs, initializer=remember_ks) as pool:
        for setting, found in pool.map(_measured, todo):
            results.append({"setting": asdict(setting), "rates": {str(k): asdict(v) for k, v in found.items()}})
            print(_line(setting, found), flush=True)
    print("\n" + ", ".join(f"{key}: {value}" for key, value in machine().items()))
    print(json.dumps({"machine": machine(), "results": results}), file=sys.stderr)


def _line(setting: Setting, found: dict[float, Rate]) -> str:
    depends = {"rows": "no", "batch": f"batch means, sd {setting.strength}", "near": f"AR(1) {setting.strength}"}
    said = depends[setting.dependence]
    said += f"; all shifted {setting.shift} sd, `min_effect` {setting.min_effect}" if setting.shift else ""
    said += f"; {100 * setting.missing:.0f} % missing" if setting.missing else ""
    said += "; with outputs" if setting.outputs else ""
    many = f"{setting.references} × {setting.checks}"
    columns, kinds = f"{setting.numeric} + {setting.categorical}", setting.categories if setting.categorical else "-"
    told = [f"{100 * rate.mean:.1f} ± {100 * rate.se:.1f} %" for rate in found.values()]
    worst = f"{100 * found[0.05].worst:.0f} %"
    cells = [f"{setting.rows:,}", f"{setting.ratio} ×", columns, str(kinds), said, *told, worst, many]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
