"""Frames with numbers, categories, dates and free text, and pipelines of scikit-learn that were fitted on them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler

WORDS = ("late", "early", "fog", "storm", "calm", "gate", "crew", "fuel")
CLASSIFIERS = {
    "linear": LogisticRegression(max_iter=500),
    "forest": RandomForestClassifier(20, random_state=0, n_jobs=2),
    "boosted": GradientBoostingClassifier(n_estimators=20, random_state=0),
}
INPUTS = ["x", "k", "sunny", "colour", "note", "at"]


def frame(seed: int, rows: int = 600, shift: float = 0.0) -> pd.DataFrame:
    """Of which y depends on x, colour and a word of the note; some cells are missing."""
    rng = np.random.default_rng(seed)
    x, colour = rng.normal(shift, 1, rows), rng.choice(["red", "green", "blue"], rows).astype(object)
    note = [" ".join(rng.choice(WORDS, 5)) for _ in range(rows)]
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 86_400 * 200, rows), unit="s")
    signal = x - shift + 0.6 * (colour == "red") + 0.8 * np.array(["storm" in one for one in note])
    made = pd.DataFrame(
        {
            "x": x, "k": rng.integers(0, 5, rows), "sunny": rng.random(rows) < 0.5, "colour": colour, "note": note,
            "at": at, "y": np.where(signal + rng.normal(0, 0.4, rows) > 0.9, "yes", "no"), "amount": signal,
        }
    )  # fmt: skip
    made.loc[made.index % 17 == 3, "x"] = np.nan
    made.loc[made.index % 19 == 5, "colour"] = np.nan
    return made


def pipeline(last: Any) -> Pipeline:
    """Text, dates, categories and numbers, each by its own transformer, and an estimator."""
    one_hot = make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), OneHotEncoder(handle_unknown="ignore"))
    known = make_pipeline(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), StandardScaler())
    return Pipeline(
        [
            ("columns", ColumnTransformer([
                ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["x"]),
                ("bins", KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"), ["k"]),
                ("truths", "passthrough", ["sunny"]),
                ("colours", one_hot, ["colour"]),
                ("text", TfidfVectorizer(), "note"),
                ("dates", known, ["at"]),
            ])),
            ("last", clone(last)),
        ]
    )  # fmt: skip


def fitted(kind: str, seed: int = 0) -> Pipeline:
    """One of CLASSIFIERS, or "numbers" of a regression."""
    made = frame(seed)
    if kind == "numbers":
        return pipeline(RandomForestRegressor(20, random_state=0)).fit(made[INPUTS], made["amount"])
    return pipeline(CLASSIFIERS[kind]).fit(made[INPUTS], labels(made, kind))


def labels(made: pd.DataFrame, kind: str) -> pd.Series:
    """What one of these learns: 0 and 1 where it is boosted."""
    return (made["y"] == "yes").astype(int) if kind == "boosted" else made["y"]


def written(kind: str, path: Path) -> Pipeline:
    """The pipeline, after it was written as skops."""
    made = fitted(kind)
    skops.io.dump(made, path)
    return made
