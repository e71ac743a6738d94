"""evidently's default drift preset. Arguments: the Parquet files of the reference and of the current rows."""

import sys
import warnings
from pathlib import Path

from data import CATEGORICAL, NUMERIC, frame
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
from meter import measure, report

WARM_UP = 2_000
NOTE = "DataDriftPreset(), run() and dict(); both Datasets made before; category dtype, a little cheaper than strings"


def main(reference_path: str, current_path: str) -> None:
    """Fit is the reference's Dataset: evidently keeps nothing else of it."""
    warnings.simplefilter("ignore")
    reference, current = frame(Path(reference_path)), frame(Path(current_path))
    _check(_dataset(current.head(WARM_UP)), _dataset(reference.head(WARM_UP)))
    made: list[Dataset] = []
    fit = measure(lambda: made.append(_dataset(reference)))
    known, new = made[0], _dataset(current)
    check = measure(lambda: _check(new, known))
    report("evidently", fit, check, ("evidently", "numpy", "pandas", "scipy"), NOTE)


def _dataset(rows: object) -> Dataset:
    definition = DataDefinition(numerical_columns=list(NUMERIC), categorical_columns=list(CATEGORICAL))
    return Dataset.from_pandas(rows, data_definition=definition)


def _check(current: Dataset, reference: Dataset) -> dict:
    return Report([DataDriftPreset()]).run(current, reference).dict()


if __name__ == "__main__":
    main(*sys.argv[1:])
