"""Trains the pipeline and keeps it as an MLflow model with a signature. Arguments: the CSV file, the model's folder."""

import sys
from pathlib import Path

import mlflow.sklearn
from mlflow.models import infer_signature
from pipeline import fitted

TRUSTED = ["numpy.dtype", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]


def main(rows: str, model: str) -> None:
    """Train and write; the scoring server answers with probabilities."""
    pipeline, features = fitted(Path(rows))
    signature = infer_signature(features, pipeline.predict_proba(features.head()))
    mlflow.sklearn.save_model(
        pipeline, model, signature=signature, pyfunc_predict_fn="predict_proba", skops_trusted_types=TRUSTED
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
