"""Requests that cost, or once cost, more than their bytes: each kind a function of a size in bytes.

The model that they are sent to has the numbers `x` and `z`, the category `colour`, the id `id` and the label `label`."""

import gzip
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

LARGEST = 16_000_000
SIZES = (1_000, 16_000, 128_000, 1_000_000, 4_000_000, LARGEST)
PREDICT, INFER, INVOKE, FEEDBACK = (
    "/models/m/predict",
    "/v2/models/m/infer",
    "/models/m/invocations",
    "/models/m/feedback",
)
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Request:
    """What is sent: a POST of `body`, or `raw` bytes on a connection of their own."""

    path: str = PREDICT
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    raw: bytes = b""


@dataclass(frozen=True)
class Kind:
    """A name, a maker of requests of about so many bytes (before compression), and its largest size."""

    name: str
    make: Callable[[int], Request]
    largest: int = LARGEST

    @property
    def sizes(self) -> tuple[int, ...]:
        """Those it is asked for."""
        return tuple(size for size in SIZES if size <= self.largest)


def kinds() -> Iterator[Kind]:
    """All kinds."""
    yield from _anywhere()
    yield from _of_predict()
    yield from _of_infer()
    yield from _of_invocations()
    yield from _of_feedback()
    yield from _compressed()
    yield from _of_http()


# --- JSON that any address may get --------------------------------------------------------------------------------


