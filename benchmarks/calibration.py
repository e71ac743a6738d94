"""How often checks alarm where nothing changed, over many references, and how often where something did.

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

from benchmarks.figures import machine
from drift import Codes, ColumnValues, Reference, build_reference, check_columns

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """`rows` a batch and a reference of `ratio` times as many, with `numeric` and `categorical` columns of
    `categories` each. `dependence` is "rows" (independent), "batch" (each batch has its own mean, `strength` standard
    deviations of them) or "near" (autoregressive rows with coefficient `strength`); `shift` moves every column."""

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
        levels = _numbers(setting, rng, 0)
        ranks = np.searchsorted(_cuts(setting.categories), levels)
        columns[f"c{position}"] = Codes(ranks, [f"v{k}" for k in range(setting.categories)])
    return columns


def reference(setting: Setting, rng: np.random.Generator) -> Reference:
    """Of `ratio` batches, end to end."""
    pieces = [batch(setting, rng) for _ in range(setting.ratio)]
    return build_reference((name, _joined([piece[name] for piece in pieces])) for name in pieces[0])


def rates(setting: Setting, budgets: tuple[float, ...], seed: int) -> dict[float, Rate]:
    """The rate of alarmed checks at each budget."""
    shares: dict[float, list[float]] = {budget: [] for budget in budgets}
    for number in range(setting.references):
        rng = np.random.default_rng([seed, number])
        known = reference(setting, rng)
        alarms = dict.fromkeys(budgets, 0)
        for _ in range(setting.checks):
            now = batch(setting, rng, setting.shift)
            for budget in budgets:
                report = check_columns(known, now.items(), alpha=budget, min_effect=setting.min_effect)
                alarms[budget] += report.drift
        for budget in budgets:
            shares[budget].append(alarms[budget] / setting.checks)
    return {
        budget: Rate(
            float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(len(found))), float(np.quantile(found, 0.95))
        )
        for budget, found in shares.items()
    }


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
    return shapes[position % len(shapes)](noise)


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
    for rows in (100, 1_000, 10_000):
        for ratio in (1, 10, 100):
            yield replace(base, rows=rows, ratio=ratio)
    yield replace(base, rows=100_000, references=20, checks=10)
    yield replace(base, numeric=3, categorical=2)
    yield replace(base, numeric=120, categorical=80, references=30)
    for categories in (2, 50, 1_000):
        for rows in (100, 1_000):
            yield replace(base, numeric=0, categorical=20, categories=categories, rows=rows)
    for ratio in (10, 20, 100):
        for strength in (0.05, 0.2):
            yield replace(base, ratio=ratio, dependence="batch", strength=strength)
    for ratio in (1, 10, 100):
        for strength in (0.3, 0.9):
            yield replace(base, ratio=ratio, dependence="near", strength=strength)
    yield replace(base, rows=10_000, shift=0.02, min_effect=0.05, references=30)


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
    print("| rows | reference | columns | categories | rows depend | at 1 % | at 5 % | 95 % of references at 5 % |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for setting, found in pool.map(_measured, todo):
            results.append({"setting": asdict(setting), "rates": {str(k): asdict(v) for k, v in found.items()}})
            print(_line(setting, found), flush=True)
    print(json.dumps({"machine": machine(), "results": results}), file=sys.stderr)


def _line(setting: Setting, found: dict[float, Rate]) -> str:
    depends = {"rows": "no", "batch": f"batch means, sd {setting.strength}", "near": f"AR(1) {setting.strength}"}
    said = depends[setting.dependence] + (f"; all shifted {setting.shift} sd" if setting.shift else "")
    columns, kinds = f"{setting.numeric} + {setting.categorical}", setting.categories if setting.categorical else "-"
    told = [f"{100 * rate.mean:.1f} ± {100 * rate.se:.1f} %" for rate in found.values()]
    worst = f"{100 * found[0.05].worst:.0f} %"
    return f"| {setting.rows:,} | {setting.ratio} × | {columns} | {kinds} | {said} | {told[0]} | {told[1]} | {worst} |"


if __name__ == "__main__":
    main()
