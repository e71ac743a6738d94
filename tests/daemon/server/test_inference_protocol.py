"""The Open Inference Protocol, driven by its real client, and what the client never sends."""

import gzip
import json
import struct

import httpx
import local_http
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

pytestmark = pytest.mark.xdist_group("http")
X, Z = [0.3, -3.0, np.nan], [-1.0, 0.0, 1.0]
COLOURS = ["red", "green", "mauve"]


@pytest.fixture
def client(daemon):
    """Unchanged, with the defaults that its users have."""
    made = triton.InferenceServerClient(f"127.0.0.1:{daemon.port}")
    yield made
    made.close()


def tensors(binary: bool) -> list[triton.InferInput]:
    """Three rows of the model `m`, one column with [n, 1]."""
    x = triton.InferInput("x", [3], "FP64")
    x.set_data_from_numpy(np.array(X), binary_data=binary)
    z = triton.InferInput("z", [3, 1], "FP32")
    z.set_data_from_numpy(np.array(Z, dtype=np.float32).reshape(3, 1), binary_data=binary)
    colour = triton.InferInput("colour", [3], "BYTES")
    colour.set_data_from_numpy(np.array(COLOURS, dtype=object), binary_data=binary)
    return [x, z, colour]


def expected(daemon) -> dict:
    """The same rows by the plain interface."""
    rows = [{"x": x, "z": z, "colour": c} for x, z, c in zip(X, Z, COLOURS, strict=True)]
    return local_http.post(f"{daemon.url}/models/m/predict", content=json.dumps({"rows": rows}).encode()).json()


def test_health_and_metadata(client, daemon):
    """Every question that the client knows about server and model."""
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("m")
    assert not client.is_model_ready("empty") and not client.is_model_ready("nobody")
    assert client.get_server_metadata()["name"] == "driftd"
    about = client.get_model_metadata("m")
    assert about["name"] == "m" and about["versions"] == [expected(daemon)["version"]]
    assert {i["name"]: i["datatype"] for i in about["inputs"]} == {"x": "FP64", "z": "FP64", "colour": "BYTES"}
    assert [(o["name"], o["shape"]) for o in about["outputs"]] == [("prediction", [-1]), ("probabilities", [-1, 2])]
    version = about["versions"][0]
    assert client.is_model_ready("m", version) and client.get_model_metadata("m", version)["versions"] == [version]
    index = {entry["name"]: entry for entry in client.get_model_repository_index()}
    assert index["m"]["state"] == "READY" and index["m"]["version"] == version
    assert index["empty"]["state"] == "UNAVAILABLE" and index["empty"]["reason"]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_answers_are_those_of_the_plain_interface(client, daemon, binary_in, binary_out, compression):
    """Bit by bit, binary or JSON, compressed or not, NaN and unseen categories among the rows."""
    outputs = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in ("probabilities", "prediction")]
    answer = client.infer(
        "m", tensors(binary_in), outputs=outputs, request_id="q7",
        request_compression_algorithm=compression, response_compression_algorithm=compression,
    )  # fmt: skip
    plain = expected(daemon)
    told = answer.get_response()
    assert (told["id"], told["model_name"], told["model_version"]) == ("q7", "m", plain["version"])
    assert [output["name"] for output in told["outputs"]] == ["probabilities", "prediction"]
    names = told["parameters"]["classes"].split(",")
    given = answer.as_numpy("probabilities")
    assert [dict(zip(names, row, strict=True)) for row in given.tolist()] == plain["probabilities"]
    words = [v.decode() if isinstance(v, bytes) else v for v in answer.as_numpy("prediction").tolist()]
    assert words == plain["predictions"]


def test_outputs_default_to_all_and_async_calls_answer(client, daemon):
    """As the client's users leave them out."""
    version = expected(daemon)["version"]
    answer = client.infer("m", tensors(True), model_version=version)
    assert answer.as_numpy("probabilities").shape == (3, 2)
    later = [client.async_infer("m", tensors(True)) for _ in range(4)]
    assert all(call.get_result().as_numpy("prediction").shape == (3,) for call in later)


