"""The small requests of the corpus, and some that once ended the server, against a real service."""

import json
from collections.abc import Iterator

import pytest
from daemon_harness import Daemon

from hostile.client import ONE, send
from hostile.corpus import LARGEST, Kind, Request, kinds
from hostile.served import Process, serving

pytestmark = pytest.mark.xdist_group("hostile")
SMALL = (1_000, 16_000)
MOST_GROWTH = 200_000_000
LONGEST_LINE = 8_000
LONGEST_ERROR = 5_000
ENDED = (
    "predict rows-without-features",
    "predict empty-objects",
    "gzip empty-members",
    "infer outputs",
    "predict long-column",
)
"""Kinds that took gigabytes."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A service of one model."""
    with serving(tmp_path_factory.mktemp("hostile")) as made:
        yield made


def test_every_small_request_is_answered_and_nothing_breaks(daemon):
    """A refusal says briefly what is wrong; no fault of the server's, no long line in the log, and it serves on."""
    for kind in kinds():
        for size in SMALL:
            if size > kind.largest:
                continue
            status, body = send(daemon.port, kind.make(size))
            assert status < 500 or status == 503, (kind.name, size, status, body)
            assert status < 400 or kind.name.startswith("http") or len(json.loads(body)["error"]) > 5, (kind.name, body)
            assert status < 400 or len(body) <= LONGEST_ERROR, (kind.name, size, len(body))
    assert send(daemon.port, Request(body=ONE))[0] == 200
    assert not list(daemon.seen("request_failed")) and not list(daemon.seen("server_died"))
    assert max(map(len, daemon.raw)) <= LONGEST_LINE


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind.name in ENDED], ids=lambda kind: kind.name)
def test_the_largest_body_takes_little_memory(daemon, kind: Kind):
    """Refused by its shape, before objects are made of it."""
    server, request = Process(daemon), kind.make(LARGEST)
    pid = server.pid
    server.forget_peak()
    before = server.memory()
    status, _ = send(daemon.port, request)
    assert 400 <= status < 500 and server.memory("VmHWM") - before < MOST_GROWTH
    assert server.lives() and server.pid == pid
