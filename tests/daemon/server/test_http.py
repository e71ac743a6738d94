"""The HTTP interface of a real server that serves a real version."""

import json
import re
import sqlite3

import httpx
import local_http
import psutil
import pyarrow as pa
import pytest
from daemon_harness import Daemon, drop, rows
from helpers import wait_for

pytestmark = pytest.mark.xdist_group("http")  # one daemon for all of them
GOOD = {"x": 0.3, "z": -1.0, "colour": "red"}


def post(daemon: Daemon, path: str, body: object) -> httpx.Response:
    """A request with a JSON body, or with these bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return local_http.post(daemon.url + path, content=content)


def test_a_prediction_names_its_version(daemon):
    """Predictions, probabilities by class, ids echoed."""
    answer = post(daemon, "/models/m/predict", {"rows": [GOOD, {"x": -3.0}], "ids": ["a", 7]})
    body = answer.json()
    assert answer.status_code == 200
    assert body["version"].startswith("v0001-") and body["model"] == "m" and body["ids"] == ["a", 7]
    assert body["predictions"] == ["yes", "no"]
    assert sum(body["probabilities"][0].values()) == pytest.approx(1.0)


def test_a_server_process_has_no_database_in_memory(daemon):
    """None of their libraries is mapped, whatever it loaded and answered."""
    assert daemon.process is not None
    children = psutil.Process(daemon.process.pid).children()
    (server,) = (child for child in children if "daemon.server" in child.cmdline())
    mapped = {one.path for one in server.memory_maps()}
    assert [path for path in mapped if "/uvloop/" in path] and "treelite" in str(mapped)
    assert not [path for path in mapped if re.search("sqlite|sqlalchemy|psycopg|libpq", path)]


def test_missing_null_nan_and_unseen_values_are_predicted(daemon):
    """As in training: they are missing."""
    body = b'{"rows": [{"x": NaN, "colour": "mauve"}, {"x": null, "z": 1, "colour": null}, {"x": Infinity}]}'
    answer = post(daemon, "/models/m/predict", body)
    assert answer.status_code == 200 and len(answer.json()["predictions"]) == 3


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 400, "not valid JSON"),
        (b"{", 400, "not valid JSON"),
        (b'{"rows": [{"colour": "\xff\xfe"}]}', 400, "not valid JSON"),
        (b"[1]", 400, "expected a JSON object"),
        (b'{"rows": []}', 400, "missing or empty"),
        (b'{"rows": [1]}', 400, "row 0 is a number"),
        (b'{"rows": [{}]}', 400, "row 0 has no feature"),
        (b'{"rows": [{"x": 1}, {"colr": "a"}]}', 400, "row 1: unknown column 'colr'; did you mean 'colour'?"),
        (b'{"rows": [{"x": 1}, {"x": "abc"}]}', 400, "row 1, column 'x'"),
        (b'{"rows": [{"x": [1]}]}', 400, "expected a single value"),
        (b'{"rows": [{"x": 1}], "ids": [1, 2]}', 400, '"ids"'),
        (b'{"rowz": [{"x": 1}]}', 400, "unknown key 'rowz'"),
        (b'{"rows": [{"x": 1}], "ids": ["\\ud800"]}', 400, "surrogate"),
        (b'{"rows": [{"x": 1, "id": 1.5}]}', 400, "row 0: its id is 1.5"),
        (b'{"rows": [{"x": ' + b"9" * 5000 + b"}]}", 400, "too many digits"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b'{"rows": [' + b",".join([b'{"x":1}'] * 10_001) + b"]}", 413, "at most 10,000"),
    ],
)
def test_mistakes_are_named(daemon, body, status, told):
    """Row and column, as JSON, never a traceback."""
    answer = post(daemon, "/models/m/predict", body)
    assert (answer.status_code, told in answer.json()["error"]) == (status, True), answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/models/nobody/predict", 404),
        ("POST", "/models/empty/predict", 503),
        ("GET", "/models/m/predict", 405),
        ("GET", "/nothing", 404),
        ("GET", "/v2/models/m/", 404),
        ("GET", "/v2/models/nobody", 404),
        ("GET", "/v2/models/empty/ready", 503),
    ],
)
def test_wrong_addresses_answer_in_json(daemon, method, path, status):
    """The status says what kind of mistake it is."""
    answer = local_http.request(
        method, daemon.url + path, content=b'{"rows": [{"x": 1}]}' if method == "POST" else None
    )
    assert answer.status_code == status and (answer.json().get("error") or "ready" in answer.json())


def test_health_and_metadata(daemon):
    """As the Open Inference Protocol's clients ask."""
    get = lambda path: local_http.get(daemon.url + path).json()  # noqa: E731
    assert get("/v2/health/live") == {"live": True}
    assert get("/v2/health/ready") == {"ready": True}
    assert get("/v2")["name"] == "driftd"
    model = get("/v2/models/m")
    assert model["versions"] == [daemon.predict().json()["version"]]
    assert [c["name"] for c in model["columns"]] == ["x", "z", "colour"] and model["classes"] == ["no", "yes"]
    assert get("/v2/models/m/ready") == {"name": "m", "ready": True}


