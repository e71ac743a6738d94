"""Who waits takes the room of what arrived, has a thread of its kind of work, and a deadline."""

import asyncio
import errno
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
import uvicorn
from uvicorn.server import ServerState

from daemon.config.config import load_config
from daemon.server import protocol
from daemon.server.admission import Admission
from daemon.server.app import App, Pools
from daemon.server.origins import Origins
from daemon.server.pools import Pool, Turns
from daemon.server.protocol import LimitedProtocol, overdue
from daemon.server.refusal import BadRequest
from daemon.server.slot import ModelSlot
from daemon.server.tokens import Tokens
from retrain.records.schema import Column, Schema

KINDS = {"x": "number", "id": "category", "y": "number"}
COLUMNS = tuple(Column(name=name, kind=kind) for name, kind in KINDS.items())
SCHEMA = Schema(columns=COLUMNS, task="regression", target="y", time_column=None, id_column="id")

# --- room ---------------------------------------------------------------------------------------------------------


def test_a_request_that_has_only_begun_takes_no_room():
    """A thousand clients that announce a body, and send none of it, keep nobody out."""
    admission = Admission(most_waiting=2, most_bytes=100)
    begun = [admission.enter("a") for _ in range(1_000)]
    whole = admission.enter("a")
    whole.add(50)
    whole.finish()
    assert (admission.waiting, admission.bytes) == (1, 50)
    for one in (*begun, whole):
        one.leave()
    assert (admission.waiting, admission.bytes, dict(admission.unfinished)) == (0, 0, {})


def test_an_address_has_half_of_the_room_for_what_is_not_whole():
    """Others have the rest; what is whole binds no address, since a proxy's clients have one."""
    admission = Admission(most_waiting=9, most_bytes=100)
    first, second, other = admission.enter("a"), admission.enter("a"), admission.enter("b")
    first.add(40)
    with pytest.raises(BadRequest, match="unfinished bodies from a take 60 bytes") as refused:
        second.add(20)
    assert (refused.value.status, refused.value.headers["retry-after"]) == (503, "1")
    second.leave()
    first.add(5)
    first.finish()
    third = admission.enter("a")
    third.add(45)
    other.add(10)
    with pytest.raises(BadRequest, match="requests of 101 bytes wait"):
        other.add(1)


def test_too_many_whole_requests_are_refused_before_they_are_read():
    """At their end, and at the beginning of the next."""
    admission = Admission(most_waiting=1, most_bytes=100)
    late, whole = admission.enter("a"), admission.enter("a")
    whole.finish()
    for refuse in (late.finish, lambda: admission.enter("b")):
        with pytest.raises(BadRequest, match="1 request waits already"):
            refuse()
    late.leave()
    whole.leave()
    assert admission.waiting == 0


# --- threads ------------------------------------------------------------------------------------------------------


def test_no_kind_of_work_waits_for_another():
    """Whatever fills the threads that read requests, labels are written, metrics collected and versions loaded."""

    async def story() -> None:
        pools, hold = Pools(), threading.Event()
        slow = [asyncio.create_task(pools.reading.run(hold.wait)) for _ in range(64)]
        try:
            for pool in (pools.predicting, pools.answering, pools.labels, pools.metrics, pools.log, pools.loading):
                assert await pool.run(str, pool.name) == pool.name
        finally:
            hold.set()
            await asyncio.gather(*slow)
            pools.close()

    asyncio.run(story())


def test_work_has_a_deadline_and_a_bounded_queue():
    """What does not end is answered 503, and what waits behind it is given up; more than the bound is refused."""

    async def story() -> list[BaseException]:
        hold, pool = threading.Event(), Pool("reading", 1, 0.05, most_given=3)
        told = await asyncio.gather(*(pool.run(hold.wait) for _ in range(4)), return_exceptions=True)
        hold.set()
        pool.close()
        return told

    told = asyncio.run(story())
    assert sorted(str(one) for one in told) == ["reading did not end within 0.05 s"] * 3 + [
        "too much waits for reading"
    ]
    assert all(isinstance(one, BadRequest) and one.status == 503 for one in told)


def test_work_that_never_ends_is_known(monkeypatch):
    """By how long it has been going on, not by how much waits: a server that has much to do is not hung."""

    async def story() -> None:
        pools, hold = Pools(), threading.Event()
        assert pools.hung() is None
        slow = asyncio.create_task(pools.reading.run(hold.wait, 60.0))
        while not pools.reading.longest_s():
            await asyncio.sleep(0)
        before = pools.hung()
        monkeypatch.setattr("daemon.server.app.HUNG_S", 0.0)
        after = pools.hung()
        hold.set()
        await slow
        assert (before, after) == (None, "reading a request")
        assert pools.hung() is None
        pools.close()

    asyncio.run(story())


def test_large_requests_take_turns():
    """So many at once; who waits longer than it may is told to come back."""

    async def story() -> None:
        turns = Turns(1, 0.05)
        async with turns:
            with pytest.raises(BadRequest, match="took longer than"):
                async with turns:
                    pass
        async with turns:
            pass

    asyncio.run(story())


# --- connections --------------------------------------------------------------------------------------------------