def test_a_regression_with_every_kind_of_column(client, daemon):
    """Whole numbers, booleans and times as the client has them; one answer in FP64."""
    inputs = []
    for name, kind, values in (
        ("size", "FP32", np.array([80.0, 120.0], np.float32)),
        ("rooms", "INT32", np.array([3, 4], np.int32)),
        ("garden", "BOOL", np.array([True, False])),
        ("built", "BYTES", np.array(["2001-05-01", "1999-01-01T12:00:00"], dtype=object)),
        ("city", "BYTES", np.array(["graz", "linz"], dtype=object)),
    ):
        tensor = triton.InferInput(name, [2], kind)
        tensor.set_data_from_numpy(values)
        inputs.append(tensor)
    prices = client.infer("price", inputs).as_numpy("prediction")
    assert prices.dtype == np.float64 and prices.shape == (2,) and prices[0] > 200


@pytest.mark.parametrize(
    ("model", "version", "change", "status", "told"),
    [
        ("nobody", "", None, "404", "no model 'nobody'"),
        ("m", "v9999-00000000", None, "404", "is not served"),
        ("empty", "", None, "503", "no promoted version"),
        ("m", "", lambda t: t[:2], "400", "input 'colour' is missing"),
        ("m", "", lambda t: [*t, triton.InferInput("q", [3], "FP64").set_data_from_numpy(np.zeros(3))], "400", "unknown column 'q'"),
        ("m", "", lambda t: [triton.InferInput("x", [2], "FP64").set_data_from_numpy(np.zeros(2)), *t[1:]], "400", "as many rows as"),
        ("m", "", lambda t: [t[0], t[0], *t[1:]], "400", "given twice"),
        ("m", "", lambda t: [t[0], t[1], triton.InferInput("colour", [3, 2], "BYTES").set_data_from_numpy(np.full((3, 2), "a", object))], "400", "shape [3, 2]"),
    ],
)  # fmt: skip
def test_mistakes_reach_the_client_as_it_reads_them(client, model, version, change, status, told):
    """Status and reason."""
    inputs = tensors(True) if change is None else change(tensors(True))
    with pytest.raises(InferenceServerException) as error:
        client.infer(model, inputs, model_version=version)
    assert status in str(error.value.status()) and told in error.value.message()


def test_unknown_outputs_and_loading_by_hand_are_refused(client):
    """The reason says what there is, and what to do instead."""
    with pytest.raises(InferenceServerException, match="there are prediction, probabilities"):
        client.infer("m", tensors(True), outputs=[triton.InferRequestedOutput("logits")])
    with pytest.raises(InferenceServerException, match="driftd promote"):
        client.load_model("m")


