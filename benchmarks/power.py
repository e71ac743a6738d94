"""How often a check of 1,000 rows against 1,000 alarms where something changed, at a budget of 5 %.

Twenty features, all of which help to predict a label of two classes; a logistic model with an AUC of 0.93, trained on
other rows. Each change is checked with the features alone and with the model's outputs, many times, each time with new
rows on both sides, by several models."""

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibration import remember_ks
from benchmarks.figures import machine
from drift import ColumnValues, build_reference, check_columns
from drift.derived.outputs import output_columns

Floats = NDArray[np.float64]
FEATURES, ROWS, TRAINING_ROWS = 20, 1_000, 5_000
BUDGET = 0.05
GAP = 2.09
"""Distance of the classes' means in standard deviations: an AUC of Φ(GAP/√2) = 0.93."""


@dataclass(frozen=True)
class Change:
    """The `share` of the label, 0.5 before; `shift` of one feature in standard deviations; the power aimed at."""

    name: str
    share: float = 0.5
    shift: float = 0.0
    aim: str = "-"
    outputs: bool = True


CHANGES = (
    Change("nothing", aim="≤ 5 %", outputs=False),
    Change("nothing", aim="≤ 5 %"),
    Change("one of 20 features by 0.3 sd", shift=0.3, aim="≥ 95 %", outputs=False),
    Change("one of 20 features by 0.3 sd", shift=0.3, aim="≥ 95 %"),
    Change("label share 50 → 40 %", share=0.4, aim="≥ 70 %"),
    Change("label share 50 → 30 %", share=0.3, aim="≥ 99 %"),
    Change("label share 50 → 40 %", share=0.4, outputs=False),
    Change("label share 50 → 30 %", share=0.3, outputs=False),
)


class Population:
    """Rows of two classes whose means differ in a direction of all features, and a model that tells them apart."""

    def __init__(self, seed: int) -> None:
        from sklearn.linear_model import LogisticRegression

        self.rng = np.random.default_rng([2, seed])
        direction = self.rng.normal(size=FEATURES)
        self.direction = direction / np.linalg.norm(direction)
        labels, rows = self.draw(TRAINING_ROWS, 0.5)
        self.model = LogisticRegression().fit(rows, labels)

    def draw(self, rows: int, share: float) -> tuple[NDArray[np.bool_], Floats]:
        """Labels, shape (rows,), and features, shape (rows, 20)."""
        labels = self.rng.random(rows) < share
        return labels, self.rng.normal(size=(rows, FEATURES)) + GAP * np.outer(labels - 0.5, self.direction)

    def said(self, rows: Floats) -> Iterator[tuple[str, ColumnValues]]:
        """The model's outputs."""
        likely = self.model.predict_proba(rows)
        return output_columns(np.where(likely[:, 1] > 0.5, "yes", "no"), likely, ["no", "yes"])


def alarms(change: Change, seed: int, checks: int) -> float:
    """The share of checks that alarm, of one population and model."""
    people, found = Population(seed), 0
    for _ in range(checks):
        before, now = people.draw(ROWS, 0.5)[1], people.draw(ROWS, change.share)[1]
        now[:, seed % FEATURES] += change.shift
        known = build_reference(_columns(before), people.said(before) if change.outputs else ())
        said = people.said(now) if change.outputs else ()
        found += check_columns(known, _columns(now), said, alpha=BUDGET).drift
    return found / checks


def _columns(rows: Floats) -> Iterator[tuple[str, ColumnValues]]:
    return ((f"x{k}", rows[:, k]) for k in range(FEATURES))


def main() -> None:
    """Measure all changes on `--jobs` processes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--checks", type=int, default=50, help="for each model")
    arguments = parser.parse_args()
    print("| what changed | watched | alarms at 5 % | aim |\n|---|---|---|---|", flush=True)
    with ProcessPoolExecutor(arguments.jobs, initializer=remember_ks) as pool:
        for change in CHANGES:
            models = range(arguments.models)
            found = list(pool.map(alarms, [change] * len(models), models, [arguments.checks] * len(models)))
            error = float(np.std(found, ddof=1) / np.sqrt(len(found)))
            watched = "features and outputs" if change.outputs else "features"
            told = f"{100 * np.mean(found):.1f} ± {100 * error:.1f} %"
            print(f"| {change.name} | {watched} | {told} | {change.aim} |", flush=True)
    print("\n" + ", ".join(f"{key}: {value}" for key, value in machine().items()))


if __name__ == "__main__":
    main()
