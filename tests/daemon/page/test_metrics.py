"""A real service of two server processes and a page: one scrape sees all."""

import local_http
import pytest
from helpers import answer_of, wait_for
from page_parts import READ

pytestmark = pytest.mark.xdist_group("page")
TOKEN = {"authorization": f"Bearer {READ}"}


def scrape(url: str) -> dict[str, float]:
    """Each series with its value, asked on a connection of its own, which either server may take."""
    text = local_http.get(f"{url}/metrics", headers=TOKEN).text
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {series: float(value) for series, _, value in lines}


def test_whichever_server_answers_all_requests_are_counted(guarded_page):
    """Those to models and to the page; and what control found in the ledger is there."""
    asked = 'driftd_requests_total{model="unknown",status="404"}'
    page = 'driftd_page_requests_total{status="200"}'
    wait_for(lambda: "driftd_state_age_seconds" in scrape(guarded_page.url))

    def is_counted() -> bool:
        """Twelve of each, by all that are asked; not where what was asked earlier was told meanwhile."""
        before = scrape(guarded_page.url)
        for _ in range(12):
            body = b'{"rows": [{"x": 1}]}'
            local_http.post(f"{guarded_page.url}/models/nobody/predict", content=body, headers=TOKEN)
            assert local_http.get(f"{guarded_page.url}/api/openapi.json", headers=TOKEN).status_code == 200
        expected = {key: before.get(key, 0.0) + 12 for key in (asked, page)}
        return all(answer_of(lambda: expected.items() <= scrape(guarded_page.url).items(), 20.0) for _ in range(6))

    assert any(is_counted() for _ in range(3))
    after = scrape(guarded_page.url)
    assert after["driftd_servers"] == 2 and after["driftd_state_age_seconds"] < 30
    assert after['driftd_cycles_total{model="m",outcome="promoted"}'] == 0
    assert local_http.get(f"{guarded_page.url}/metrics").status_code == 401
