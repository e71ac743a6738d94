"""A shop that recommends, by the day: from its log to answers, through a new collection, a bot, a worse challenger."""

import contextlib
import textwrap
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import local_http
import pyarrow as pa
import pytest
from daemon_harness import Daemon, drop
from helpers import PATIENCE_S, wait_for

from daemon.tools.demo import shop

pytestmark = pytest.mark.xdist_group("shop")  # its log is generated once
FIRST = 20
"""Days that are there when the service starts."""
SECTION = """\
    data_dir = "data"
    task = "recommendation"
    user_column = "user"
    item_column = "item"
    time_column = "time"
    event_column = "type"
    event_weights = { view = 1, cart = 3, buy = 5 }
    items_file = "items.csv"
    [models.m.intake]
    settle = "200ms"
    rescan = "500ms"
    [models.m.triggers]
    regret = false
    growth = false
    cooldown = "100ms"
    retry_after = "100ms"
"""
OWN = """\
import pathlib
import numpy as np

class Together:
    def fit(self, users_by_items):
        together = (users_by_items.T @ users_by_items).toarray().astype(np.float32)
        size = np.sqrt(together.diagonal())
        together /= size[:, None] * size[None, :] + 1
        np.fill_diagonal(together, 0)
        if pathlib.Path({flag!r}).exists():
            together = np.zeros_like(together)
            together[:, np.argsort(size)[:10]] = 1
        self.item_weights_ = together

def make(**params):
    return Together()
"""


@pytest.fixture(scope="module")
def days() -> list[tuple[str, pa.Table]]:
    """The generated log, by the day."""
    return shop.days(shop.events())


class Shop:
    """A daemon with one model, that recommends, and the days of the shop."""

    def __init__(self, daemon: Daemon, days: list[tuple[str, pa.Table]]) -> None:
        self.daemon, self.days = daemon, days
        head = daemon.config.read_text().partition("data_dir =")[0]
        daemon.config.write_text(head + textwrap.dedent(SECTION))
        self.url = f"{daemon.url}/models/m"

    def begin(self, first: int = 0, count: int = FIRST) -> str:
        """Start on some days; the first version, once it is served."""
        drop(shop.catalogue().table(first + count - 1), self.daemon.data / "items.csv")
        for day in range(first, first + count):
            self.place(day)
        self.daemon.start()
        version: str = self.daemon.wait("version_promoted")["version"]
        self.daemon.wait("model_swapped", version=version)
        wait_for(lambda: self.ask("somebody").status_code == 200)
        return version

    def place(self, day: int) -> str:
        """Drop a day; its name."""
        name, log = self.days[day]
        drop(log, self.daemon.data / f"{name}.csv")
        return f"{name}.csv"

    def day(self, day: int) -> None:
        """Drop a day, and wait until it was checked and taught the blend."""
        name, since = self.place(day), len(self.daemon.events)
        self.daemon.wait("check_finished", file=name, since=since)
        self.daemon.wait("labels_assessed", since=since)

    def ask(self, user: str, **more: Any) -> httpx.Response:
        """What is recommended to somebody."""
        return local_http.post(f"{self.url}/recommend", json={"users": [user], **more})

    def items(self, user: str, **more: Any) -> list[str]:
        """The items of the list."""
        (found,) = self.ask(user, **more).json()["recommendations"]
        return [one["item"] for one in found["items"]]

    def busiest(self, days: range) -> str:
        """Who came most often on some days."""
        users = pa.chunked_array([chunk for day in days for chunk in self.days[day][1]["user"].chunks])
        counts = users.value_counts().to_pylist()
        return str(max(counts, key=lambda one: (one["counts"], one["values"]))["values"])

    def retrained(self) -> dict[str, Any]:
        """Retrain by hand; how the cycle ended."""
        since = len(self.daemon.events)
        self.daemon.cli("retrain", "m")
        return self.daemon.wait("cycle_finished", since=since)


@pytest.fixture
def make_shop(make_daemon: Callable[..., Daemon], days: list[tuple[str, pa.Table]]) -> Callable[..., Shop]:
    """Shops in folders of their own."""
    return lambda: Shop(make_daemon(columns=False), days)


@contextlib.contextmanager
def asking(one: Shop) -> Iterator[list[str]]:
    """Somebody asks all the time; what was not answered with 200."""
    over, failures = threading.Event(), list[str]()

    def run() -> None:
        while not over.wait(0.05):
            try:
                answer = one.ask("u0042")
            except httpx.HTTPError as error:
                failures.append(repr(error))
            else:
                failures.extend([answer.text] * (answer.status_code != 200))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield failures
    over.set()
    thread.join(PATIENCE_S)


