"""Reads a file with pandas and predicts with the same estimator: probabilities and the likeliest class of each row.

Standalone: pandas and scikit-learn alone. It writes nothing, and takes the categories as codes like driftd does."""

import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd


def main() -> None:
    """The file, the pickled estimator, and its features as JSON."""
    source, estimator, features = (Path(one) for one in sys.argv[1:4])
    frame = pd.read_parquet(source) if source.suffix == ".parquet" else pd.read_csv(source)
    columns = []
    for feature in json.loads(features.read_text("utf-8")):
        column = frame[feature["name"]]
        if feature["categories"] is not None:
            codes = pd.Categorical(column, categories=feature["categories"]).codes.astype(np.float64)
            codes[codes < 0] = np.nan
            columns.append(codes)
        else:
            columns.append(column.to_numpy(np.float64))
    fitted = pickle.loads(estimator.read_bytes())
    probabilities = fitted.predict_proba(np.column_stack(columns))
    answers = probabilities.argmax(axis=1)
    print(json.dumps({"rows": len(answers), "mean": float(probabilities[:, 0].mean())}))


if __name__ == "__main__":
    main()
