"""A service that recommends: answers over real sockets, and events that change them, counted once whatever is killed."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import local_http
import numpy as np
import pytest
from event_logs import log
from helpers import PATIENCE_S, wait_for
from recommender_harness import MODEL, ShopDaemon, start_shop

pytestmark = pytest.mark.xdist_group("recommender")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopDaemon]:
    """Two server processes that answer with one version."""
    daemon = start_shop(tmp_path_factory.mktemp("shop"), workers=2)
    yield daemon
    daemon.close()


def test_lists_for_people_and_histories(shop: ShopDaemon) -> None:
    """Each list says where it comes from; unknown people get what is popular; reasons are items of the history."""
    body = shop.recommend(users=["u001", "nobody"], k=3, explain=True)
    known, unknown = body["recommendations"]
    assert body["version"].startswith("v0001-") and body["counters_as_of"].startswith("2023-12-04T")
    assert len(known["items"]) == 3 and known["source"] == "personal"
    seen = {str(log()["what"][k]) for k in np.flatnonzero(log()["who"].to_numpy(zero_copy_only=False) == "u001")}
    assert {one["item"] for one in known["items"][0]["because"]} <= seen
    assert unknown["source"] == "popularity" and "no events" in unknown["reason"]
    anonymous = shop.recommend(history=["i01", "i03"], k=2)["recommendations"][0]
    assert len(anonymous["items"]) == 2 and "user" not in anonymous


def test_what_may_be_in_a_list(shop: ShopDaemon) -> None:
    """Candidates and exclusions; a list that is short says why; similar items by their audience."""
    body = shop.recommend(users=["nobody"], k=5, candidates=["i01", "i02", "i03"], exclude=["i01"])
    found = body["recommendations"][0]
    assert (
        sorted(one["item"] for one in found["items"]) == ["i02", "i03"]
        and "left by candidates, exclude" in found["reason"]
    )
    body = shop.recommend(history=["i01"], k=2, candidates=["nothing", "i02"])
    assert (
        "1 of 40 known items is left by candidates (1 of them is of no event)" in body["recommendations"][0]["reason"]
    )
    answer = shop.post("similar", {"items": ["i01", "nothing"], "k": 2}).json()["similar"]
    assert len(answer[0]["items"]) == 2 and "nobody" in answer[1]["reason"]
    one = local_http.get(f"{shop.url}/models/{MODEL}/recommend/u001?k=2").json()
    assert [entry["item"] for entry in one["recommendations"][0]["items"]] == shop.items_for("u001", k=2)


def test_protocols_of_others_give_the_same_lists(shop: ShopDaemon) -> None:
    """MLflow's scoring protocol and the Open Inference Protocol."""
    expected = [shop.items_for(user, k=2) for user in ("u001", "u002")]
    split = {"dataframe_split": {"columns": ["who"], "data": [["u001"], ["u002"]]}, "params": {"k": 2}}
    assert shop.post("invocations", split).json()["predictions"] == expected
    tensor = {"name": "users", "shape": [2, 1], "datatype": "BYTES", "data": ["u001", "u002"]}
    url = f"{shop.url}/v2/models/{MODEL}/infer"
    outputs = local_http.post(url, json={"inputs": [tensor], "parameters": {"k": 2}}).json()["outputs"]
    assert [one["datatype"] for one in outputs] == ["BYTES", "FP32"] and outputs[0]["shape"] == [2, 2]
    assert outputs[0]["data"] == [item for items in expected for item in items]
    about = local_http.get(f"{shop.url}/v2/models/{MODEL}").json()
    assert about["task"] == "recommendation" and [one["name"] for one in about["inputs"]] == ["who"]


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("recommend", {}, 400, '"users"'),
        ("recommend", {"users": ["a"], "history": ["b"]}, 400, "either"),
        ("recommend", {"users": ["a"] * 1001}, 413, "at most 1,000"),
        ("recommend", {"users": ["a"], "k": 1001}, 400, "1 to 1,000"),
        ("recommend", {"users": ["a"] * 1000, "k": 1000}, 413, "100,000"),
        ("recommend", {"users": ["x" * 1025]}, 400, "at most 1,024"),
        ("recommend", {"users": [1.5]}, 400, "text or a whole number"),
        ("recommend", {"users": ["a"], "filter": {"genre": "x"}}, 400, "items_file"),
        ("recommend", {"user": "a"}, 400, "unknown key"),
        ("similar", {"items": []}, 400, "missing or empty"),
        ("predict", {"rows": []}, 404, "recommend"),
        ("feedback", {"events": [{"user": "a"}]}, 400, "event 0"),
        ("feedback", {"events": [{"user": "a", "item": "b", "time": "2999-01-01"}]}, 400, "ahead"),
        ("feedback", {"events": [{"user": "a", "item": "b", "value": 3}]}, 400, "value_column"),
        ("feedback", {"labels": []}, 400, "unknown key"),
    ],
)
def test_mistakes_are_named(shop: ShopDaemon, path: str, body: Any, status: int, told: str) -> None:
    """As JSON, with the status of the mistake."""
    answer = shop.post(path, body)
    assert (answer.status_code, told in answer.json()["error"]) == (status, True), answer.text


