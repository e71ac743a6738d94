"""What doctor says of the server of MLflow, by one request."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from daemon.config.config import load_config
from daemon.tools.doctor_registry import mlflow_told, unreached
from retrain.records.errors import Refused

MODEL = '[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n'
KNOWN = {"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"}


@contextlib.contextmanager
def answering(body: bytes) -> Iterator[str]:
    """A server that wants the user u with the password p, and answers him with a body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.headers["Authorization"] == "Basic dTpw" else 401)
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
