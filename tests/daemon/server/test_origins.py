"""A page in somebody's browser neither asks nor teaches."""

import local_http
import pytest

from daemon.server.origins import Origins
from daemon.server.refusal import BadRequest

pytestmark = pytest.mark.xdist_group("http")
LABELS = b'{"labels": [{"id": "r1", "label": "yes"}]}'
ROW = b'{"rows": [{"x": 1}]}'


def judged(origins: Origins, method: str = "POST", **headers: str) -> int:
    """The status, 200 where the request may go on."""
    try:
        origins.check(method, {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()})
    except BadRequest as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:8080"}, 200),
        ({"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}, 200),
        ({"host": "localhost", "sec_fetch_site": "same-origin"}, 200),
        ({"host": "localhost", "sec_fetch_site": "none"}, 200),
        ({"host": "localhost", "content_type": "application/json; charset=utf-8"}, 200),
        ({"host": "localhost", "content_type": "application/octet-stream"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "localhost.evil.example:8080"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "192.168.1.9:8080"}, 403),
        ({"host": ""}, 403),
        ({"host": "localhost:8080", "origin": "http://evil.example"}, 403),
        ({"host": "localhost:8080", "origin": "http://localhost:3000"}, 403),
        ({"host": "localhost:8080", "origin": "null"}, 403),
        ({"host": "localhost:8080", "sec_fetch_site": "cross-site"}, 403),
        ({"host": "localhost", "content_type": "text/plain;charset=UTF-8"}, 415),
        ({"host": "localhost", "content_type": "application/x-www-form-urlencoded"}, 415),
        ({"host": "localhost", "content_type": "Multipart/Form-Data; boundary=x"}, 415),
    ],
)
def test_on_loopback_local_names_alone_and_no_foreign_page(headers, status):
    """DNS rebinding gives a foreign name, a page of another origin gives its own, a form its content type."""
    assert judged(Origins((), loopback=True), **headers) == status


def test_looking_is_open_to_links():
    """A page of another origin may link to what is only read; it cannot read the answer."""
    origins = Origins((), loopback=True)
    assert judged(origins, "GET", host="localhost", sec_fetch_site="cross-site") == 200
    assert judged(origins, "GET", host="evil.example") == 403


def test_configured_names_are_answered_and_may_ask():
    """Behind a proxy Host and Origin differ."""
    origins = Origins(("Driftd.Example.com",), loopback=True)
    assert judged(origins, host="driftd.example.com", origin="https://driftd.example.com") == 200
    assert judged(origins, host="127.0.0.1:8080", origin="https://driftd.example.com") == 200
    assert judged(origins, host="127.0.0.1:8080", origin="https://other.example.com") == 403


def test_beyond_loopback_any_name_unless_some_are_configured():
    """A proxy may change it."""
    assert judged(Origins((), loopback=False), host="10.0.0.7:8080") == 200
    named = Origins(("driftd.example.com",), loopback=False)
    assert [judged(named, host=host) for host in ("driftd.example.com", "localhost", "10.0.0.7")] == [200, 200, 403]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"origin": "http://evil.example", "content-type": "text/plain"}, 403),
        ({"host": "evil.example"}, 403),
        ({}, 202),
    ],
)
def test_feedback_from_a_page_is_not_taken(daemon, headers, status):
    """By a real server, and told why."""
    answer = local_http.post(f"{daemon.url}/models/m/feedback", content=LABELS, headers=headers)
    assert answer.status_code == status, answer.text
    predicted = local_http.post(f"{daemon.url}/models/m/predict", content=ROW, headers=headers)
    assert (predicted.status_code == 200) == (status == 202)


def test_any_address_is_closed_to_a_name_that_was_made_to_point_here(daemon):
    """Metadata and metrics, too; health alone is open, for whoever probes by another name."""
    for path in ("/v2", "/metrics", "/v2/models/m", "/nothing"):
        assert local_http.get(daemon.url + path, headers={"host": "evil.example"}).status_code == 403
    assert local_http.get(f"{daemon.url}/v2/health/ready", headers={"host": "evil.example"}).status_code == 200
