"""One client's fault, haste or malice costs a clear answer and nothing else."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import local_http
import pytest
from daemon_harness import Daemon, drop, free_port, rows
from helpers import PATIENCE_S, wait_for

from daemon.server.refusal import BadRequest
from daemon.server.tokens import Tokens

pytestmark = pytest.mark.xdist_group("limits")
ONE = {"rows": [{"x": 0.3, "z": -1.0, "colour": "red"}]}
READ, ADMIN = "r" * 32, "a" * 32
LIMITS = """\
max_body = "200KB"
max_waiting = 4
request_time = "1s"
workers = 2
read_token_file = "read.token"
admin_token_file = "admin.token"
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """A daemon with small limits, two servers and tokens."""
    folder: Path = tmp_path_factory.mktemp("limits")
    (folder / "read.token").write_text(f"{'o' * 32}\n{READ}\n")
    (folder / "admin.token").write_text(ADMIN)
    made = Daemon(folder, 'id_column = "id"\n[models.m.triggers]\nfirst_rows = 300\ngrowth = 1e9\n', columns=False)
    text = made.config.read_text().replace("[service]\n", f"[service]\n{LIMITS}")
    columns = (
        '[models.m.columns]\nid = "category"\nx = "number"\nz = "number"\ncolour = "category"\nlabel = "category"\n'
    )
    made.config.write_text(text + columns)
    made.start()
    drop(rows(1).append_column("id", [[f"r{i}" for i in range(600)]]), made.data / "a.parquet")
    wait_for(lambda: len(list(made.seen("model_swapped"))) == 2, what="two servers swapped")
    yield made
    made.close()


def ask(daemon, token: str | None = READ, path: str = "/models/m/predict", body: object = ONE) -> httpx.Response:
    """A request with a token."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return local_http.post(daemon.url + path, content=json.dumps(body).encode(), headers=headers)


def raw(daemon, data: bytes, timeout_s: float = PATIENCE_S) -> bytes:
    """Everything that the server says to these bytes until it closes, or stays silent."""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=timeout_s) as connection:
        connection.sendall(data)
        said = b""
        try:
            while piece := connection.recv(65536):
                said += piece
        except ConnectionResetError:
            pass
        return said


def test_every_server_swaps(daemon):
    """Both servers' swaps are told."""
    assert len({e["pid"] for e in list(daemon.seen("model_swapped"))[:2]}) == 2


@pytest.mark.parametrize("token", [None, "wrong" * 8, "x", READ + "x"])
def test_without_a_known_token_nothing_is_told(daemon, token):
    """401 that says how to ask; health alone is open."""
    answer = ask(daemon, token)
    assert answer.status_code == 401 and "Bearer" in answer.json()["error"]
    assert answer.headers["www-authenticate"].startswith("Bearer")
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    for path in ("/metrics", "/v2", "/v2/models/m"):
        assert local_http.get(daemon.url + path, headers=headers).status_code == 401
    for path in ("/v2/health/live", "/v2/health/ready"):
        assert local_http.get(daemon.url + path).status_code == 200


def test_reading_and_changing_need_different_tokens(daemon):
    """A read token predicts; labels, which teach the models, need an admin token."""
    assert ask(daemon).status_code == 200 and ask(daemon, "o" * 32).status_code == 200
    labels = {"labels": [{"id": "r1", "label": "yes"}]}
    refused = ask(daemon, READ, "/models/m/feedback", labels)
    assert refused.status_code == 403 and "admin token" in refused.json()["error"]
    assert ask(daemon, ADMIN, "/models/m/feedback", labels).status_code == 202
    assert ask(daemon, ADMIN).status_code == 200


def test_tokens_are_read_again_on_reload(daemon):
    """A new token holds and a revoked one does not, without a restart; a file of nonsense is refused whole."""
    path = daemon.folder / "read.token"
    assert ask(daemon, "o" * 32).status_code == 200
    path.write_text(f"{'n' * 32}\n{READ}\n")
    daemon.cli("reload")
    wait_for(lambda: ask(daemon, "n" * 32).status_code == 200 and ask(daemon, "o" * 32).status_code == 401)
    path.write_text("short")
    assert "shorter than 16" in daemon.cli("reload", check=False).stderr
    assert ask(daemon, "n" * 32).status_code == ask(daemon).status_code == 200
    path.write_text(READ)


