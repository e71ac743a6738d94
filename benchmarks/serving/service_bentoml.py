"""BentoML's two services of one model, which the environment variable MODEL names. Standalone.

The batchable one takes a list: BentoML 1.4.40 cannot batch data frames, their size is a tuple to it."""

import os
from typing import Any

import bentoml
import joblib
import numpy as np
import pandas as pd

LOGGING = {"access": {"enabled": False}}


@bentoml.service(logging=LOGGING)
class Unbatched:
    """A data frame a request."""

    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api
    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Probabilities of the classes, a row each."""
        return self.model.predict_proba(rows)


@bentoml.service(logging=LOGGING)
class Batched:
    """Requests together, as its adaptive batching sees fit."""

    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api(batchable=True)
    def predict(self, rows: list[dict[str, Any]]) -> np.ndarray:
        """Probabilities of the classes, a row each."""
        return self.model.predict_proba(pd.DataFrame(rows))
