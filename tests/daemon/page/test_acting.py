"""What is asked from the page is done by the service, once, and by name."""

import json

import httpx
import local_http
import pytest
from helpers import wait_for
from page_parts import ADMIN, READ, csrf_of

from daemon.page import actions
from daemon.page.actions import OF_A_MODEL, OF_THE_SERVICE, arguments, asked
from daemon.page.answers import Refusal
from daemon.page.openapi import VIEWS, description
from daemon.service.commands import HANDLERS

pytestmark = pytest.mark.xdist_group("page")


def posted(daemon, path: str, body=None, **headers: str) -> httpx.Response:
    """What the service answers; the page process may still start."""
    send = {"json": body} if body is not None else {}
    url = f"{daemon.url}/api/{path}"
    return wait_for(lambda: (answer := local_http.post(url, headers=headers, **send)).status_code != 503 and answer)


def test_each_action_is_a_command_of_the_service():
    """The page asks nothing that control does not know, and all that it knows but for what brings files."""
    assert {action.name for action in OF_A_MODEL} == {*HANDLERS, "pull"} - {"adopt"}
    assert [action.name for action in OF_THE_SERVICE] == ["reload"]


def test_what_is_asked_is_done_and_kept_with_its_name(open_page):
    """By a program: paused, and again not; the command line tells who asked for it."""
    for name in ("pause", "resume"):
        answer = posted(open_page, f"m/m/{name}", {})
        outcome = wait_for(lambda a=answer: settled(open_page, a.json()["asked"]))
        assert (outcome["state"], outcome["name"], outcome["model"]) == ("done", name, "m")
        entry = [one for one in open_page.json("history", "m") if one["command"] == name][-1]
        assert entry["by"] == "page, from 127.0.0.1"
    assert open_page.json("status")["models"]["m"]["paused"] is False


def settled(daemon, name: str) -> dict | None:
    """What became of it, once that is known."""
    answer = local_http.get(f"{daemon.url}/api/asked/{name}")
    return answer.json() if answer.status_code in (200, 409) else None


def test_what_the_service_refuses_is_told(open_page):
    """As the command line tells it."""
    answer = posted(open_page, "m/m/promote", {"version": "v9999"})
    outcome = wait_for(lambda: settled(open_page, answer.json()["asked"]))
    assert outcome["state"] == "refused" and "v9999" in outcome["error"]


def test_a_form_leads_to_what_became_of_it(open_page):
    """Without script: the form's secret is needed, and reloading what comes sends nothing again."""
    url = f"{open_page.url}/api/m/m/hold"
    wait_for(lambda: local_http.get(f"{open_page.url}/").status_code == 200)
    refused = local_http.post(url, data={"file": "a.csv", "csrf": "guessed"})
    assert refused.status_code == 403 and refused.headers["content-type"].startswith("text/html")
    with local_http.Client(base_url=open_page.url) as client:
        for name, state in (("hold", "held"), ("release", "accepted")):
            answer = client.post(f"/api/m/m/{name}", data={"file": "a.csv", "csrf": csrf_of(client)})
            assert answer.status_code == 303 and answer.headers["location"].startswith("/asked/")
            shown = wait_for(lambda a=answer: "Done" in (page := client.get(a.headers["location"])).text and page)
            assert 'href="/m/m"' in shown.text
            assert [one["state"] for one in open_page.json("files", "m")] == [state]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("m/none/retrain", {}, 404),
        ("m/m/destroy", {}, 404),
        ("m/m", {}, 404),
        ("nothing", {}, 404),
        ("m/m/promote", {}, 400),
        ("m/m/promote", {"version": "v1", "kept": "x"}, 400),
        ("m/m/promote", {"version": ["v1", "v2"]}, 400),
        ("m/m/promote", {"version": {"a": 1}}, 400),
        ("m/m/approve", {"cycle": "seven"}, 400),
        ("m/m/approve", {"cycle": True}, 400),
        ("m/m/approve", {"cycle": -1}, 400),
        ("m/m/hold", {"file": "x" * 5_000}, 400),
        ("m/m/approve_class", {"classes": ["x"] * 101}, 400),
        ("m/m/retrain", {"model": "other"}, 400),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_is_kept(open_page, path, body, status):
    """And says what was expected."""
    answer = posted(open_page, path, body)
    assert answer.status_code == status and answer.json()["error"], answer.text
    assert not list((open_page.folder / "state" / "commands").glob("*")) or status == 202


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [(b"[1]", "application/json", 400), (b"{", "application/json", 400), (b"{}", "text/csv", 415),
     (b"{}", "text/plain", 415), (b"--x", "multipart/form-data; boundary=x", 415),
     (b"[" * 60_000, "application/json", 400), (b"\xff", "application/x-www-form-urlencoded", 400)],
)  # fmt: skip
def test_a_body_that_is_none_is_refused(open_page, content, kind, status):
    """Of any other content type, and no object."""
    url = f"{open_page.url}/api/m/m/retrain"
    wait_for(lambda: local_http.get(f"{open_page.url}/").status_code == 200)
    assert local_http.post(url, content=content, headers={"content-type": kind}).status_code == status


