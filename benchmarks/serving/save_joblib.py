"""Trains the pipeline and keeps it with joblib, for MLServer and BentoML. Arguments: the CSV file, the model's file."""

import sys
from pathlib import Path

import joblib
from pipeline import fitted


def main(rows: str, model: str) -> None:
    """Train and write."""
    joblib.dump(fitted(Path(rows))[0], model)


if __name__ == "__main__":
    main(*sys.argv[1:])
