"""The proof of a loaded version: it answers its probe rows as it did when it was evaluated, bit by bit."""

from retrain.model.version import LoadedVersion
from retrain.records.errors import Refused
from retrain.records.predictions import Floats, Predictions
from retrain.store.versions import read_json


def probe_matrix(version: LoadedVersion) -> Floats:
    """The probe rows (n, features of the preprocessor) as the version's estimator sees them."""
    return version.preprocessor.transform_rows(read_json(version.folder / "probe.json")["rows"])


def answer_probe(version: LoadedVersion) -> None:
    """Let a loaded version answer its probe rows; Refused unless every bit is as recorded."""
    if version.is_recorded:  # nobody here can ask it
        return
    probe = read_json(version.folder / "probe.json")
    expected = Predictions.from_json(probe)
    answered = version.predict_rows(probe["rows"])
    if not answered.equals(expected):
        raise Refused(
            f"version {version.name} does not answer its {len(expected)} probe rows as it did when evaluated",
            "the estimator is not deterministic, or its file does not restore it; choose another estimator",
        )