def test_a_page_of_another_origin_asks_nothing(open_page):
    """Neither by a form nor by a script."""
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"host": "evil.example"}):
        assert posted(open_page, "m/m/retrain", {}, **headers).status_code == 403


@pytest.mark.parametrize("name", ["../../x.json", "1-2.json", "x", "1-2.json%00", "%2e%2e"])
def test_what_was_never_asked_is_not_there(open_page, name):
    """Whatever it is called."""
    wait_for(lambda: local_http.get(f"{open_page.url}/").status_code == 200)
    assert local_http.get(f"{open_page.url}/api/asked/{name}").status_code == 404


def test_forms_carry_the_secret_of_their_own_session(guarded_page):
    """Pages are made once for all who may do the same; what a form must carry is each session's own, and nobody's who
    may only see."""
    secrets = set()
    for _ in range(2):
        with local_http.Client(base_url=guarded_page.url, timeout=60) as client:
            wait_for(lambda c=client: c.post("/login", data={"token": ADMIN}).status_code == 303)
            secrets.add(csrf_of(client))
    assert len(secrets) == 2
    seen = wait_for(lambda: local_http.get(f"{guarded_page.url}/m/m", headers={"authorization": f"Bearer {READ}"}))
    assert seen.status_code == 200 and 'name="csrf"' not in seen.text


def test_only_an_admin_token_acts(guarded_page):
    """By header or by session; a session also needs its secret."""
    assert posted(guarded_page, "m/m/pause", {}).status_code == 401
    assert posted(guarded_page, "m/m/pause", {}, authorization=f"Bearer {READ}").status_code == 403
    answer = posted(guarded_page, "m/m/pause", {}, authorization=f"Bearer {ADMIN}")
    assert answer.status_code in (200, 202)
    assert wait_for(lambda: guarded_page.json("status")["models"]["m"]["paused"])
    entry = guarded_page.json("history", "m")[-1]
    assert entry["by"].startswith("page, admin token ") and ADMIN not in json.dumps(entry)
    with local_http.Client(base_url=guarded_page.url) as client:
        client.post("/login", data={"token": ADMIN})
        assert client.post("/api/m/m/resume", json={}).status_code == 403
        assert client.post("/api/m/m/resume", json={}, headers={"x-csrf-token": "x"}).status_code == 403
        assert client.post("/api/m/m/resume", data={"csrf": "x"}).status_code == 403
        own = csrf_of(client)
        assert client.post("/api/m/m/resume", json={}, headers={"x-csrf-token": own}).status_code in (200, 202)
        assert client.post("/api/m/m/resume", data={"csrf": own}).status_code == 303


def test_the_description_names_all_that_can_be_asked(open_page):
    """OpenAPI 3.1: every view, every action with its fields, and what is referred to is there."""
    wait_for(lambda: local_http.get(f"{open_page.url}/").status_code == 200)
    found = local_http.get(f"{open_page.url}/api/openapi.json").json()
    assert found == json.loads(json.dumps(description())) and found["openapi"].startswith("3.1")
    paths = found["paths"]
    assert {path for path, _ in VIEWS} <= set(paths)
    for action in OF_A_MODEL:
        schema = paths[f"/api/m/{{model}}/{action.name}"]["post"]["requestBody"]["content"]["application/json"][
            "schema"
        ]
        assert set(schema["properties"]) == {field.name for field in action.fields}
    for path, methods in paths.items():
        named = {part[1:-1] for part in path.split("/") if part.startswith("{")}
        for method in methods.values():
            assert {one["name"] for one in method["parameters"]} == named and method["responses"]
    references = [line for line in json.dumps(found).split('"') if line.startswith("#/")]
    assert all(one.rpartition("/")[2] in found["components"]["schemas"] for one in references)


def test_a_forms_texts_are_the_commands_arguments():
    """A number is one, several texts stay several, an empty field that is not needed is none."""
    by_name = {action.name: action for action in OF_A_MODEL}
    assert arguments(by_name["approve"], {"cycle": ["7"]}) == {"cycle": 7}
    assert arguments(by_name["approve_class"], {"classes": ["a", "b"]}) == {"classes": ["a", "b"]}
    assert arguments(by_name["hold"], {"file": ["x/y.csv"], "reason": [""]}) == {"file": "x/y.csv"}
    with pytest.raises(Refusal):
        asked(("m", "none", "retrain"), {"m": 1})
    assert asked(("reload",), {})[0].name == "reload" and actions.LONGEST < 10_000
