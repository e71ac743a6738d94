"""What doctor says of the server of MLflow, and of the collector of OpenLineage, by one request each."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from helpers import PATIENCE_S
from ledgers import new_ledger

from daemon.config.config import load_config
from daemon.ledger import outbox
from daemon.tools import doctor_registry
from daemon.tools.doctor_registry import mlflow_told, openlineage_told, unreached
from retrain.records.errors import Refused

MODEL = '[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n'
KNOWN = {"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"}


@contextlib.contextmanager
def answering(body: bytes, who: str = "Basic dTpw", status: int = 200) -> Iterator[str]:
    """A server that wants the user u with the password p, or who else is named, and answers him with a body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.headers["Authorization"] == who else 401)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_server_that_cannot_be_asked_is_told_with_why():
    """Nobody there, nobody who knows the user, or something else than MLflow."""
    with answering(b"{}") as server:
        assert unreached(server, KNOWN) == ""
        assert unreached(server, {}) == "it answered 401"
    with answering(b"<html>") as server:
        assert "no MLflow" in unreached(server, KNOWN)
    assert unreached("http://127.0.0.1:9", {}) == "Connection refused"


def test_credentials_are_read_of_their_file_and_a_wrong_line_is_named(tmp_path):
    """By its number, without what is in it; the file's user is the one who asks."""
    (tmp_path / "who").write_text("# of the service\nMLFLOW_TRACKING_USERNAME=u\nexport MLFLOW_TRACKING_PASSWORD='p'\n")
    with answering(b"{}") as server:
        text = f'[mlflow]\ntracking_uri = "{server}"\ncredentials_file = "who"\n'
        (tmp_path / "config.toml").write_text(text + MODEL)
        config = load_config(tmp_path / "config.toml")
        assert ("ok", f"[mlflow] {server} answers", "") in list(mlflow_told(config, {}))
    (tmp_path / "who").write_text("hunter2\n")
    with pytest.raises(Refused, match="line 1") as told:
        list(mlflow_told(config, {}))
    assert "hunter2" not in str(told.value)


def collector_told(folder: Path, url: str) -> list[tuple[str, str]]:
    """Level and finding of each look at a collector, whose key is in a file."""
    (folder / "key").write_text("secret-of-the-collector\n")
    text = f'[service]\nstate_dir = "state"\n[openlineage]\nurl = "{url}"\nkey_file = "key"\n'
    (folder / "config.toml").write_text(text + MODEL)
    return [(level, told) for level, told, _ in openlineage_told(load_config(folder / "config.toml"), {})]


@pytest.mark.parametrize(
    ("status", "level", "expected"),
    [
        (200, "ok", "answers; it is asked with a key"),
        (400, "ok", "answers"),
        (405, "ok", "answers"),
        (403, "error", "it answered 403"),
        (404, "error", "it answered 404"),
        (308, "error", "it wants another URL"),
        (503, "error", "it answered 503"),
    ],
)
def test_the_collector_is_looked_at_and_sent_nothing(tmp_path, status, level, expected):
    """With its key, which is told to nobody; that it expects something else than a look shows that it is there."""
    with answering(b"", "Bearer secret-of-the-collector", status) as server:
        ((found, told),) = collector_told(tmp_path, f"{server}/api/v1/lineage?token=hunter2")
    assert found == level and expected in told and f"{server}/api/v1/lineage" in told
    assert "hunter2" not in told and "secret-of" not in told


def test_a_collector_that_is_not_there_or_never_ends_is_told(tmp_path, monkeypatch):
    """In bounded time, also where it sends byte after byte; what waits in the ledger is told with it."""
    with contextlib.closing(new_ledger(tmp_path / "state")) as ledger, ledger.begin() as conn:
        message = outbox.add(conn, "[openlineage]", "key", "m START", {}, 1.0)
        outbox.try_later(conn, message, 2.0, "Connection refused")
    assert collector_told(tmp_path, "http://127.0.0.1:9/x") == [
        ("error", "[openlineage] http://127.0.0.1:9/x: Connection refused"),
        ("warning", "[openlineage] 1 event waiting: Connection refused"),
    ]
    monkeypatch.setattr(doctor_registry, "LIMIT_S", 0.3)
    with dripping() as server:
        told = collector_told(tmp_path, server)[0]
    assert told == ("error", f"[openlineage] {server}: no answer within 0.3 s")


@contextlib.contextmanager
def dripping() -> Iterator[str]:
    """A server whose answer never ends."""
    ended = threading.Event()

    def drip(listening: socket.socket) -> None:
        with contextlib.suppress(OSError), listening.accept()[0] as taken:
            taken.sendall(b"HTTP/1.1 2")
            while not ended.wait(0.02):
                taken.sendall(b"a")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/x"
        ended.set()
        thread.join(PATIENCE_S)