def infer(daemon, body: object, **headers: str) -> httpx.Response:
    """A raw request."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return local_http.post(f"{daemon.url}/v2/models/m/infer", content=content, headers=headers)


def column(name: str, data: object, datatype: str = "FP64", shape: object = None, **more: object) -> dict:
    """An input tensor."""
    return {"name": name, "datatype": datatype, "shape": [1] if shape is None else shape, "data": data, **more}


RED = column("colour", ["red"], "BYTES")


def test_plain_json_with_null_nan_and_nested_data(daemon):
    """Without a Content-Type; null is a missing value."""
    nan = (
        b'{"inputs":[{"name":"x","datatype":"FP64","shape":[1],"data":[NaN]},'
        + json.dumps([column("z", [[0.5]], shape=[1, 1]), RED]).encode()[1:]
        + b"}"
    )
    null = {"inputs": [column("x", [None]), column("z", [0.5]), RED]}
    first, second = infer(daemon, nan), infer(daemon, null)
    assert first.status_code == second.status_code == 200, first.text
    assert first.json()["outputs"] == second.json()["outputs"]


BINARY = json.dumps({"inputs": [column("x", None, binary_data_size=8)]}).encode()


@pytest.mark.parametrize(
    ("body", "headers", "told"),
    [
        (b"", {}, "not valid JSON"),
        (b"[]", {}, "Open Inference Protocol"),
        (b"{}", {}, "inputs"),
        ({"inputs": []}, {}, '"inputs" is empty'),
        ({"inputs": [{"name": "x"}]}, {}, "shape"),
        ({"inputs": [column("x", [1.0], "FP99"), RED]}, {}, "datatype 'FP99'"),
        ({"inputs": [column("x", ["a"])]}, {}, 'row 0, column \'x\': "a"; expected FP64'),
        ({"inputs": [column("x", [1.0, 2.0])]}, {}, "2 values for shape [1]"),
        ({"inputs": [column("x", 1.0)]}, {}, "no data"),
        ({"inputs": [column("x", [1.0], shape=[-1])]}, {}, "shape [-1]"),
        ({"inputs": [column("x", [1.0], shape=[10**9, 10**9])]}, {}, "shape [1000000000, 1000000000]"),
        ({"inputs": [column("x", [], shape=[0]), column("z", [], shape=[0]), column("colour", [], "BYTES", [0])]}, {}, "no rows"),
        ({"inputs": [column("x", [{}])]}, {}, "row 0, column 'x'"),
        ({"inputs": [column("x", [1.0], parameters={"binary_data_size": 8})]}, {}, "0 bytes follow"),
        (b'{"inputs":[]}', {"inference-header-content-length": "99"}, "Inference-Header-Content-Length"),
        (b'{"inputs":[]}', {"inference-header-content-length": "x"}, "Inference-Header-Content-Length"),
        (b"\x1f\x8b broken", {"content-encoding": "gzip"}, "not valid gzip"),
        (gzip.compress(b"{}", mtime=0)[:-4], {"content-encoding": "gzip"}, "cut off"),
        (b"{}", {"content-encoding": "br"}, "expected gzip or deflate"),
        (b"[" * 100_000, {}, "Open Inference Protocol"),
        (b"[" * 200_000, {}, "more than 120,000 lists"),
    ],
)  # fmt: skip
def test_malformed_requests_are_named(daemon, body, headers, told):
    """4xx with a reason."""
    answer = infer(daemon, body, **headers)
    assert 400 <= answer.status_code < 500 and told in answer.json()["error"], answer.text


@pytest.mark.parametrize(
    ("tensor", "data", "told"),
    [
        (column("x", None, "FP64"), b"1234567", "7 bytes for shape"),
        (column("x", None, "BYTES"), struct.pack("<I", 9) + b"a", "are not 1 texts"),
        (column("x", None, "BYTES"), struct.pack("<I", 1) + b"\xff", "not valid UTF-8"),
        (column("x", None, "BYTES"), b"ab", "are not 1 texts"),
        (column("x", None, "FP99"), b"ab", "datatype"),
    ],
)
def test_malformed_binary_tensors_are_named(daemon, tensor, data, told):
    """Lengths that do not fit never reach beyond their bytes."""
    del tensor["data"]
    header = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": len(data)}}]}).encode()
    answer = infer(daemon, header + data, **{"inference-header-content-length": str(len(header))})
    assert answer.status_code == 400 and told in answer.json()["error"], answer.text


def test_all_members_of_a_gzip_body_are_read(daemon):
    """As gzip allows; what follows them and is none is refused."""
    body = json.dumps({"inputs": [column("x", [1.0]), column("z", [0.5]), RED]}).encode()
    parts = gzip.compress(body[:20]) + gzip.compress(body[20:])
    assert infer(daemon, parts, **{"content-encoding": "gzip"}).status_code == 200
    assert infer(daemon, parts + b"junk", **{"content-encoding": "gzip"}).status_code == 400


def test_a_decompressed_body_is_bounded(daemon):
    """A small body that would fill the memory is refused."""
    bomb = gzip.compress(b" " * 100_000_000)
    answer = infer(daemon, bomb, **{"content-encoding": "gzip"})
    assert answer.status_code == 413
