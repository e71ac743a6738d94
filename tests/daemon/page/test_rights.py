"""Who sees the page and who acts."""

import local_http
import pytest
from helpers import wait_for
from page_parts import ADMIN, READ

from daemon.page import rights
from daemon.page.answers import Refusal
from daemon.page.app import safe_place
from daemon.page.rights import Rights, Visitor, check_csrf, cookie_of
from daemon.server.tokens import Tokens

pytestmark = pytest.mark.xdist_group("page")
TOKENS = Tokens((READ.encode(),), (ADMIN.encode(),))
NOBODY = Visitor(False, False)


def visitor(given: Rights, now: float = 0.0, **headers: str) -> Visitor:
    """Who asks with these headers."""
    return given.visitor(headers, "10.0.0.7", now)


def test_a_session_is_of_the_token_that_began_it():
    """A read token sees, an admin token acts too, and neither's name tells the token."""
    given = Rights(TOKENS, open_acts=False)
    for token, acts in ((READ, False), (ADMIN, True)):
        value = given.begin(token, 0.0)
        who = visitor(given, cookie=f"a=b; {rights.COOKIE}={value}")
        assert (who.sees, who.acts, bool(who.csrf)) == (True, acts, acts)
        assert token not in who.name and "10.0.0.7" in who.name and token not in str(value)
    assert given.begin("unknown-0123456789", 0.0) is None


def test_a_session_ends_with_its_time_and_with_its_token():
    """And lasts through a restart of the page."""
    value = f"{rights.COOKIE}={Rights(TOKENS, False).begin(ADMIN, 0.0)}"
    again = Rights(TOKENS, open_acts=False)
    assert visitor(again, rights.SESSION_S - 1, cookie=value).acts
    assert visitor(again, rights.SESSION_S, cookie=value) == NOBODY
    assert visitor(Rights(Tokens((READ.encode(),), (b"another-0123456789",)), False), cookie=value) == NOBODY


@pytest.mark.parametrize("change", ["role", "until", "nonce", "end", "zeros"])
def test_a_session_that_was_changed_is_none(change):
    """Each part of the cookie is signed."""
    given = Rights(TOKENS, open_acts=False)
    role, until, nonce, end = str(given.begin(READ, 0.0)).split(".")
    changed = {
        "role": f"admin.{until}.{nonce}.{end}", "until": f"{role}.{int(until) + 1}.{nonce}.{end}",
        "nonce": f"{role}.{until}.{nonce[::-1]}.{end}", "end": f"{role}.{until}.{nonce}.{end[::-1]}",
        "zeros": f"{role}.0{until}.{nonce}.{end}",
    }  # fmt: skip
    assert visitor(given, cookie=f"{rights.COOKIE}={changed[change]}") == NOBODY


@pytest.mark.parametrize("cookie", ["", "admin", "admin.", "admin.x.y.z", "admin.1e5.y.z", "admin.²..", "\u00ff" * 400])
def test_a_cookie_that_makes_no_sense_is_nobodys(cookie):
    """Whatever it holds."""
    assert visitor(Rights(TOKENS, open_acts=False), cookie=f"{rights.COOKIE}={cookie}") == NOBODY


def test_without_tokens_everybody_sees_and_acts_only_where_that_is_configured():
    """`page_acts` of a service on loopback."""
    none = Tokens((), ())
    assert visitor(Rights(none, open_acts=False)) == Visitor(True, False, "page, from 10.0.0.7")
    who = visitor(Rights(none, open_acts=True))
    assert who.sees and who.acts and who.csrf
    assert visitor(Rights(TOKENS, open_acts=True)) == NOBODY


def test_a_form_of_another_session_is_refused():
    """CSRF."""
    given = Rights(TOKENS, open_acts=False)
    one, other = (visitor(given, cookie=f"{rights.COOKIE}={given.begin(ADMIN, 0.0)}") for _ in range(2))
    check_csrf(one, one.csrf)
    for wrong in (other.csrf, "", one.csrf[:-1], "\u20ac"):
        with pytest.raises(Refusal):
            check_csrf(one, wrong)


