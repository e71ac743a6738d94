"""Property-based fuzzers of every parser of requests, files, configuration and manifests: whatever comes is read, or
refused in the parser's own words."""

import contextlib
import gzip
import io
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from daemon.config.config import ConfigErrors, load_config
from daemon.config.cron import cron_trigger
from daemon.config.paths import StatePaths
from daemon.reading.header import find_header
from daemon.reading.operations import TakeRequest
from daemon.reading.take import take
from daemon.runtime.backups import read_notes
from daemon.runtime.promoted import described
from daemon.runtime.serving import read_serving
from daemon.server.bodies import decompressed
from daemon.server.infer import is_explained, read_request
from daemon.server.invocations import read_invocation
from daemon.server.labels import labels_of
from daemon.server.origins import host_name, is_local
from daemon.server.recommendation.asked import read_recommend, read_similar, read_user
from daemon.server.recommendation.feedback import read_events
from daemon.server.refusal import BadRequest
from daemon.server.rows import RowReader, decode
from daemon.server.structure import check_structure
from daemon.tools.backup.manifest import read_manifest
from hostile.shapes import ANY, LINES, NAMES, TABLES, TEXTS, cells, near, tampered
from retrain.recommendation.posted import event_of
from retrain.records.errors import Refused, Retry
from retrain.records.schema import declared_schema
from retrain.records.settings import ModelSettings
from retrain.records.settings.units import alarm_rate, duration_s, retrain_budget, size_bytes
from retrain.store.versions import load_version

COLUMNS = {
    "x": "number",
    "n": "integer",
    "b": "boolean",
    "t": "datetime",
    "c": "category",
    "w": "text",
    "y": "category",
    "id": "category",
}
SETTINGS = ModelSettings.model_validate(
    {
        "data_dir": "d",
        "task": "classification",
        "target": "y",
        "id_column": "id",
        "time_column": "t",
        "columns": COLUMNS,
    }
)
SCHEMA = declared_schema(SETTINGS)
EVENTS = ModelSettings.model_validate(
    {"data_dir": "d", "task": "recommendation", "user_column": "user", "item_column": "item", "time_column": "time", "value_column": "value", "positive": 3}
)  # fmt: skip
BODY_BYTES = 1_000_000
WORDS = st.one_of(
    TEXTS,
    st.text("0123456789.* ,-/@adhmswkMGTBper", max_size=24),
    st.from_regex(r"[0-9]{1,20} ?(ms|s|d|GB|per \d+ files)", fullmatch=True),
)


@dataclass(frozen=True)
class Parser:
    """`read` gets what `made` makes; only errors of its own are expected. `slow` ones read a file each time."""

    name: str
    made: st.SearchStrategy[Any]
    read: Callable[[Any], object]
    expected: tuple[type[Exception], ...]
    slow: bool = False


def parsers() -> list[Parser]:
    """All of them."""
    reader, strict = RowReader(SCHEMA, False), RowReader(SCHEMA, True)
    rows = tampered(
        st.fixed_dictionaries(
            {"rows": cells(list(COLUMNS))}, optional={"ids": ANY, "explain": st.one_of(st.booleans(), ANY), "more": ANY}
        ).map(lambda value: json.dumps(value).encode("utf-8", "replace"))
    )

    def read_rows(body: bytes) -> object:
        check_structure(body, len(SCHEMA.columns))
        return [one.read_quickly(body) or one.read_slowly(body) for one in (reader, strict)]

    def json_of(read: Callable[[Any], object]) -> Callable[[bytes], object]:
        return lambda body: read(decode(body))

    refused = (BadRequest,)
    return [
        Parser("rows", st.one_of(rows, near("rows", "ids", "explain")), read_rows, refused),
        Parser("rows as JSON", rows, reader.read_json, refused),
        Parser("infer", st.tuples(near("inputs", "outputs", "id", "parameters"), st.one_of(st.none(), st.binary(max_size=3), st.integers(-1, 90).map(lambda n: str(n).encode()))),
               lambda made: is_explained(read_request(made[0], made[1], reader)[0]), refused),
        Parser("invocations", st.tuples(near("instances", "inputs", "dataframe_split", "dataframe_records"), st.sampled_from([None, b"application/json", b"text/csv"])),
               lambda made: read_invocation(made[0], made[1], reader), refused),
        Parser("labels", near("labels"), json_of(lambda value: labels_of(value, SCHEMA)), refused),
        Parser("recommend", near("users", "history", "k"), json_of(read_recommend), refused),
        Parser("similar", near("items", "k"), json_of(read_similar), refused),
        Parser("user", st.tuples(st.one_of(st.none(), TEXTS), TEXTS), lambda made: read_user(*made), (*refused, ValueError)),
        Parser("events", near("events"), json_of(lambda value: read_events(value, EVENTS, ("-",), 10**12)), refused),
        Parser("posted lines", near("user", "item", "time"), event_of, ()),
        Parser("compressed", tampered(st.binary(max_size=200).map(gzip.compress)), lambda body: decompressed(body, b"gzip", BODY_BYTES), refused),
        Parser("hosts", TEXTS, lambda text: is_local(host_name(text)), ()),
        Parser("durations", st.one_of(WORDS, ANY), duration_s, (ValueError,)),
        Parser("sizes", st.one_of(WORDS, ANY), size_bytes, (ValueError,)),
        Parser("rates", st.one_of(WORDS, ANY), alarm_rate, (ValueError,)),
        Parser("budgets", st.one_of(WORDS, ANY), retrain_budget, (ValueError,)),
        Parser("schedules", WORDS, lambda text: cron_trigger(text, "UTC"), (ValueError,)),
        Parser("settings", st.dictionaries(st.sampled_from([*ModelSettings.model_fields, *NAMES]), ANY, max_size=5),
               lambda value: ModelSettings.model_validate({"data_dir": "d", "task": "regression", "target": "y"} | value), (ValueError,)),
        Parser("headers", TABLES.map(lambda data: data.decode("utf-8", "replace")), lambda text: find_header(text, None, ["y"]), (Refused,)),
        *_of_files(),
    ]  # fmt: skip


