"""How each server wants rows as JSON, and where its answer has the probability of "yes" of each row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.serving.columns import CLASSES, FEATURES, NUMERIC
from benchmarks.serving.data import Row

YES = CLASSES[1]
Values = list[float] | list[str]


@dataclass(frozen=True)
class Format:
    """`path` is posted to; `decode` gives probabilities, or class names where a server answers with these."""

    path: str
    encode: Callable[[Sequence[Row]], Any]
    decode: Callable[[Any], Values]


def _objects(rows: Sequence[Row]) -> Any:
    return {"rows": list(rows)}


def _split(rows: Sequence[Row]) -> Any:
    return {"dataframe_split": {"columns": list(FEATURES), "data": [[row[name] for name in FEATURES] for row in rows]}}


def _tensors(rows: Sequence[Row]) -> Any:
    return {"inputs": [_tensor(name, rows) for name in FEATURES]}


def _tensor(name: str, rows: Sequence[Row]) -> Any:
    kind = "FP64" if name in NUMERIC else "BYTES"
    return {"name": name, "shape": [len(rows), 1], "datatype": kind, "data": [row[name] for row in rows]}


def _pandas_tensors(rows: Sequence[Row]) -> Any:
    """MLServer's codecs: text where it is text, all inputs together a data frame."""
    inputs = _tensors(rows)["inputs"]
    for tensor in inputs:
        if tensor["datatype"] == "BYTES":
            tensor["parameters"] = {"content_type": "str"}
    return {"parameters": {"content_type": "pd"}, "inputs": inputs, "outputs": [{"name": "predict_proba"}]}


def _second_of_each(pairs: Sequence[Sequence[float]]) -> Values:
    return [pair[1] for pair in pairs]


def _second_of_tensor(answer: Any) -> Values:
    """Of the tensor of two numbers a row, else class names."""
    by_type = {output["datatype"]: output["data"] for output in answer["outputs"]}
    numbers = by_type.get("FP64") or by_type.get("FP32")
    return numbers[1::2] if numbers else by_type["BYTES"]


def _predictions(answer: Any) -> Values:
    values = answer["predictions"]
    return values if isinstance(values[0], str) else _second_of_each(values)


MLFLOW = Format("/invocations", _split, _predictions)
MLSERVER = Format("/v2/models/m/infer", _pandas_tensors, _second_of_tensor)
BENTOML = Format("/predict", _objects, _second_of_each)
DRIFTD = Format("/models/m/predict", _objects, lambda answer: [each[YES] for each in answer["probabilities"]])
DRIFTD_V2 = Format("/v2/models/m/infer", _tensors, _second_of_tensor)
DRIFTD_INVOCATIONS = Format("/models/m/invocations", _split, _predictions)