def test_an_answer_reaches_a_client_that_has_said_its_last(daemon):
    """Half-closed after the request."""
    body = json.dumps(ONE).encode()
    head = f"POST /models/m/predict HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {READ}\r\n".encode()
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=PATIENCE_S) as connection:
        connection.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while piece := connection.recv(65536):
            said += piece
    assert said.startswith(b"HTTP/1.1 200") and b"predictions" in said


def test_tokens_are_never_logged(daemon):
    """Neither known nor wrong ones."""
    assert ask(daemon, "secret-that-is-wrong-000").status_code == 401
    log = "\n".join(daemon.raw)
    assert READ not in log and ADMIN not in log and "secret-that-is-wrong" not in log


@pytest.mark.parametrize("declared", [True, False])
def test_a_large_body_is_refused_before_it_is_read(daemon, declared):
    """413, whether its length is declared or it comes in chunks."""
    head = f"POST /models/m/predict HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {READ}\r\n".encode()
    if declared:
        said = raw(daemon, head + b"content-length: 300000\r\n\r\n")
    else:
        chunk = b"%x\r\n" % 100_000 + b" " * 100_000 + b"\r\n"
        said = raw(daemon, head + b"transfer-encoding: chunked\r\n\r\n" + 3 * chunk)
    assert said.startswith(b"HTTP/1.1 413") and b"200,000 bytes" in said


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"POST /models/m/predict HTTP/1.1\r\nhost: localhost\r\n",
        b"POST /models/m/predict HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer " + READ.encode() + b"\r\ncontent-length: 90\r\n\r\n{",
    ],
)  # fmt: skip
def test_a_request_that_does_not_arrive_is_ended(daemon, start):
    """408 after `request_time`, for silence, for half of the headers and for half of a body."""
    said = raw(daemon, start)
    assert said.startswith(b"HTTP/1.1 408") and b"did not arrive within 1 s" in said


def test_headers_are_bounded(daemon):
    """431, for many headers and for one that never ends."""
    many = b"GET /v2 HTTP/1.1\r\n" + b"".join(b"x-%d: %s\r\n" % (i, b"a" * 1000) for i in range(80)) + b"\r\n"
    assert raw(daemon, many).startswith(b"HTTP/1.1 431")
    assert raw(daemon, b"GET /v2 HTTP/1.1\r\nx: " + b"a" * 200_000).startswith(b"HTTP/1.1 4")


def test_what_is_no_http_is_answered_in_json(daemon):
    """And the connection closed."""
    said = raw(daemon, b"\x16\x03\x01\x02\x00 hello\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 400") and json.loads(said.split(b"\r\n\r\n", 1)[1])["error"]


def test_overload_answers_503_with_a_time_to_come_back(daemon):
    """More whole requests under way than `max_waiting`: the next is refused at once, and served again afterwards."""
    many = {"rows": [{"x": 1}] * 10_000}
    over = threading.Event()

    def keep_busy() -> None:
        while not over.is_set():
            ask(daemon, body=many)

    threads = [threading.Thread(target=keep_busy) for _ in range(16)]
    for thread in threads:
        thread.start()
    try:
        answers: list[httpx.Response] = []

        def refused() -> bool:
            answers.append(ask(daemon))
            return answers[-1].status_code == 503

        wait_for(refused)
        assert answers[-1].headers["retry-after"] == "1" and "wait already" in answers[-1].json()["error"]
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE_S)
    wait_for(lambda: ask(daemon).status_code == 200)


def test_who_only_begins_requests_keeps_nobody_out(daemon):
    """Headers that announce the largest body, and the first byte of it, from many connections: others are served."""
    head = f"POST /models/m/predict HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {READ}\r\ncontent-length: 200000\r\n\r\n{{"
    held = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(64)]
    try:
        for connection in held:
            connection.sendall(head.encode())
        assert [ask(daemon).status_code for _ in range(20)] == [200] * 20
    finally:
        for connection in held:
            connection.close()


