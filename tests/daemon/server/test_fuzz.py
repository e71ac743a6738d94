"""Whatever is sent, the server answers 2xx or 4xx as JSON with a reason, soon, and goes on."""

import json
import time
from typing import Any

import httpx
import local_http
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.xdist_group("http")
SOON_S = 20.0
COLUMNS = ["x", "z", "colour", "id", "label", "size", "rooms", "garden", "built", "city", "X", "", "☃"]
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([2**63, -(2**63) - 1, 1e308, -0.0, 10**400]))
TEXTS = st.one_of(
    st.text(max_size=20), st.sampled_from(["red", "graz", "2001-05-01", "9999-12-31T23:59:59+99:99", "\x00", "NaN"])
)
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    TEXTS,
    st.lists(st.none(), max_size=2),
    st.dictionaries(TEXTS, NUMBERS, max_size=2),
)
ROWS = st.one_of(CELLS, st.dictionaries(st.sampled_from(COLUMNS), CELLS, max_size=6))
BODIES = st.one_of(
    st.fixed_dictionaries({"rows": st.one_of(CELLS, st.lists(ROWS, max_size=4))}, optional={"ids": st.one_of(CELLS, st.lists(CELLS, max_size=4)), "more": CELLS}),
    st.fixed_dictionaries({"labels": st.one_of(CELLS, st.lists(st.one_of(CELLS, st.fixed_dictionaries({"id": CELLS, "label": CELLS})), max_size=3))}),
    st.dictionaries(st.sampled_from(["instances", "inputs", "dataframe_records", "dataframe_split", "params"]), st.one_of(CELLS, st.lists(ROWS, max_size=3), st.lists(st.lists(CELLS, max_size=5), max_size=3), st.fixed_dictionaries({"columns": st.lists(st.sampled_from(COLUMNS), max_size=4), "data": st.lists(st.lists(CELLS, max_size=4), max_size=3)})), max_size=2),
)  # fmt: skip
TENSORS = st.fixed_dictionaries(
    {"name": st.sampled_from(COLUMNS), "shape": st.one_of(CELLS, st.lists(st.integers(-2, 4), max_size=3)), "datatype": st.sampled_from(["FP64", "INT8", "BOOL", "BYTES", "FP16", "BF16", "", "?"])},
    optional={"data": st.one_of(CELLS, st.lists(CELLS, max_size=4), st.lists(st.lists(CELLS, max_size=2), max_size=3)), "parameters": st.one_of(CELLS, st.fixed_dictionaries({"binary_data_size": st.one_of(CELLS, st.integers(0, 64))}))},
)  # fmt: skip
INFER = st.fixed_dictionaries(
    {"inputs": st.one_of(CELLS, st.lists(st.one_of(TENSORS, CELLS), max_size=4))},
    optional={"id": CELLS, "outputs": st.one_of(CELLS, st.lists(st.fixed_dictionaries({"name": TEXTS}, optional={"parameters": CELLS}), max_size=2)), "parameters": CELLS},
)  # fmt: skip
PATHS = [
    "/models/m/predict",
    "/models/price/predict",
    "/models/m/invocations",
    "/models/price/invocations",
    "/models/m/feedback",
]
FUZZ = settings(
    max_examples=250, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@pytest.fixture(scope="module")
def client():
    """One connection that is kept: what confuses the server shows at the next request."""
    with local_http.Client() as made:
        yield made


def check(client: httpx.Client, url: str, content: bytes, headers: dict[str, str] | None = None) -> None:
    """The promise."""
    started = time.monotonic()
    answer = client.post(url, content=content, headers=headers or {})
    assert time.monotonic() - started < SOON_S, content
    assert 200 <= answer.status_code < 500, (answer.status_code, answer.text, content)
    if answer.status_code >= 400:
        assert len(answer.json()["error"]) > 5, content


def dumped(value: Any) -> bytes:
    """JSON, bare NaN and lone surrogates included."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


@FUZZ
@given(path=st.sampled_from(PATHS), body=BODIES)
def test_bodies_near_the_schema(daemon, client, path, body):
    """Rows, labels and MLflow's forms with everything that JSON can hold in each place."""
    check(client, daemon.url + path, dumped(body))


@FUZZ
@given(model=st.sampled_from(["m", "price"]), body=INFER, tail=st.binary(max_size=64), declared=st.booleans())
def test_tensors_near_the_protocol(daemon, client, model, body, tail, declared):
    """Shapes, datatypes and binary parts that do not fit each other."""
    text = dumped(body)
    headers = {"inference-header-content-length": str(len(text))} if declared else {}
    check(client, f"{daemon.url}/v2/models/{model}/infer", text + (tail if declared else b""), headers)


@FUZZ
@given(
    path=st.sampled_from([*PATHS, "/v2/models/m/infer"]),
    body=st.binary(max_size=200),
    encoding=st.sampled_from([None, "gzip", "deflate", "br", ""]),
)
def test_bytes_that_are_nothing(daemon, client, path, body, encoding):
    """Not JSON, not gzip, not UTF-8."""
    check(client, daemon.url + path, body, None if encoding is None else {"content-encoding": encoding})


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"null", b"0", b'"', b"{}", b"[]", b"[[]]", b"\x00" * 1000, b"{" * 50_000, b'{"rows":' * 50_000,
        b'{"rows":[' + b"{}," * 5_000 + b"{}]}", b'{"rows":[{"x":' + b"9" * 100_000 + b"}]}",
        b'{"rows":[{"x":1,"x":2}]}', b'{"rows":[{"' + b"x" * 500_000 + b'":1}]}', b'{"rows":[{"colour":"' + b"a" * 500_000 + b'"}]}',
        b'{"rows":[{"x":1e99999}]}', b'{"rows":[{"x":-Infinity}]}', b'\xef\xbb\xbf{"rows":[{"x":1}]}', b'{"rows":[{"x":1}]}garbage',
        '{"rows":[{"x":1}]}'.encode("utf-16"), b'{"rows":[{"x":1}],"ids":["' + b"\\u0000" * 50 + b'"]}', b'{"rows":[{"x":"\\ud800"}]}',
    ],
)  # fmt: skip
def test_a_corpus_of_bad_bodies(daemon, client, body):
    """What people and tools send by mistake, and what they send on purpose."""
    for path in (*PATHS, "/v2/models/m/infer"):
        check(client, daemon.url + path, body)