def test_a_cookie_is_found_among_others():
    """And one that is too long is none."""
    assert cookie_of(f"x={rights.COOKIE}; {rights.COOKIE}=a.b") == "a.b"
    assert cookie_of(f"{rights.COOKIE}={'a' * 10_000}") == ""


@pytest.mark.parametrize(
    "place", ["//evil.example/", "https://evil.example", "/\\evil.example", "javascript:x", "/a\r\nb"]
)
def test_a_login_leads_nowhere_else(place):
    """No open redirect, and no header by a line's end."""
    assert safe_place(place) == "/"


def test_without_a_token_the_page_asks_for_one(guarded_page):
    """As a form for people, as 401 for programs; nothing is told of models, and the style of the form is there."""
    page = wait_for(lambda: (answer := local_http.get(f"{guarded_page.url}/")).status_code != 503 and answer)
    assert page.status_code == 401 and 'action="/login"' in page.text
    data = local_http.get(f"{guarded_page.url}/api/")
    assert data.status_code == 401 and data.json().keys() == {"error"} and "Bearer" in data.headers["www-authenticate"]
    assert local_http.get(f"{guarded_page.url}/m/m").status_code == 401
    assert local_http.get(f"{guarded_page.url}/m/none").status_code == 401
    assert local_http.get(f"{guarded_page.url}/static/page.css").status_code == 200


def test_a_link_from_elsewhere_is_followed_again_with_the_session(guarded_page):
    """A strict cookie does not come with the first request of a link in a message: the form has the browser ask again,
    once."""
    url, elsewhere = f"{guarded_page.url}/", {"sec-fetch-site": "cross-site"}
    wait_for(lambda: local_http.get(url).status_code == 401)
    assert local_http.get(url, headers=elsewhere).headers["refresh"] == "0"
    assert "refresh" not in local_http.get(url, headers={"sec-fetch-site": "same-origin"}).headers


@pytest.mark.parametrize("token", [READ, ADMIN])
def test_who_logs_in_sees_the_page_until_he_logs_out(guarded_page, token):
    """By a cookie that no script reads and no other site sends."""
    with local_http.Client(base_url=guarded_page.url) as client:
        wait_for(lambda: client.get("/").status_code == 401)
        answer = client.post("/login", data={"token": f" {token} ", "next": "/api/"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/api/")
        told = answer.headers["set-cookie"]
        assert "HttpOnly" in told and "SameSite=Strict" in told and "Secure" not in told and token not in told
        assert client.get("/api/").status_code == 200 and client.get("/").status_code == 200
        may = "You may see and act." if token == ADMIN else "You may see, and not act."
        door = client.get("/login").text
        assert may in door and 'action="/logout"' in door
        assert ('action="/api/reload"' in client.get("/doctor").text) == (token == ADMIN)
        assert client.post("/logout", data={"csrf": "wrong"}).status_code == (403 if token == ADMIN else 303)
        client.cookies.clear()
        assert client.get("/").status_code == 401


def test_where_there_are_no_tokens_the_door_says_so(open_page):
    """And asks for none."""
    door = wait_for(lambda: (answer := local_http.get(f"{open_page.url}/login")).status_code == 200 and answer.text)
    assert "No token is needed" in door and "You may see and act." in door and "<form" not in door


def test_an_unknown_token_begins_no_session(guarded_page):
    """And is not told back."""
    wait_for(lambda: local_http.get(f"{guarded_page.url}/").status_code == 401)
    answer = local_http.post(f"{guarded_page.url}/login", data={"token": "guessed-0123456789"})
    assert answer.status_code == 403 and "set-cookie" not in answer.headers and "guessed" not in answer.text
    foreign = {"origin": "http://evil.example"}
    assert local_http.post(f"{guarded_page.url}/login", data={"token": READ}, headers=foreign).status_code == 403


@pytest.mark.parametrize("token", [READ, ADMIN])
def test_programs_look_with_a_token(guarded_page, token):
    """As at any other address."""
    headers = {"authorization": f"Bearer {token}"}
    assert wait_for(lambda: local_http.get(f"{guarded_page.url}/api/", headers=headers).status_code == 200)
    assert local_http.get(f"{guarded_page.url}/api/", headers={"authorization": "Bearer wrong"}).status_code == 401