def test_a_client_that_leaves_costs_nothing(daemon):
    """Connections dropped in the middle of a request leave no request waiting and no error in the log."""
    before = len(list(daemon.seen("request_failed")))
    body = json.dumps(ONE).encode()
    head = f"POST /models/m/predict HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {READ}\r\ncontent-length: {len(body)}\r\n\r\n"

    def leave(upto: int) -> None:
        with socket.create_connection(("127.0.0.1", daemon.port)) as connection:
            connection.sendall((head.encode() + body)[:upto])

    threads = [threading.Thread(target=leave, args=(upto,)) for upto in range(1, len(head) + len(body), 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert all(ask(daemon).status_code == 200 for _ in range(20))
    assert len(list(daemon.seen("request_failed"))) == before


def test_serve_follows_what_another_daemon_promotes(daemon):
    """`driftd serve` answers with the champion of a ledger that it only reads, explains it as each server of the service
    does, and tells Prometheus what the service found there."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "daemon", "-c", str(daemon.config), "serve", "--listen", f"127.0.0.1:{port}", "--workers", "1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, OMP_NUM_THREADS="1"),
        cwd=Path(__file__).resolve().parents[3],
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        headers = {"authorization": f"Bearer {READ}"}

        def version() -> str | None:
            try:
                answer = local_http.post(f"{url}/models/m/predict", json=ONE, headers=headers)
            except httpx.TransportError:
                return None
            return answer.json()["version"] if answer.status_code == 200 else None

        def explained_alike() -> None:
            """What answers is explained, alike whoever answers; it may be adjusted meanwhile."""
            body = ONE | {"explain": True}
            told = [ask(daemon, body=body).json() for _ in range(8)]
            told.append(local_http.post(f"{url}/models/m/predict", json=body, headers=headers).json())
            assert all(one["explanation"]["version"] == one["version"] for one in told)
            by_version = {one["version"]: one["explanation"] for one in told}
            assert all(one["explanation"] == by_version[one["version"]] for one in told)

        first = wait_for(version)
        assert first == ask(daemon).json()["version"]
        explained_alike()
        promotions = b'driftd_promotions_total{kind="cycle",model="m"}'
        told = wait_for(lambda: local_http.get(f"{url}/metrics", headers=headers).content.partition(promotions)[2])
        assert float(told.split()[0]) >= 1
        changed = rows(2, 1200, flip=True).append_column("id", [[f"s{i}" for i in range(1200)]])
        drop(changed, daemon.data / "b.parquet")
        daemon.wait("file_accepted", file="b.parquet")
        daemon.cli("retrain", "m")
        daemon.wait("version_promoted", cycle_id=2)
        wait_for(lambda: version() == ask(daemon).json()["version"] != first)  # it may be adjusted meanwhile
        explained_alike()
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


def test_a_token_file_that_cannot_be_used_is_told_at_the_start(tmp_path):
    """The service does not start half open."""
    folder = tmp_path / "d"
    folder.mkdir()
    made = Daemon(folder)
    made.config.write_text(made.config.read_text().replace("[service]\n", '[service]\nread_token_file = "no.token"\n'))
    told = made.cli("run", check=False)
    assert told.returncode == 1 and "no.token: cannot be read" in told.stderr
    (folder / "no.token").write_text("short")
    told = made.cli("run", check=False)
    assert told.returncode == 1 and "shorter than 16" in told.stderr


def test_without_an_admin_token_nobody_teaches():
    """Labels need an admin token also where only read tokens are configured; with an admin token alone it opens all."""
    read, admin = (b"r" * 32,), (b"a" * 32,)
    with pytest.raises(BadRequest, match="none is configured") as refused:
        Tokens(read, ()).check({b"authorization": b"Bearer " + read[0]}, admin=True)
    assert refused.value.status == 403
    Tokens((), admin).check({b"authorization": b"Bearer " + admin[0]}, admin=False)
    Tokens((), ()).check({}, admin=True)