class Wire:
    """A transport that keeps what is written."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.said, self.closed, self._host = b"", False, host

    def write(self, data: bytes) -> None:
        """What the server says."""
        self.said += data

    def close(self) -> None:
        """No more."""
        self.closed = True

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closed

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Of the socket: none."""
        return (self._host, 1) if name == "peername" else default

    def pause_reading(self) -> None:
        """Nothing is read."""

    resume_reading = pause_reading


@pytest.fixture
def connect(monkeypatch) -> Iterator[object]:
    """Makes connections of one server, whose application never answers."""

    async def app(_scope: object, _receive: object, _send: object) -> None:
        await asyncio.Event().wait()

    loop = asyncio.new_event_loop()
    monkeypatch.setattr(LimitedProtocol, "logged_s", float("-inf"))
    config, state = uvicorn.Config(app, ws="none", log_config=None), ServerState()

    def make(host: str = "127.0.0.1") -> LimitedProtocol:
        made = LimitedProtocol(config, state, {}, loop)
        made.connection_made(Wire(host))  # type: ignore[arg-type]
        return made

    yield make
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_connections_beyond_the_descriptors_are_refused_and_told(connect, monkeypatch):
    """503 at once; one line a minute says how many there are and what to raise."""
    monkeypatch.setattr(LimitedProtocol, "most_connections", 3)
    with structlog.testing.capture_logs() as told:
        made = [connect() for _ in range(6)]
    assert [one.transport.closed for one in made] == [False] * 3 + [True] * 3
    assert made[3].transport.said.startswith(b"HTTP/1.1 503")
    assert [(one["event"], one["connections"], one["refused"]) for one in told] == [("connections_refused", 3, 1)]


def test_the_limit_follows_that_of_open_files(monkeypatch):
    """The soft limit is raised as far as the hard one lets; some descriptors are kept for all else."""
    monkeypatch.setattr(LimitedProtocol, "most_connections", 0)
    for hard, most in ((1_024, 896), (100, 50), (10**6, protocol.MOST_CONNECTIONS)):
        limits = []
        fake = SimpleNamespace(
            RLIMIT_NOFILE=7, RLIM_INFINITY=-1, getrlimit=lambda _what, hard=hard: (64, hard),
            setrlimit=lambda _what, pair, limits=limits: limits.append(pair),
        )  # fmt: skip
        monkeypatch.setattr(protocol, "resource", fake)
        protocol.limit_connections()
        assert LimitedProtocol.most_connections == most and limits == [(min(hard, most + 128), hard)]


GET = b"GET /v2 HTTP/1.1\r\nhost: localhost\r\n"


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /", GET + b"x: ", GET + b"\r\n" + GET + b"x: ", GET + b"\r\nGET /",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\n \r\n0\r\nx: ",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;a=",
    ],
)  # fmt: skip
def test_nothing_without_an_end_is_gathered(connect, begin):
    """An address, a header, a second one on the same connection, a trailer, a chunk's extension."""
    one = connect()
    one.data_received(begin)
    for _ in range(4):
        assert not one.transport.closed
        one.data_received(b"a" * 30_000)
    one.data_received(b"a" * 30_000)
    assert one.transport.closed and b" 431 " in one.transport.said


def test_requests_sent_before_their_answers_are_bounded(connect):
    """Each would be kept until its turn."""
    one = connect()
    one.data_received((GET + b"\r\n") * 10)
    assert not one.transport.closed and len(one.pipeline) == 9
    one.data_received((GET + b"\r\n") * 1_000)
    assert one.transport.closed and len(one.pipeline) <= protocol.MOST_PIPELINED


def test_an_address_that_owes_more_than_its_share_loses_the_oldest(connect):
    """Those of others, and those that owe nothing, stay."""
    made = [connect("a") for _ in range(4)] + [connect("b")]
    for at, one in enumerate(made):
        one.begun_s = 100.0 + at
    made[1].begun_s = None
    assert overdue(made, 50.0, share=3) == []
    assert overdue(made, 50.0, share=2) == [made[0]]
    assert overdue(made, 103.0, share=9) == [made[0], made[2]]


# --- what is the server's fault -----------------------------------------------------------------------------------


def test_labels_that_cannot_be_written_are_no_fault_of_the_client(tmp_path, monkeypatch):
    """507, and an event of its own with the model and the reason."""
    config = tmp_path / "config.toml"
    config.write_text('[models.m]\ndata_dir = "d"\ntask = "regression"\ntarget = "y"\nid_column = "id"\n')
    loaded = load_config(config)
    served = SimpleNamespace(schema=SCHEMA, deployment=SimpleNamespace(model="m"))
    slot = ModelSlot("m", served)  # type: ignore[arg-type]
    app = App(loaded, {"m": slot}, "1", Tokens((), ()), Origins((), loopback=True))

    def full(_rows: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(app.spools["m"], "append", full)
    said: list[dict[str, Any]] = []
    scope = {"path": "/models/m/feedback", "method": "POST", "headers": [(b"host", b"localhost")], "client": ("a", 1)}
    body = b'{"labels": [{"id": "r", "label": 1}]}'

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    with structlog.testing.capture_logs() as told:
        asyncio.run(app(scope, receive, send))
    app.pools.close()
    assert said[0]["status"] == 507 and b"No space left" in said[1]["body"]
    assert [(one["event"], one["log_level"], one["model"]) for one in told] == [("labels_not_kept", "error", "m")]
