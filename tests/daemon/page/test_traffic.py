"""Requests a second and their latency, as the page knows them."""

import local_http
import pytest
from helpers import wait_for
from page_parts import READ

from daemon.page.traffic import BOUNDS, Traffic

TOKEN = {"authorization": f"Bearer {READ}"}


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def told(model: str, fast: int, slow: int) -> dict:
    """Totals of a model: so many requests within 5 ms, and within a second."""
    entries = [["driftd_request_seconds", [model, bound], count] for bound, count in (("0.005", fast), ("1", slow))]
    return {"op": "totals", "counts": [*entries, ["driftd_request_seconds", [model, "7"], 9], ["else", [], 1], 5]}


def test_rates_are_of_the_last_minute() -> None:
    """What was counted before the page began is in none; nothing is known before there are two samples."""
    clock = Clock()
    traffic = Traffic(clock)
    traffic.receive(told("m", 1_000_000, 0))
    assert traffic.by_model(["m"]) == {}
    for _ in range(30):
        clock.now_s += 5
        traffic.look()
    assert traffic.by_model(["m"]) == {"m": {"per_s": 0.0, "p99_s": None, "over_s": pytest.approx(60, abs=6)}}
    traffic.receive(told("m", 1_000_600, 0))
    found = traffic.by_model(["m", "n"])
    assert found["m"]["per_s"] == pytest.approx(10, rel=0.1) and 0.0025 < found["m"]["p99_s"] <= 0.005
    assert found["n"]["per_s"] == 0
    traffic.receive(told("m", 1_000_600, 100))
    assert 0.5 < traffic.by_model(["m"])["m"]["p99_s"] <= 1
    for _ in range(13):
        clock.now_s += 5
        traffic.look()
    assert traffic.by_model(["m"])["m"]["per_s"] == 0
    assert BOUNDS[-1] == "+Inf"


@pytest.mark.xdist_group("page")
def test_the_page_knows_what_all_servers_answered(guarded_page) -> None:
    """Of two server processes together; an unknown model is none of the page's."""
    url = guarded_page.url

    def per_s() -> float:
        local_http.post(f"{url}/models/m/predict", json={"rows": [{"x": 1}]}, headers=TOKEN)
        answer = local_http.get(f"{url}/api/", headers=TOKEN)
        found = answer.json()["models"]["m"]["traffic"] if answer.status_code == 200 else None
        return 0.0 if found is None else found["per_s"]

    assert wait_for(lambda: per_s() > 0)
