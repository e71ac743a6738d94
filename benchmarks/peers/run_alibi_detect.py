"""alibi-detect's drift detectors. Arguments: the Parquet files of reference and current rows, KSDrift or TabularDrift.

Its licence (BSL 1.1) allows measuring it, not serving with it: it stays out of driftd."""

import sys
import warnings
from pathlib import Path

import numpy as np
from alibi_detect.cd import KSDrift, TabularDrift
from data import CATEGORICAL, NUMERIC, frame
from meter import measure, report

WARM_UP = 2_000
NOTES = {
    "KSDrift": "40 numeric columns only; float64 matrix; missing values filled, since it takes none",
    "TabularDrift": "KS and chi²; float64 matrix with category codes; missing values filled, since it takes none",
}


def main(reference_path: str, current_path: str, method: str) -> None:
    """Fit is making the detector, which keeps the reference."""
    warnings.simplefilter("ignore")
    reference, current = _matrix(reference_path, method), _matrix(current_path, method)
    _detector(reference[:WARM_UP], method).predict(current[:WARM_UP])
    made: list[KSDrift | TabularDrift] = []
    fit = measure(lambda: made.append(_detector(reference, method)))
    check = measure(lambda: made[0].predict(current))
    report(f"alibi-detect {method}", fit, check, ("alibi-detect", "numpy", "scipy"), NOTES[method])


def _detector(reference: np.ndarray, method: str) -> KSDrift | TabularDrift:
    if method == "KSDrift":
        return KSDrift(reference, p_val=0.05)
    seen = dict.fromkeys(range(len(NUMERIC), len(NUMERIC) + len(CATEGORICAL)))  # None: those in the reference
    return TabularDrift(reference, p_val=0.05, categories_per_feature=seen)


def _matrix(path: str, method: str) -> np.ndarray:
    rows = frame(Path(path))
    columns = [rows[name].fillna(rows[name].median()).to_numpy() for name in NUMERIC]
    if method == "TabularDrift":
        columns += [rows[name].cat.codes.to_numpy() for name in CATEGORICAL]
    return np.column_stack(columns).astype(np.float64)


if __name__ == "__main__":
    main(*sys.argv[1:])