def test_posted_events_change_answers_in_all_servers(shop: ShopDaemon) -> None:
    """A person's own, and everybody's, whichever server was told: counters are the same in both."""
    assert shop.post("feedback", {"events": [{"user": "fresh", "item": "i07"}]}).status_code == 202
    for source in _of_each_server(shop, "fresh", lambda found: found["source"] == "personal"):
        assert source == "personal"
    events = [{"user": f"fan{k}", "item": "novelty"} for k in range(300)]
    assert shop.post("feedback", {"events": events}).json()["accepted"] == 300
    assert set(_of_each_server(shop, "nobody", lambda found: found["items"][0]["item"] == "novelty")) == {"popularity"}


def _of_each_server(shop: ShopDaemon, user: str, wanted: Any) -> list[str]:
    """The source of the list of many connections in a row, from when on all are as wanted."""

    def asked() -> list[str] | None:
        found = [shop.recommend(users=[user])["recommendations"][0] for _ in range(12)]
        return [one["source"] for one in found] if all(map(wanted, found)) else None

    found = wait_for(asked, what=f"the list of {user}")
    assert found is not None
    return found


# --- nothing is lost, nothing counted twice -----------------------------------------------------------------------


class Poster:
    """Posts events of its own people all the while; `acknowledged` are those that were answered 202."""

    def __init__(self, daemon: ShopDaemon) -> None:
        self._daemon, self._stop = daemon, threading.Event()
        self.acknowledged: set[tuple[str, str, int]] = set()
        self.sent: set[tuple[str, str, int]] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Poster":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(0.02):
            now_ms = round(time.time() * 1e3)
            batch = [(f"p{number % 40}", f"i{(number + k) % 40:02d}", now_ms + k) for k in range(3)]
            number += 1
            body = {"events": [{"user": user, "item": item, "time": at} for user, item, at in batch]}
            self.sent |= set(batch)
            try:
                if self._daemon.post("feedback", body).status_code == 202:
                    self.acknowledged |= set(batch)
            except httpx.HTTPError:
                continue


def counted(daemon: ShopDaemon) -> set[tuple[str, str, int]]:
    """The events of the accepted files that were posted."""
    events = daemon.log().events
    every = zip(events.users[events.user], events.items[events.item], events.time_ms.tolist(), strict=True)
    return {(str(user), str(item), at) for user, item, at in every if str(user).startswith("p")}


@pytest.mark.parametrize(
    "point",
    [
        "events.folder.before_mkdir", "events.set_apart.after_rename", "events.rows.before_rename",
        "events.rows.after_rename", "intake.publish.after_rename", "control.file_committed",
        "events.remove_taken.before_remove",
    ],
)  # fmt: skip
@pytest.mark.long
def test_a_kill_anywhere_loses_no_event_and_counts_none_twice(tmp_path: Any, point: str) -> None:
    """Control dies while events become a file, servers are killed meanwhile, events are posted all the while: in the
    end each acknowledged one is in the files once, and servers count what a rebuild counts."""
    daemon = start_shop(tmp_path, f'[models.{MODEL}.recommendation]\nevery = "1s"\n', workers=2)
    try:
        with Poster(daemon) as poster:
            wait_for(lambda: len(poster.acknowledged) > 60)
            daemon.close()
            daemon.start(crash_at=point, wait_ready=False)
            daemon.wait_dead()
            daemon.plan()
            daemon.start()
            pids = {int(one["pid"]) for one in daemon.seen("model_swapped")}
            for pid in [one for one in pids if _is_alive(one)][:1]:
                os.kill(pid, signal.SIGKILL)
            before = len(poster.acknowledged)
            wait_for(lambda: len(poster.acknowledged) > before + 60)
        wait_for(lambda: counted(daemon) >= poster.acknowledged, what="all events in files")
        assert counted(daemon) <= poster.sent
        events = daemon.log().events
        assert len(set(zip(events.user, events.item, events.time_ms, strict=True))) == len(events)
        told = wait_for(lambda: _counted_events(daemon) == len(events), what="counters of a rebuild")
        assert told
    finally:
        daemon.close()


def _counted_events(daemon: ShopDaemon) -> int:
    """What a server says that it counted."""
    lines = local_http.get(f"{daemon.url}/metrics").text.splitlines()
    return int(float(next(line.split()[-1] for line in lines if line.startswith("driftd_counted_events{"))))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
