"""`make audit` asks pip's own index, fails for what is vulnerable, and says what it could not ask."""

import importlib.util
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

PLACE = Path(__file__).parent.parent / ".ci" / "audit.py"
SPEC = importlib.util.spec_from_file_location("audit", PLACE)
assert SPEC is not None and SPEC.loader is not None
AUDIT: Any = importlib.util.module_from_spec(SPEC)
sys.modules["audit"] = AUDIT  # dataclasses look their module up
SPEC.loader.exec_module(AUDIT)
LOCK = (
    "# a comment\nsafe==1.0 \\\n    --hash=sha256:aa\nleaky==2.1 ; python_version >= '3.11' \\\n    --hash=sha256:bb\n"
)
LEAKY = {"id": "PYSEC-1", "fixed_in": ["2.2"], "withdrawn": None}
ANSWERS: dict[str, Any] = {
    "/root/pypi/safe/1.0/json": {"vulnerabilities": [{"id": "PYSEC-0", "withdrawn": "2024-01-01"}]},
    "/root/pypi/leaky/2.1/json": {"vulnerabilities": [LEAKY]},
}


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """An index that pip is configured with; what it answers, by path."""
    answers = dict(ANSWERS)

    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path in answers and self.headers["Authorization"] == "Basic bWU6cGFzcw=="
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answers.get(self.path)).encode())

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:pass@127.0.0.1:{server.server_port}/root/simple/")
    monkeypatch.delenv("PIP_CERT", raising=False)
    yield answers
    server.shutdown()
    server.server_close()


def audited(tmp_path: Path) -> int:
    """The exit status for the lock above."""
    (tmp_path / "lock").write_text(LOCK)
    return int(AUDIT.main(tmp_path / "lock"))


def test_a_known_vulnerability_fails(index, tmp_path, capsys):
    """With its name and the release that mends it; one that was withdrawn is none, and no password is printed."""
    assert audited(tmp_path) == 1
    told = capsys.readouterr()
    assert "leaky 2.1: PYSEC-1 (fixed in 2.2)" in told.out and "2 of 2 dependencies could be audited" in told.out
    assert "pass" not in told.out + told.err


def test_without_any_it_passes(index, tmp_path, capsys):
    """And says how many it asked about."""
    index["/root/pypi/leaky/2.1/json"] = {"vulnerabilities": []}
    assert audited(tmp_path) == 0 and "0 are vulnerable" in capsys.readouterr().out


def test_what_could_not_be_asked_is_said(index, tmp_path, capsys):
    """By name; where nothing could, that nothing was audited."""
    index["/root/pypi/leaky/2.1/json"] = {}
    assert audited(tmp_path) == 0
    told = capsys.readouterr()
    assert "1 of 2 dependencies could be audited" in told.out and "not audited: leaky" in told.err
    index.clear()
    assert audited(tmp_path) == 0
    told = capsys.readouterr()
    assert "NOTHING WAS AUDITED" in told.err and "could be audited" not in told.out
