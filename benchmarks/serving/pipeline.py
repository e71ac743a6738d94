"""The pipeline as users of scikit-learn write it, fitted to a CSV file. Standalone: the peers' interpreters run it."""

from pathlib import Path

import pandas as pd
from columns import FEATURES, ITERATIONS, NUMERIC, ONEHOT, ORDINAL, TARGET
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder


def fitted(path: Path) -> tuple[Pipeline, pd.DataFrame]:
    """The pipeline, trained on all rows of the file, and these rows without their labels."""
    rows = pd.read_csv(path)
    features = rows[list(FEATURES)]
    return _pipeline().fit(features, rows[TARGET]), features


def _pipeline() -> Pipeline:
    columns = ColumnTransformer(
        [
            ("numbers", SimpleImputer(strategy="median"), list(NUMERIC)),
            ("onehot", OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(ONEHOT)),
            ("ordinal", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), list(ORDINAL)),
        ]
    )
    estimator = HistGradientBoostingClassifier(max_iter=ITERATIONS, early_stopping=False, random_state=0)
    return Pipeline([("columns", columns), ("estimator", estimator)])
