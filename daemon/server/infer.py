"""The Open Inference Protocol v2: tensors by column name, as JSON or binary, to rows, and answers to tensors.

https://github.com/kserve/open-inference-protocol and Triton's binary tensor extension."""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from daemon.server.explaining import about as about_explanation
from daemon.server.refusal import BadRequest, quoted
from daemon.server.rows import LONGEST_ID, MAX_ROWS, Ids, RowReader, not_json, truth
from daemon.server.served import ServedDeployment
from drift.notation import counted
from retrain.model.encoding import Cells
from retrain.records.predictions import Predictions
from retrain.records.schema import Schema
from retrain.rows.cells import NUMBERS, TEXTS, plain_quickly, shown

if TYPE_CHECKING:
    from retrain.model.explaining.contributions import Contributions
    from retrain.model.version import LoadedVersion

NUMPY = {
    "BOOL": "?", "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "<i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
DATATYPES = {
    "number": "FP64", "integer": "INT64", "boolean": "BOOL", "category": "BYTES", "datetime": "BYTES",
    "text": "BYTES",
}  # fmt: skip
FITTING = {"BYTES": TEXTS, "BOOL": frozenset({bool, type(None)})}
"""The types of the values of a tensor; NUMBERS of the other datatypes."""
BINARY = "binary_data_size"
NUMERIC, TEXT = frozenset(NUMPY) - {"BOOL"}, frozenset({"BYTES"})
USUAL = {"number": NUMERIC, "integer": NUMERIC, "category": TEXT, "text": TEXT}
"""The datatypes that a column's tensor has of most clients, by the column's kind."""
LONGEST_NUMBER = 18
"""Digits of a length in a header: no body has more bytes."""


LISTS = {"items": "BYTES", "scores": "FP32"}
"""Outputs of a model that recommends."""


class Tensor(msgspec.Struct):
    """One input."""

    name: str
    shape: list[int]
    datatype: str
    data: Any = msgspec.UNSET
    parameters: dict[str, Any] | None = None


class Output(msgspec.Struct):
    """One wanted output."""

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(msgspec.Struct):
    """The JSON part of a request."""

    inputs: list[Tensor]
    id: str | None = None
    outputs: list[Output] | None = None
    parameters: dict[str, Any] | None = None


DECODER = msgspec.json.Decoder(InferRequest)


def read_request(body: bytes, header_length: bytes | None, reader: RowReader) -> tuple[InferRequest, list[Cells], Ids]:
    """The request, its rows and their ids."""
    text, binary = _parts(body, header_length)
    request = _decoded(text)
    if not request.inputs:
        raise BadRequest('"inputs" is empty; expected one tensor for each column')
    if not binary and (rows := _read_quickly(request.inputs, reader)) is not None:
        _check_outputs(request)
        return request, rows, None
    columns: dict[str, Sequence[Any]] = {}
    position = 0
    for tensor in request.inputs:
        if tensor.name in columns:
            raise BadRequest(f"input {quoted(tensor.name)} is given twice")
        _check_shape(tensor, len(reader.names))
        size = (tensor.parameters or {}).get(BINARY)
        if size is None:
            columns[tensor.name] = _from_json(tensor)
            continue
        if not isinstance(size, int) or not 0 <= size <= len(binary) - position:
            reason = f"binary_data_size {shown(size)}, but {len(binary) - position} bytes follow"
            raise BadRequest(f"input {quoted(tensor.name)}: {reason}")
        columns[tensor.name] = _from_binary(tensor, binary[position : position + size])
        position += size
    if position != len(binary):
        raise BadRequest(f"{len(binary) - position} bytes of binary data belong to no input")
    _check_outputs(request)
    return (request, *reader.read_columns(*_by_column(request.inputs, columns, reader)))


def is_explained(request: InferRequest) -> bool:
    """Whether the contributions of the columns are asked for; BadRequest where that is neither true nor false."""
    return truth((request.parameters or {}).get("explain", False), "explain")


def answer(
    request: InferRequest, predictions: Predictions, by: ServedDeployment, explored: Sequence[int] | None = None,
    explanation: "Contributions | None" = None,
) -> tuple[bytes, int | None]:  # fmt: skip
    """The body of the answer, and the length of its JSON part where binary tensors follow; `explored`: the rows whose
    class was drawn at random, None where none ever is; `explanation`: of the answers, where that was asked for."""
    about: dict[str, Any] = {} if predictions.classes is None else {"classes": ",".join(predictions.classes)}
    if explored is not None:
        about |= {"explored": bool(explored), "explored_rows": ",".join(map(str, explored))}
    outputs = _outputs(predictions)
    if explanation is not None:
        outputs |= _explaining_outputs(explanation)
        told = about_explanation(by, explanation) | {"columns": explanation.columns}
        about |= {"explanation": msgspec.json.encode(told).decode()}
    return answer_tensors(request, outputs, by.deployment.model, by.name, about)


def answer_tensors(
    request: InferRequest, everything: Mapping[str, tuple[str, Any]], model: str, version: str,
    about: Mapping[str, Any] = {},
) -> tuple[bytes, int | None]:  # fmt: skip
    """The same of outputs by name, each a datatype and an array; `about` are the answer's parameters."""
    wanted = request.outputs or [Output(name) for name in everything]
    all_binary = bool((request.parameters or {}).get("binary_data_output"))
    outputs: list[dict[str, Any]] = []
    pieces: list[bytes] = []
    for output in wanted:
        if output.name not in everything:
            raise BadRequest(f"no output {quoted(output.name)}; there are {', '.join(everything)}")
        parameters = output.parameters or {}
        if parameters.get("classification"):
            reason = "the classification extension is not supported; ask for probabilities"
            raise BadRequest(f"output {quoted(output.name)}: {reason}")
        datatype, values = everything[output.name]
        entry: dict[str, Any] = {"name": output.name, "datatype": datatype, "shape": list(values.shape)}
        if parameters.get("binary_data", all_binary):
            pieces.append(_to_bytes(datatype, values))
            entry["parameters"] = {BINARY: len(pieces[-1])}
        else:
            entry["data"] = values.ravel().tolist()
        outputs.append(entry)
    whole: dict[str, Any] = {"model_name": model, "model_version": version}
    if request.id:
        whole["id"] = request.id
    if about:
        whole["parameters"] = about
    whole["outputs"] = outputs
    text = msgspec.json.encode(whole)
    return (text + b"".join(pieces), len(text)) if pieces else (text, None)


def metadata(version: "LoadedVersion") -> dict[str, Any]:
    """Inputs and outputs of a version; -1 is the number of rows."""
    classes = version.classes
    outputs = [{"name": "prediction", "datatype": "FP64" if classes is None else "BYTES", "shape": [-1]}]
    if classes is not None:
        outputs.append({"name": "probabilities", "datatype": "FP64", "shape": [-1, len(classes)]})
    inputs = [
        {"name": column.name, "datatype": DATATYPES[column.kind], "shape": [-1]} for column in version.schema.features
    ]
    return {"inputs": inputs, "outputs": outputs}


def recommender_metadata(schema: Schema) -> dict[str, Any]:
    """The same of a version that recommends: people in, lists of items out; -1 is the number of people, or of items."""
    inputs = [{"name": column.name, "datatype": "BYTES", "shape": [-1]} for column in schema.features]
    outputs = [{"name": name, "datatype": datatype, "shape": [-1, -1]} for name, datatype in LISTS.items()]
    return {"inputs": inputs, "outputs": outputs}


# --- in -----------------------------------------------------------------------------------------------------------


def _read_quickly(tensors: list[Tensor], reader: RowReader) -> list[Cells] | None:
    """The rows of a JSON tensor for each feature and nothing else, all [rows] or [rows, 1], of the datatypes and values
    that most are of; None for others."""
    by_name = {tensor.name: tensor for tensor in tensors}
    shape = tensors[0].shape
    is_usual = len(by_name) == len(tensors) == len(reader.features) and shape in (shape[:1], [*shape[:1], 1])
    if reader.strict or not is_usual or not shape or not 0 < shape[0] <= MAX_ROWS:
        return None
    columns = []
    for column in reader.features:
        tensor = by_name.get(column.name)
        if tensor is None or tensor.shape != shape or tensor.datatype not in USUAL.get(column.kind, ()):
            return None
        data = tensor.data
        if type(data) is not list or len(data) != shape[0] or (tensor.parameters and BINARY in tensor.parameters):
            return None
        cells = plain_quickly(data, column.kind)
        if cells is None:
            return None
        columns.append(cells)
    return list(zip(*columns, strict=True))


def _parts(body: bytes, header_length: bytes | None) -> tuple[bytes, bytes]:
    if header_length is None:
        return body, b""
    if not header_length.isdigit() or len(header_length) > LONGEST_NUMBER or int(header_length) > len(body):
        given = header_length.decode("latin-1")[:40]
        raise BadRequest(f"Inference-Header-Content-Length is {given!r}; the body has {len(body)} bytes")
    length = int(header_length)
    return body[:length], body[length:]


def _decoded(text: bytes) -> InferRequest:
    try:
        return DECODER.decode(text)
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadRequest(f"not a request of the Open Inference Protocol: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            return msgspec.convert(json.loads(text), InferRequest)  # bare NaN
        except (ValueError, RecursionError) as error:
            raise BadRequest(not_json(error)) from None


def _check_shape(tensor: Tensor, width: int) -> None:
    """Refuse by the shape, before any work on what it announces."""
    shape = tensor.shape
    if len(shape) not in (1, 2) or min(shape) < 0 or max(shape[1:], default=0) > width:
        wanted = f"expected [rows], [rows, 1] or [rows, {width}]"
        raise BadRequest(f"input {quoted(tensor.name)}: shape {shown(shape)}; {wanted}")
    if shape[0] > MAX_ROWS:
        raise BadRequest(f"input {quoted(tensor.name)}: shape {shown(shape)}; at most {MAX_ROWS:,} rows a request", 413)


def _check_outputs(request: InferRequest) -> None:
    """Each output once, and an id that may be echoed."""
    names = [output.name for output in request.outputs or ()]
    if len(set(names)) < len(names):
        raise BadRequest('"outputs" names an output twice')
    if len(request.id or "") > LONGEST_ID:
        raise BadRequest(f'"id" is longer than {LONGEST_ID:,} characters')


def _from_json(tensor: Tensor) -> list[Any]:
    if tensor.datatype != "BYTES":
        _numpy_type(tensor)
    data = tensor.data
    if not isinstance(data, list):
        raise BadRequest(
            f"input {quoted(tensor.name)} has no data; expected a list, or binary_data_size in its parameters"
        )
    if len(tensor.shape) == 2 and data and all(isinstance(item, list) for item in data):
        data = [value for item in data for value in item]
    if len(data) != math.prod(tensor.shape):
        raise BadRequest(f"input {quoted(tensor.name)}: {counted(len(data), 'value')} for shape {tensor.shape}")
    fitting = FITTING.get(tensor.datatype, NUMBERS)
    if not fitting.issuperset(map(type, data)):
        position, value = next((at, value) for at, value in enumerate(data) if type(value) not in fitting)
        where = f"row {position}, column {quoted(tensor.name)}"
        raise BadRequest(f"{where}: {shown(value)}; expected {tensor.datatype}")
    return data


def _from_binary(tensor: Tensor, data: bytes) -> list[Any]:
    count = math.prod(tensor.shape)
    if tensor.datatype == "BYTES":
        return _texts(tensor, data, count)
    is_bf16 = tensor.datatype == "BF16"
    kind = np.dtype("<u2" if is_bf16 else _numpy_type(tensor))
    if len(data) != count * kind.itemsize:
        size = f"{len(data)} bytes for shape {tensor.shape} of {tensor.datatype}"
        raise BadRequest(f"input {quoted(tensor.name)}: {size}; expected {count * kind.itemsize}")
    values = np.frombuffer(data, kind)
    return list((values.astype(np.uint32) << 16).view(np.float32).tolist() if is_bf16 else values.tolist())


def _texts(tensor: Tensor, data: bytes, count: int) -> list[str]:
    """Each a little-endian length of 4 bytes and UTF-8."""
    texts: list[str] = []
    position = 0
    while len(data) - position >= 4 and len(texts) < count:
        (length,) = struct.unpack_from("<I", data, position)
        end = position + 4 + length
        if end > len(data):
            break
        try:
            texts.append(data[position + 4 : end].decode())
        except UnicodeDecodeError:
            raise BadRequest(f"row {len(texts)}, column {quoted(tensor.name)}: not valid UTF-8") from None
        position = end
    if position != len(data) or len(texts) != count:
        what = f"its {len(data)} bytes are not {count} texts of a length and UTF-8"
        raise BadRequest(f"input {quoted(tensor.name)}: {what}")
    return texts


def _numpy_type(tensor: Tensor) -> str:
    if tensor.datatype not in NUMPY:
        wanted = f"expected one of {', '.join(NUMPY)} or BYTES"
        raise BadRequest(f"input {quoted(tensor.name)}: datatype {quoted(tensor.datatype)}; {wanted}")
    return NUMPY[tensor.datatype]


def _by_column(
    tensors: list[Tensor], columns: Mapping[str, Sequence[Any]], reader: RowReader
) -> tuple[Mapping[str, Sequence[Any]], int]:
    """The columns and the number of rows. One tensor (rows, features) under another name holds all features in the
    order of the schema."""
    first = tensors[0]
    rows, width = first.shape[0], len(reader.names)
    if len(tensors) == 1 and first.name not in reader.names and len(first.shape) > 1:
        if first.shape[1:] == [width]:
            flat = columns[first.name]
            return {name: flat[at::width] for at, name in enumerate(reader.names)}, rows
        wanted = f"a single input for all features needs [rows, {width}]"
        raise BadRequest(f"input {quoted(first.name)}: shape {first.shape}; {wanted}")
    for tensor in tensors:
        if tensor.shape not in ([rows], [rows, 1]):
            wanted = f"expected [{rows}] or [{rows}, 1], as many rows as {quoted(first.name)}"
            raise BadRequest(f"input {quoted(tensor.name)}: shape {tensor.shape}; {wanted}")
    lacking = [column.name for column in reader.schema.features if column.name not in columns]
    if lacking and len(lacking) < width:
        raise BadRequest(f"input {lacking[0]!r} is missing; a null in its data is a missing value")
    return columns, rows


# --- out ----------------------------------------------------------------------------------------------------------


def _outputs(predictions: Predictions) -> dict[str, tuple[str, Any]]:
    """Datatype and values of each output."""
    outputs = {"prediction": ("FP64" if predictions.classes is None else "BYTES", predictions.values)}
    if predictions.probabilities is not None:
        outputs["probabilities"] = ("FP64", predictions.probabilities)
    return outputs


def _explaining_outputs(found: "Contributions") -> dict[str, tuple[str, Any]]:
    """Contributions [rows, columns], of several classes [rows, columns, classes], and what these are added to."""
    one = (..., 0) if found.scale.width == 1 else ...
    outputs = {"contributions": ("FP64", found.values[one]), "contributions_base": ("FP64", found.base)}
    if found.errors is not None:
        outputs["contributions_errors"] = ("FP64", found.errors[one])
    return outputs


def _to_bytes(datatype: str, values: Any) -> bytes:
    if datatype != "BYTES":
        return np.ascontiguousarray(values, dtype=NUMPY[datatype]).tobytes()
    encoded = [str(value).encode() for value in values.ravel().tolist()]
    return b"".join(struct.pack("<I", len(text)) + text for text in encoded)
