"""Names of files that are no UTF-8, which a Unix file system allows, on the status page."""

import asyncio
import json
import threading
from pathlib import Path

from page_states import NOW, seeded, take_file
from structlog.testing import capture_logs

from daemon.config.config import Config
from daemon.ledger import Ledger, events, open_ledger
from daemon.page import changes
from daemon.page.answers import Answer
from daemon.page.app import App
from daemon.page.changes import Changes
from daemon.page.reading import Reading
from daemon.page.rights import Rights
from daemon.runtime.page_wire import Request
from daemon.server.tokens import Tokens

NAME = "caf\udce9.csv"


def with_file(folder: Path) -> Config:
    """A service that took a file of that name."""
    config = seeded(folder, "fine", ("m",), days=3).config
    ledger = open_ledger(config.state_dir)
    with ledger.begin() as conn:
        take_file(conn, "m", 90, NOW, NAME)
    log(ledger, 0)
    ledger.close()
    return config


def log(ledger: Ledger, number: int) -> None:
    """One more event that has the name."""
    fields = {"file": NAME, "number": number}
    with ledger.begin() as conn:
        events.append(conn, [{"at": NOW, "event": "file_accepted", "level": "info", "model": "m", "fields": fields}])


def test_every_view_shows_it_and_its_address_leads_there(tmp_path):
    """In JSON as the command line prints it; the link on the model's page is found."""
    config = with_file(tmp_path)
    app = App(config, Reading(config), Rights(Tokens((), ()), True), lambda: NOW)

    async def get(path: str, query: str = "") -> Answer:
        return await app.answer(Request("GET", path, query, [], "127.0.0.1"), b"")

    async def story() -> None:
        assert b"/m/m/file/caf%E9.csv" in (await get("/m/m")).body
        for path in ("/m/m/file/caf%E9.csv", "/log", "/api/m/m", "/api/log", "/api/m/m/file/caf%E9.csv"):
            assert (await get(path, "show=events")).status == 200, path
        assert json.loads((await get("/api/m/m/file/caf%E9.csv")).body)["path"] == NAME
        assert (await get("/m/m/file/%ff.csv")).status == 404

    try:
        asyncio.run(story())
    finally:
        for pool in app.pools:
            pool.close()


class Trouble(Reading):
    """A ledger that cannot be looked at twice, for a reason that nobody thought of; `known` when it was, once."""

    looks = 0

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.known = threading.Event()

    def ledger(self) -> Ledger:
        """It."""
        self.looks += 1
        if self.looks <= 2:
            raise RuntimeError("nobody thought of it")
        if self.looks > 3:
            self.known.set()
        return super().ledger()


def test_a_look_that_fails_ends_no_stream(tmp_path, monkeypatch):
    """What is new is told afterwards, with names as they are; the failure is logged once."""
    monkeypatch.setattr(changes, "LOOK_S", 0.0)
    config = with_file(tmp_path)
    reading, ledger = Trouble(config), open_ledger(config.state_dir)
    told = Changes(reading)

    async def heard() -> bytes:
        pieces = told.listen("")
        await anext(pieces)
        assert await asyncio.to_thread(reading.known.wait, 30)
        log(ledger, 1)
        return await anext(pieces)

    with capture_logs() as logs:
        piece = asyncio.run(heard())
    told.pool.close()
    ledger.close()
    line = next(one for one in piece.decode().splitlines() if one.startswith("data: "))
    assert json.loads(line.removeprefix("data: "))["fields"]["file"] == NAME
    assert [one["event"] for one in logs].count("request_failed") == 1
