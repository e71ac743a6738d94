"""A plain loop of SciPy's tests. Arguments: the Parquet files of the reference and of the current rows."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from data import CATEGORICAL, NUMERIC, frame
from meter import Cost, measure, report
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, ks_2samp, wasserstein_distance

WARM_UP = 2_000
EMPTY = 1e-4
NOTE = "ks_2samp, wasserstein_distance, JS and PSI on deciles; chi2_contingency, JS, PSI; category dtype"


def main(reference_path: str, current_path: str) -> None:
    """There is no fit: every check reads the whole reference."""
    reference, current = frame(Path(reference_path)), frame(Path(current_path))
    _check(reference.head(WARM_UP), current.head(WARM_UP))
    check = measure(lambda: _check(reference, current))
    report("scipy", Cost(0, 0, 0), check, ("scipy", "numpy", "pandas"), NOTE)


def _check(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, tuple[float, ...]]:
    numeric = {name: _numeric(reference[name], current[name]) for name in NUMERIC}
    return numeric | {name: _categorical(reference[name], current[name]) for name in CATEGORICAL}


def _numeric(reference: pd.Series, current: pd.Series) -> tuple[float, ...]:
    old, new = reference.dropna().to_numpy(), current.dropna().to_numpy()
    test = ks_2samp(old, new)
    edges = np.unique(np.quantile(old, np.linspace(0, 1, 11)[1:-1]))
    before, now = (np.bincount(np.searchsorted(edges, x), minlength=len(edges) + 1) / len(x) for x in (old, new))
    return test.statistic, test.pvalue, wasserstein_distance(old, new), jensenshannon(before, now), _psi(before, now)


def _categorical(reference: pd.Series, current: pd.Series) -> tuple[float, ...]:
    table = pd.DataFrame({"before": reference.value_counts(), "now": current.value_counts()}).fillna(0)
    table = table[table.sum(axis=1) > 0]
    before, now = (table[side].to_numpy() / table[side].sum() for side in ("before", "now"))
    test = chi2_contingency(table.to_numpy().T)
    return test.statistic, test.pvalue, jensenshannon(before, now), _psi(before, now)


def _psi(before: np.ndarray, now: np.ndarray) -> float:
    old, new = np.maximum(before, EMPTY), np.maximum(now, EMPTY)
    return float(np.sum((new - old) * np.log(new / old)))


if __name__ == "__main__":
    main(*sys.argv[1:])
