"""NannyML's univariate drift. Arguments: the Parquet files of the reference and of the current rows."""

import sys
import warnings
from pathlib import Path

from data import CATEGORICAL, NUMERIC, frame
from meter import measure, report
from nannyml import UnivariateDriftCalculator

WARM_UP = 2_000
NOTE = "KS, Wasserstein, JS; chi², JS; the current rows are one chunk; category dtype"


def main(reference_path: str, current_path: str) -> None:
    """Fit learns bins and thresholds from the reference in chunks of the current rows' number."""
    warnings.simplefilter("ignore")
    reference, current = frame(Path(reference_path)), frame(Path(current_path))
    _calculator(WARM_UP).fit(reference.head(WARM_UP)).calculate(current.head(WARM_UP)).to_df()
    calculator = _calculator(len(current))
    fit = measure(lambda: calculator.fit(reference))
    check = measure(lambda: calculator.calculate(current).to_df())
    report("nannyml", fit, check, ("nannyml", "numpy", "pandas", "scipy", "scikit-learn"), NOTE)


def _calculator(rows: int) -> UnivariateDriftCalculator:
    return UnivariateDriftCalculator(
        column_names=[*NUMERIC, *CATEGORICAL],
        continuous_methods=["kolmogorov_smirnov", "wasserstein", "jensen_shannon"],
        categorical_methods=["chi2", "jensen_shannon"],
        chunk_size=rows,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