@pytest.mark.timeout(600)
def test_a_shops_log_becomes_answers_that_follow_events_and_a_new_collection(make_shop):
    """Days of events become a version that is served; a posted event counts at once; a new collection is told as drift
    and found by a retrain, which nobody who asks meanwhile notices; a roll-back brings the version before."""
    one = make_shop()
    start = shop.COLLECTION_DAY - FIRST
    first = one.begin(start)
    known = one.busiest(range(start, shop.COLLECTION_DAY))
    answer = one.ask(known, k=5, explain=True).json()
    assert answer["version"] == first
    assert [found["source"] for found in answer["recommendations"]] == ["personal"] and len(one.items(known, k=5)) == 5
    stranger = one.ask("nobody").json()["recommendations"][0]
    assert stranger["source"] == "popularity" and stranger["reason"]
    moment = f"{one.days[shop.COLLECTION_DAY][0]}T00:00:00.000Z"
    event = {"user": "nobody", "item": one.items("nobody")[0], "type": "buy", "time": moment}
    assert local_http.post(f"{one.url}/feedback", json={"events": [event]}).status_code == 202
    wait_for(lambda: one.ask("nobody").json()["recommendations"][0]["source"] == "personal")
    wait_for(lambda: one.ask("nobody").json()["counters_as_of"] == moment)

    with asking(one) as failures:
        drop(shop.catalogue().table(shop.COLLECTION_DAY), one.daemon.data / "items.csv")
        for day in range(shop.COLLECTION_DAY, shop.COLLECTION_DAY + 4):
            one.day(day)
        drift = one.daemon.wait("drift_detected")
        assert any("unknown items" in column for column in drift["columns"])
        finished = one.retrained()
        assert finished["outcome"] == "promoted", finished["reason"]
        second = one.daemon.wait("model_swapped", since=one.daemon.events.index(finished) - 1)["version"]
        wait_for(lambda: one.ask(known).json()["version"] == second)
        assert second != first and "popularity" in one.daemon.cli("explain", str(finished["cycle_id"])).stdout
        items = shop.catalogue().table(shop.COLLECTION_DAY).to_pylist()
        gone = {item["item"] for item in items if not item["available"]}
        boots = {item["item"] for item in items if item["category"] == "boots"}
        assert not gone & set(one.items(known, k=50))
        chosen = one.items(known, filter={"category": "boots"})
        assert chosen and set(chosen) <= boots - gone

        one.daemon.cli("rollback", "m")
        wait_for(lambda: one.ask(known).json()["version"] == first)
    assert failures == []
    assert one.daemon.stop() == 0


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_bot_buys_no_place_in_the_lists_of_others(make_shop):
    """One account opens one item hundreds of times in a day: it is told of, and its item comes first for nobody
    else and is not shown to strangers."""
    one = make_shop()
    one.begin(shop.BOT_DAY - FIRST)
    others = ["nobody", *(f"u{user:04d}" for user in range(0, 2000, 40))]
    item = f"sku-{shop.BOT_ITEM:04d}"
    place = {user: item in one.items(user, k=1) for user in others}
    name = f"{one.days[shop.BOT_DAY][0]}.csv"
    one.day(shop.BOT_DAY)
    wait_for(lambda: one.ask("nobody").json()["counters_as_of"][:10] == one.days[shop.BOT_DAY][0])
    assert all(place[user] or item not in one.items(user, k=1) for user in others)
    assert item not in one.items("nobody")
    told = next(file for file in one.daemon.json("files", "m") if file["path"] == name)
    assert any(shop.BOT in note for note in told["quality"]["notes"]), told["quality"]
    assert one.daemon.stop() == 0


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_worse_challenger_is_kept_out(make_shop):
    """A user's own estimator that begins to say the ten rarest items of everything is trained, loses by more than the
    gate allows, and serves nobody."""
    one = make_shop()
    flag, factory = one.daemon.folder / "worse", one.daemon.folder / "own.py"
    factory.write_text(OWN.format(flag=str(flag)))
    with one.daemon.config.open("a") as config:
        config.write(f'[models.m.estimator]\ntype = "{factory}:make"\n[models.m.gate]\ntolerance = 0.1\n')
    first = one.begin()
    flag.touch()
    one.day(FIRST)
    finished = one.retrained()
    assert finished["outcome"] == "kept" and "worse" in finished["reason"], finished["reason"]
    assert one.ask("nobody").json()["version"] == first
    assert one.daemon.stop() == 0