def test_metrics_count_requests_and_tell_the_version(daemon):
    """In Prometheus' text format."""
    version = daemon.predict().json()["version"]
    text = local_http.get(daemon.url + "/metrics").text
    assert f'driftd_serving{{model="m",version="{version}"}} 1.0' in text
    assert 'driftd_requests_total{model="m",status="200"}' in text
    assert 'driftd_files{model="m",state="accepted"}' in text


def test_metrics_are_compressed_and_in_the_format_that_is_asked_for(daemon):
    """As Prometheus asks."""
    formats = {
        "": "text/plain; version=0.0.4",
        "application/openmetrics-text;version=1.0.0": "application/openmetrics-text",
    }
    for accept, expected in formats.items():
        answer = local_http.get(daemon.url + "/metrics", headers={"accept": accept, "accept-encoding": "gzip"})
        assert answer.headers["content-type"].startswith(expected) and answer.headers["content-encoding"] == "gzip"
        assert answer.text.endswith("# EOF\n") == bool(accept)
    assert (
        "content-encoding"
        not in local_http.get(daemon.url + "/metrics", headers={"accept-encoding": "identity"}).headers
    )


def test_many_rows_give_what_one_row_gives(daemon):
    """A big request answers the same, bit by bit."""
    table = rows(5, 300).drop_columns(["label"]).to_pylist()
    together = post(daemon, "/models/m/predict", {"rows": table}).json()["probabilities"]
    alone = [post(daemon, "/models/m/predict", {"rows": [row]}).json()["probabilities"][0] for row in table[:10]]
    assert together[:10] == alone


def test_feedback_becomes_labels_of_known_rows(daemon):
    """A label that arrives over HTTP is durable, and is taken in like a file of labels."""
    ids = pa.array([f"r{10_000 + i}" for i in range(600)])
    unlabelled = rows(7).append_column("id", ids).drop_columns(["label"])
    drop(unlabelled, daemon.data / "later.parquet")
    daemon.wait("file_accepted", file="later.parquet")
    labels = [{"id": f"r{10_000 + i}", "label": "yes"} for i in range(5)]
    answer = post(daemon, "/models/m/feedback", {"labels": labels})
    assert (answer.status_code, answer.json()["accepted"]) == (202, 5)

    def taken() -> bool:
        with sqlite3.connect(daemon.folder / "state/ledger.sqlite") as ledger:
            found = ledger.execute(
                "select sum(rows) from files where kind = 'labels' and state = 'accepted'"
            ).fetchone()
        return found[0] == 5

    wait_for(taken)
    wait_for(lambda: not list((daemon.folder / "state/spool/m").iterdir()))
    with sqlite3.connect(daemon.folder / "state/ledger.sqlite") as ledger:
        ((name,),) = ledger.execute("select path from files where kind = 'labels'").fetchall()
    assert re.fullmatch(r"labels/20\d\d-\d\d-\d\dT\d{6}\.\d{6}Z-\d+-\d+", name), "as people may write it"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"labels": []}, "missing or empty"),
        ({"labels": {"id": "a", "label": "yes"}}, "or no list"),
        ({"labels": [{"id": "a"}]}, "label 0"),
        ({"labels": [{"id": None, "label": "yes"}]}, "the id must be"),
        ({"labels": [{"id": "a", "label": None}]}, "expected a class name"),
        ({"labels": [{"id": "", "label": "yes"}]}, "the id must be"),
        ({"labels": [{"id": "a", "label": "maybe"}]}, "'maybe' is none of the declared classes no, yes"),
        ({"labels": [{"id": "a", "label": "Yes "}]}, "'yes' was likely meant: only case or blanks differ"),
    ],
)
def test_bad_feedback_is_named(daemon, body, told):
    """Nothing of it is kept."""
    answer = post(daemon, "/models/m/feedback", body)
    assert answer.status_code == 400 and told in answer.json()["error"]