def _of_files() -> Iterator[Parser]:
    """Each example is a file of its own name in a folder that is there for all."""
    refused, later = (Refused,), (Refused, Retry)
    toml = st.dictionaries(
        st.sampled_from([*ModelSettings.model_fields, *NAMES[:9]]),
        st.one_of(TEXTS, st.integers(), st.floats(), st.booleans()),
        max_size=5,
    )
    yield Parser(
        "config.toml", tampered(toml.map(_as_toml)), _with_file("config.toml", load_config), (ConfigErrors,), True
    )
    for name, made in (("a.csv", TABLES), ("a.tsv", TABLES), ("a.csv.gz", tampered(TABLES.map(gzip.compress))), ("a.jsonl", LINES), ("a.json", LINES),
                       ("a.parquet", tampered(st.lists(st.tuples(st.floats(), TEXTS), max_size=5).map(_parquet)))):  # fmt: skip
        yield Parser(name, made, _with_file(name, _take), later, True)
    manifest = near("format", "name", "files", "schema", "created_at", "driftd")
    yield Parser(
        "manifest of a backup",
        manifest,
        _with_file("manifest.json", lambda path: read_manifest(path.parent)),
        refused,
        True,
    )
    yield Parser(
        "manifest of a version",
        manifest,
        _with_file("manifest.json", lambda path: load_version(path.parent)),
        refused,
        True,
    )
    yield Parser(
        "promoted",
        near("deployment", "promotion"),
        _with_state("promoted", lambda paths: described(paths, "m")),
        (),
        True,
    )
    yield Parser("serving", near("servers", "analyst"), _with_state("serving", read_serving), (), True)
    yield Parser("backups", near("newest", "whole"), _with_state("backups", read_notes), (), True)


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="driftd-fuzz-"))


def _with_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    def use(data: bytes) -> object:
        path = _folder() / name
        path.write_bytes(data)
        return read(path)

    return use


def _with_state(place: str, read: Callable[[StatePaths], object]) -> Callable[[bytes], object]:
    def use(data: bytes) -> object:
        paths = StatePaths(_folder())
        path = paths.promoted("m") if place == "promoted" else getattr(paths, place)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return read(paths)

    return use


def _as_toml(value: dict[str, Any]) -> bytes:
    lines = [f"{key or 'k'} = {json.dumps(one)}" for key, one in value.items()]
    return "\n".join(["[models.m]", 'data_dir = "d"', 'task = "classification"', 'target = "y"', *lines]).encode(
        "utf-8", "replace"
    )


def _parquet(rows: list[tuple[float, str]]) -> bytes:
    whole = io.BytesIO()
    texts = [text.encode("utf-8", "replace").decode() for _, text in rows]
    pq.write_table(
        pa.table({"x": pa.array([x for x, _ in rows], pa.float64()), "y": pa.array(texts, pa.string())}), whole
    )
    return whole.getvalue()


def _take(path: Path) -> None:
    """With the schema that is declared, and with one that is inferred."""
    bare = ModelSettings.model_validate({"data_dir": "d", "task": "classification", "target": "y"})
    for chosen, schema in ((SETTINGS, SCHEMA), (bare, None)):
        with contextlib.suppress(Refused, Retry):
            made = take(TakeRequest(path=path, schema=schema, settings=chosen, work=_folder() / "work"))
            for left in (made.snapshot, made.quarantine):
                if left is not None:
                    left.unlink()


def fuzz(parser: Parser, examples: int, start: int | None = None) -> None:
    """Try so many examples, from a seed or always the same ones; what is not expected is raised with the example."""
    profile = settings(
        max_examples=examples, deadline=None, derandomize=start is None, database=None, suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip

    @profile
    @given(parser.made)
    def run(made: Any) -> None:
        with contextlib.suppress(*parser.expected):
            parser.read(made)

    (run if start is None else seed(start)(run))()


def fuzz_all(memory: int, files: int, start: int) -> list[str]:
    """So many examples of parsers in memory and of those of files together; what was found, in words."""
    found, chosen = [], parsers()
    for slow, total in ((False, memory), (True, files)):
        group = [one for one in chosen if one.slow is slow]
        for number, parser in zip(itertools.count(), group, strict=False):
            share, begun = total // len(group), time.monotonic()
            try:
                fuzz(parser, share, start + number)
            except Exception as error:
                found.append(f"{parser.name}: {type(error).__name__}: {error}")
            print(f"{parser.name}: {share:,} examples in {time.monotonic() - begun:.0f} s", flush=True)
    return found
