"""Sends a request of the corpus and reads the answer, and predicts beside it."""

import contextlib
import http.client
import json
import socket
import sys
import time

from hostile.corpus import Request

PATIENCE_S = 120.0
SILENT_S = 0.3
ONE = json.dumps({"rows": [{"x": 0.3, "z": -1.0, "colour": "red"}]}).encode()


def send(port: int, request: Request, patience_s: float = PATIENCE_S) -> tuple[int, bytes]:
    """The status and body of the answer; status 0 where the connection ended without one."""
    try:
        return _raw(port, request.raw, patience_s) if request.raw else _post(port, request, patience_s)
    except (ConnectionError, http.client.HTTPException):
        return 0, b""


def _post(port: int, request: Request, patience_s: float) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience_s)
    with contextlib.closing(connection):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before all of it was read
            connection.request("POST", request.path, request.body, request.headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def _raw(port: int, data: bytes, patience_s: float) -> tuple[int, bytes]:
    """What comes until the server closes, or is silent for SILENT_S."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience_s) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
        said = b""
        connection.settimeout(SILENT_S)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while piece := connection.recv(1 << 20):
                said = (said + piece)[:100_000]
    line = said.split(b"\r\n", 1)[0].split(b" ")
    return int(line[1]) if len(line) > 1 and line[1].isdigit() else 0, said


def predict_forever(port: int) -> None:
    """Print the moment and the milliseconds of every answer, and its status, one a line, until killed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    while True:
        begun = time.perf_counter()
        try:
            connection.request("POST", "/models/m/predict", ONE, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            status = answer.status
        except (OSError, http.client.HTTPException):
            connection.close()
            status = 0
        print(f"{time.time():.4f} {1000 * (time.perf_counter() - begun):.3f} {status}", flush=True)
        time.sleep(0.005)


if __name__ == "__main__":
    predict_forever(int(sys.argv[1]))
