"""What `mlflow.pyfunc.load_model` loads of a version in MLflow: the version itself, from its own files, without pickle.

The file MLmodel beside them names this module as its `loader_module`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrain.model.deployment import LoadedDeployment
from retrain.model.recalibration import Recalibration
from retrain.records.predictions import Predictions
from retrain.store.versions import load_version, read_json

if TYPE_CHECKING:
    import pandas as pd

PREDICTION, PROBABILITY = "prediction", "probability_"


class DriftdModel:
    """A version that answers frames."""

    def __init__(self, folder: Path) -> None:
        trusted = read_json(folder / "settings.json").get("estimator", {}).get("trusted_types", ())
        version = load_version(folder, tuple(trusted))
        decision = Recalibration.from_json(version.evaluation.get("decision"))
        self._version = version
        self._deployment = LoadedDeployment({version.name: version}, {version.name: 1.0}, version.name, decision)

    def predict(self, model_input: "pd.DataFrame") -> "pd.DataFrame":
        """The column `prediction`, and of a classification `probability_CLASS` for each class, by the frame's index:
        what the server answers with this version alone. Refused names a wrong value."""
        import pandas as pd

        features = [column.name for column in self._version.schema.features if column.name in model_input]
        columns = [model_input[name] for name in features]
        cells = [
            [None if is_missing else _plain(value) for value, is_missing in zip(one.tolist(), one.isna(), strict=True)]
            for one in columns
        ]
        rows = [dict(zip(features, row, strict=True)) for row in zip(*cells, strict=True)] or [{}] * len(model_input)
        answered = self.answer(rows)
        told: dict[str, Any] = {PREDICTION: answered.values}
        if answered.probabilities is not None and answered.classes is not None:
            for place, name in enumerate(answered.classes):
                told[f"{PROBABILITY}{name}"] = answered.probabilities[:, place]
        return pd.DataFrame(told, index=model_input.index)

    def answer(self, rows: Sequence[Mapping[str, Any]]) -> Predictions:
        """The same of rows as JSON gives them."""
        return self._deployment.answer({self._version.name: self._version.predict_rows(rows)})


def _load_pyfunc(path: str) -> DriftdModel:
    """MLflow calls this with the folder of the version's files."""
    return DriftdModel(Path(path))


def _plain(value: Any) -> Any:
    """A cell that is not missing as JSON gives it: times are texts."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value