def _repeated(begin: bytes, unit: bytes, end: bytes, comma: bytes = b",") -> Callable[[int], bytes]:
    def body(size: int) -> bytes:
        count = max(1, (size - len(begin) - len(end)) // (len(unit) + len(comma)))
        return begin + comma.join([unit] * count) + end

    return body


def _filled(begin: bytes, unit: bytes, end: bytes) -> Callable[[int], bytes]:
    return _repeated(begin, unit, end, b"")


def _numbered(begin: bytes, unit: bytes, end: bytes) -> Callable[[int], bytes]:
    """`unit` has a %d that grows."""

    def body(size: int) -> bytes:
        count = max(1, (size - len(begin) - len(end)) // (len(unit) + 5))
        return begin + b",".join(unit % number for number in range(count)) + end

    return body


def _kind(
    name: str, path: str, make: Callable[[int], bytes], headers: dict[str, str] = JSON, largest: int = LARGEST
) -> Kind:
    return Kind(name, lambda size: Request(path, make(size), dict(headers)), largest)


def _anywhere() -> Iterator[Kind]:
    bodies = {
        "zeros": _filled(b"", b"\x00", b""),
        "spaces": _filled(b"", b" ", b""),
        "brackets": _filled(b"", b"[", b""),
        "objects-in-objects": _filled(b"", b'{"a":', b""),
        "empty-lists": _repeated(b"[", b"[]", b"]"),
        "empty-objects": _repeated(b"[", b"{}", b"]"),
        "one-long-number": _filled(b'{"rows":[{"x":', b"9", b"}]}"),
        "empty-texts": _repeated(b'{"rows":[', b'""', b"]}"),
        "quotes-never-closed": _filled(b'{"rows":["', b'\\"', b""),
        "escapes": _filled(b'{"rows":[{"colour":"', b"\\u0000", b'"}]}'),
        "surrogates": _filled(b'{"rows":[{"colour":"', b"\\ud800", b'"}]}'),
        "many-keys": _numbered(b"{", b'"k%d":1', b"}"),
        "long-key": _filled(b'{"', b"k", b'":1}'),
    }
    for name, make in bodies.items():
        for path in (PREDICT, INFER, INVOKE, FEEDBACK):
            yield _kind(f"{path.rsplit('/', 1)[-1]} {name}", path, make)


# --- each protocol ------------------------------------------------------------------------------------------------


def _of_predict() -> Iterator[Kind]:
    row = b'{"x":1.5,"z":-2.25,"colour":"red"}'
    bodies = {
        "rows-without-features": _repeated(b'{"rows":[', b"{}", b"]}"),
        "nulls": _repeated(b'{"rows":[', b"null", b"]}"),
        "short-rows": _repeated(b'{"rows":[', b'{"x":1}', b"]}"),
        "rows": _repeated(b'{"rows":[', row, b"]}"),
        "rows-explained": _repeated(b'{"explain":true,"rows":[', row, b"]}"),
        "explain-of-lists": _repeated(b'{"rows":[{"x":1}],"explain":[', b"[]", b"]}"),
        "long-explain": _filled(b'{"rows":[{"x":1}],"explain":"', b"t", b'"}'),
        "explain-again": _repeated(b'{"rows":[{"x":1}],', b'"explain":true', b"}"),
        "categories-as-numbers": _repeated(b'{"rows":[', b'{"x":1,"colour":7}', b"]}"),
        "not-a-number": _repeated(b'{"rows":[', b'{"x":NaN}', b"]}"),
        "long-category": _filled(b'{"rows":[{"colour":"', b"a", b'"}]}'),
        "long-category-beyond-latin": _filled(b'{"rows":[{"x":1,"colour":"\xf0\x9f\x98\x80', b"a", b'"}]}'),
        "commas-in-texts": _repeated(b'{"rows":[', b'{"x":1,"colour":"' + 800 * b"a,{[" + b'"}', b"]}"),
        "long-column": _filled(b'{"rows":[{"colou', b"r", b'":1}]}'),
        "many-columns": _numbered(b'{"rows":[{', b'"c%d":1', b"}]}"),
        "one-column-again": _repeated(b'{"rows":[{', b'"x":1', b"}]}"),
        "long-numbers": _repeated(b'{"rows":[', b'{"x":' + 4000 * b"9" + b"}", b"]}"),
        "digits-behind-the-point": _filled(b'{"rows":[{"x":0.', b"1", b"}]}"),
        "ids": _repeated(b'{"rows":[{"x":1}],"ids":[', b"1", b"]}"),
        "long-id": _filled(b'{"rows":[{"x":1}],"ids":["', b"a", b'"]}'),
        "huge-id": lambda size: b'{"rows":[{"x":1}],"ids":[1' + min(size, 4200) * b"0" + b"]}",
        "lists-in-a-cell": _repeated(b'{"rows":[{"x":[', b"[]", b"]}]}"),
        "objects-in-a-cell": _repeated(b'{"rows":[{"x":[', b'{"a":1}', b"]}]}"),
    }
    for name, make in bodies.items():
        yield _kind(f"predict {name}", PREDICT, make)


def _tensor(begin: bytes, end: bytes) -> tuple[bytes, bytes]:
    return b'{"inputs":[{"name":"x","datatype":"FP64",' + begin, end + b"}]}"


def _dimensions(size: int) -> bytes:
    """Half of it dimensions, half of it empty lists and one scalar."""
    begin, end = _tensor(b'"shape":[', b"]")
    dims = b",".join([b"1"] * max(1, size // 4))
    lists = b",".join([b"[]"] * max(1, size // 6))
    return begin + dims + b'],"data":[' + lists + b",1" + end


def _of_infer() -> Iterator[Kind]:
    def data(unit: bytes, shape: bytes = b"[1]") -> Callable[[int], bytes]:
        begin, end = _tensor(b'"shape":' + shape + b',"data":[', b"]")
        return _repeated(begin, unit, end)

    def shape(unit: bytes) -> Callable[[int], bytes]:
        begin, end = _tensor(b'"shape":[', b'],"data":[1]')
        return _repeated(begin, unit, end)

    good = b'{"name":"x","datatype":"FP64","shape":[1],"data":[1]}'
    rest = (
        good
        + b',{"name":"z","datatype":"FP64","shape":[1],"data":[1]},{"name":"colour","datatype":"BYTES","shape":[1],"data":["red"]}]'
    )
    bodies = {
        "dimensions-and-empty-lists": _dimensions,
        "dimensions-of-63-bits": shape(str(2**62).encode()),
        "dimensions-of-many-digits": shape(4200 * b"9"),
        "dimensions-of-too-many-digits": shape(4400 * b"9"),
        "ones": shape(b"1"),
        "outputs": _repeated(b'{"inputs":[' + rest + b',"outputs":[', b'{"name":"probabilities"}', b"]}"),
        "outputs-unknown": _numbered(b'{"inputs":[' + rest + b',"outputs":[', b'{"name":"o%d"}', b"]}"),
        "one-tensor-again": _repeated(b'{"inputs":[', good, b"]}"),
        "many-tensors": _numbered(b'{"inputs":[', b'{"name":"t%d","datatype":"FP64","shape":[1],"data":[1]}', b"]}"),
        "lists-of-one": data(b"[1]", b"[10000,1]"),
        "numbers": data(b"1.5", b"[10000]"),
        "texts-for-numbers": data(b'"a"', b"[10000]"),
        "objects-for-numbers": data(b'{"a":1}', b"[10000]"),
        "not-a-number": data(b"NaN", b"[10000]"),
        "long-name": _filled(b'{"inputs":[{"name":"', b"n", b'","datatype":"FP64","shape":[1],"data":[1]}]}'),
        "long-datatype": _filled(b'{"inputs":[{"name":"x","datatype":"', b"F", b'","shape":[1],"data":[1]}]}'),
        "long-id": _filled(b'{"inputs":[' + rest + b',"id":"', b"i", b'"}'),
        "parameters": _numbered(b'{"inputs":[' + rest + b',"parameters":{', b'"p%d":1', b"}}"),
    }  # fmt: skip
    for name, make in bodies.items():
        yield _kind(f"infer {name}", INFER, make)
    yield Kind("infer explained", _explained_tensors)
    yield Kind("infer binary-empty-texts", lambda size: _binary("BYTES", "[10000]", bytes(size)))
    yield Kind("infer binary-numbers", lambda size: _binary("FP64", f"[{size // 8}]", bytes(size // 8 * 8)))
    yield Kind("infer binary-booleans", lambda size: _binary("BOOL", f"[{size}]", bytes(size)))
    yield Kind("infer binary-one-text", lambda size: _binary("BYTES", "[1]", struct.pack("<I", size) + size * b"a"))
    yield Kind(
        "infer header-length",
        lambda size: Request(INFER, b"{}", {"inference-header-content-length": "9" * size}),
        50_000,
    )


def _explained_tensors(size: int) -> Request:
    """As many rows as that has bytes for, each of three columns, and their contributions."""
    count = max(1, size // 16)
    texts = {"x": ("FP64", "1.5"), "z": ("FP64", "null"), "colour": ("BYTES", '"red"')}
    inputs = [
        f'{{"name":"{name}","datatype":"{datatype}","shape":[{count}],"data":[{",".join([one] * count)}]}}'
        for name, (datatype, one) in texts.items()
    ]
    return Request(INFER, f'{{"parameters":{{"explain":true}},"inputs":[{",".join(inputs)}]}}'.encode())


def _binary(datatype: str, shape: str, data: bytes) -> Request:
    text = f'{{"inputs":[{{"name":"x","datatype":"{datatype}","shape":{shape},"parameters":{{"binary_data_size":{len(data)}}}}}]}}'
    length = {"inference-header-content-length": str(len(text)), "content-type": "application/octet-stream"}
    return Request(INFER, text.encode() + data, length)


def _of_invocations() -> Iterator[Kind]:
    bodies = {
        "records-of-other-names": _numbered(b'{"dataframe_records":[', b'{"c%d":1}', b"]}"),
        "records-without-names": _repeated(b'{"dataframe_records":[', b"{}", b"]}"),
        "columns-of-a-split": _numbered(b'{"dataframe_split":{"columns":[', b'"c%d"', b'],"data":[[1]]}}'),
        "rows-of-a-split": _repeated(b'{"dataframe_split":{"columns":["x"],"data":[', b"[1]", b"]}}"),
        "no-columns": _repeated(b'{"dataframe_split":{"columns":[],"data":[', b"[]", b"]}}"),
        "instances": _repeated(b'{"instances":[', b'[1,2,"red"]', b"]}"),
        "inputs-by-name": _numbered(b'{"inputs":{', b'"c%d":[1]', b"}}"),
        "one-input": _repeated(b'{"inputs":{"x":[', b"[1]", b"]}}"),
        "keys": _numbered(b'{"instances":[],', b'"k%d":1', b"}"),
    }
    for name, make in bodies.items():
        yield _kind(f"invocations {name}", INVOKE, make)


def _of_feedback() -> Iterator[Kind]:
    bodies = {
        "labels": _numbered(b'{"labels":[', b'{"id":"r%d","label":"yes"}', b"]}"),
        "empty-labels": _repeated(b'{"labels":[', b"{}", b"]}"),
        "long-label": _filled(b'{"labels":[{"id":"r1","label":"', b"y", b'"}]}'),
        "long-id": _filled(b'{"labels":[{"id":"', b"r", b'","label":"yes"}]}'),
        "huge-label": lambda size: b'{"labels":[{"id":"r1","label":1' + min(size, 4200) * b"0" + b"}]}",
        "huge-id": lambda size: b'{"labels":[{"id":1' + min(size, 4200) * b"0" + b',"label":"yes"}]}',
        "lists-for-a-label": _repeated(b'{"labels":[{"id":"r1","label":[', b"[]", b"]}]}"),
        "keys-of-a-label": _numbered(b'{"labels":[{', b'"k%d":1', b"}]}"),
    }
    for name, make in bodies.items():
        yield _kind(f"feedback {name}", FEEDBACK, make)


# --- what bytes may stand for -------------------------------------------------------------------------------------


def _compressed() -> Iterator[Kind]:
    zipped = JSON | {"content-encoding": "gzip"}
    deflated = JSON | {"content-encoding": "deflate"}

    def squeezed(make: Callable[[int], bytes]) -> Callable[[int], bytes]:
        return lambda size: gzip.compress(make(size), 6, mtime=0)

    category = _filled(b'{"rows":[{"x":1,"colour":"', b"a", b'"}]}')
    empty = gzip.compress(b"", mtime=0)
    bodies = {
        "empty-members": lambda size: empty * (size // len(empty)),
        "members-of-a-byte": lambda size: gzip.compress(b" ", mtime=0) * (size // 21),
        "zeros": squeezed(_filled(b"", b"\x00", b"")),
        "beyond-the-limit": squeezed(_filled(b"", b" ", 2_000_000 * b" ")),
        "long-category": squeezed(category),
        "rows-without-features": squeezed(_repeated(b'{"rows":[', b"{}", b"]}")),
        "rows": squeezed(_repeated(b'{"rows":[', b'{"x":1.5,"z":-2.25,"colour":"red"}', b"]}")),
        "cut-off": lambda size: gzip.compress(category(size), 6)[:-9],
        "no-gzip": _filled(b"", b"\x1f\x8b", b""),
    }
    for name, make in bodies.items():
        yield _kind(f"gzip {name}", PREDICT, make, zipped)
    yield _kind("deflate zeros", PREDICT, lambda size: zlib.compress(bytes(size)), deflated)
    yield _kind("deflate long-category", PREDICT, lambda size: zlib.compress(category(size)), deflated)


def _of_http() -> Iterator[Kind]:
    post = f"POST {PREDICT} HTTP/1.1\r\nhost: localhost\r\n".encode()
    get = b"GET /v2 HTTP/1.1\r\nhost: localhost\r\n"
    chunked = post + b"content-type: application/json\r\ntransfer-encoding: chunked\r\n"
    raws: dict[str, Callable[[int], bytes]] = {
        "headers": lambda size: get + b"".join(b"x-%d: a\r\n" % n for n in range(size // 10)) + b"\r\n",
        "header-without-end": lambda size: get + b"x: " + size * b"a",
        "second-header-without-end": lambda size: get + b"\r\n" + get + b"x: " + size * b"a",
        "address-without-end": lambda size: b"GET /" + size * b"a",
        "second-address-without-end": lambda size: get + b"\r\nGET /" + size * b"a",
        "pipeline": lambda size: (get + b"\r\n") * (size // 40),
        "chunks-of-a-byte": lambda size: chunked + b"\r\n" + b"1\r\n \r\n" * (size // 6) + b"0\r\n\r\n",
        "chunk-extension": lambda size: chunked + b"\r\n1;a=" + size * b"a",
        "trailer-without-end": lambda size: chunked + b"\r\n1\r\n \r\n0\r\nx: " + size * b"a",
        "chunk-length": lambda size: chunked + b"\r\n" + size * b"f" + b"\r\n",
        "content-length": lambda size: post + b"content-length: " + size * b"9" + b"\r\n\r\n",
        "binary": lambda size: size * b"\x16\x03\x01",
    }
    for name, raw in raws.items():
        yield Kind(f"http {name}", _sent(raw), 4_000_000)
    for name, path in {"path": "/{}", "model": "/models/{}/predict", "model-of-metadata": "/v2/models/{}"}.items():
        yield Kind(f"http long-{name}", _long_path(path), 16_000)
    long = ("accept-encoding", "content-encoding", "content-type", "authorization", "origin", "expect", "connection")
    for name in long:
        yield Kind(f"http long-{name}", _long_header(name), 16_000)


def _sent(raw: Callable[[int], bytes]) -> Callable[[int], Request]:
    return lambda size: Request(raw=raw(size))


def _long_path(path: str) -> Callable[[int], Request]:
    return lambda size: Request(path.format("a" * size), b"{}")


def _long_header(name: str) -> Callable[[int], Request]:
    def make(size: int) -> Request:
        return Request(PREDICT, json.dumps({"rows": [{"x": 1}]}).encode(), {name: "gzip," * (size // 5)})

    return make
