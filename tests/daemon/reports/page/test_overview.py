"""Who is woken at night reads on the overview, as text, the answers to five questions; and so does a program."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from page_parser import HOSTILE, Page
from page_states import asked, running, seeded
from typer.testing import CliRunner

from daemon.cli.app import app
from daemon.reports.page.asked import PageReader
from daemon.reports.page.views import facts_of, html_of

ANSWERS = {
    "fine": ("All 2 models are fine", "Nothing waits for you", "yes, 2 of 2 models, by 2 servers",
             "cycle 4 promoted v0002", "retrains when that pays; next check of churn", "driftd rollback churn"),
    "drift": ("All 2 models are fine", "flights: drift, watched", "yes, 2 of 2 models", "promoted v0002",
              "retrains when that pays", "serves v0001-01ab12cd again"),
    "approval": ("flights needs you: cycle 5 waits for approval", "The other model is fine", "yes, 2 of 2 models",
                 "cycle 5 waits for approval", "retrains when that pays", "driftd rollback flights"),
    "held": ("flights needs you: 2 files are held", "38 % of its rows repeat", "yes, 2 of 2 models",
             "again.csv was held", "retrains when that pays", "driftd rollback flights"),
    "rolled_back": ("Nothing waits for you", "flights: rolled back", "yes, 2 of 2 models",
                    "v0002-02ab12cd is undone, v0001-01ab12cd serves again", "retrains when that pays", "driftd rollback"),
    "unreadable": ("The ledger cannot be read", "database disk image is malformed", "2 of 2 models as promoted last",
                   "was promoted last", "what is served stays as it is", "driftd restore"),
}  # fmt: skip
"""By state: what needs somebody, what else there is, whether it serves, what changed, what comes, how to undo it."""


def page_of(reader: PageReader, *path: str, **query: Any) -> Page:
    """A view as a parsed page, while the service runs."""
    with running(reader.config):
        text = html_of(reader, asked(*path, **query))
    assert text is not None
    return Page(text)


def words(page: Page) -> str:
    """Its text, as a reader sees it."""
    return re.sub(r"\s+", " ", page.text)


@pytest.mark.parametrize("state", ANSWERS)
def test_the_five_questions_are_answered_in_words(tmp_path: Path, state: str) -> None:
    """Is serving up, does anything wait for me, what changed, what comes by itself, how do I undo it: before the first
    model's row, in every state."""
    page = page_of(seeded(tmp_path, state, days=12), may_act=True)
    head = words(page).partition(" Models serves")[0]
    for answer in ANSWERS[state]:
        assert answer in head
    assert not page.open and not page.all("style") and page.own_scripts
    assert all("style" not in attributes and not any(name.startswith("on") for name in attributes)
               for _, attributes in page.tags)  # fmt: skip


def test_a_page_says_that_nothing_runs(tmp_path: Path) -> None:
    """Without the service nothing is fine, whatever the models are."""
    found = facts_of(seeded(tmp_path, "fine", days=2), asked())
    assert found is not None and found["title"].startswith("driftd is not running")


def test_a_shard_is_named(tmp_path: Path) -> None:
    """On the overview and on a model's page, and as a fact; without one nothing is said of it."""
    reader = seeded(tmp_path, "fine", days=2)
    assert "shard" not in words(page_of(reader))
    service = reader.config.service.model_copy(update={"shard": "eu_07"})
    reader = replace(reader, config=replace(reader.config, service=service))
    for path in ((), ("m", "flights")):
        assert "shard eu_07 · running" in words(page_of(reader, *path))
    found = facts_of(reader, asked())
    assert found is not None and found["status"]["shard"] == "eu_07"


def test_the_facts_are_those_of_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`status --json` and `explain --json` print what the overview and a model's view say."""
    reader = seeded(tmp_path, "held", days=3)
    printed = {}
    for command in ("status", "explain", "history"):
        result = CliRunner().invoke(app, ["-c", str(reader.config.path), command, "--json"])
        printed[command] = json.loads(result.stdout)
    found, own = facts_of(reader, asked()), facts_of(reader, asked("m", "flights"))
    assert found is not None and own is not None
    assert plain(found["status"]) == printed["status"] and plain(found["explain"]) == printed["explain"]
    assert plain(own["status"]["models"]["flights"]) == printed["status"]["models"]["flights"]
    assert own["explain"] == next(one for one in printed["explain"] if one["model"] == "flights")
    kinds = [(one["kind"], one["cycle"], one["file"]) for one in printed["history"] if one["model"] == "flights"]
    assert [(one["kind"], one["cycle"], one["file"]) for one in own["history"]] == kinds


def plain(value: Any) -> Any:
    """As JSON has it."""
    return json.loads(json.dumps(value))


def test_names_are_text(tmp_path: Path) -> None:
    """Names of files and reasons of others stay text on the page, in titles of charts and in addresses."""
    reader = seeded(tmp_path, "hostile", days=2)
    for path in ((), ("m", "flights")):
        page = page_of(reader, *path, may_act=True)
        names = {tag for tag, _ in page.tags}
        assert page.own_scripts and len(page.all("script")) == 2 and "img" not in names
        assert HOSTILE in page.text or "held" in page.text
        assert "\x1b" not in page.text and "\u202e" not in page.text
    links = [one["href"] for one in page_of(reader, "m", "flights").all("a")]
    assert any(link and "%22%3E%3Cscript%3E" in link for link in links)


def test_who_may_not_act_sees_commands_and_no_form(tmp_path: Path) -> None:
    """A reader gets no button; who may act gets forms that carry their token, and is told what a roll-back serves."""
    reader = seeded(tmp_path, "approval", days=3)
    for path in ((), ("m", "flights")):
        seen, acting = page_of(reader, *path), page_of(reader, *path, may_act=True)
        assert not seen.all("form") and "driftd approve 5" in seen.text
        assert all(
            form["method"] == "post" and str(form["action"]).startswith("/api/m/flights/")
            for form in acting.all("form")
        )
        tokens = [one["value"] for one in acting.all("input") if one["name"] == "csrf"]
        assert len(tokens) == len(acting.all("form")) > 0 and set(tokens) == {"token-of-form"}
    told = "v0001-01ab12cd answers instead of v0002-02ab12cd within seconds; nothing is trained. Its own evaluation came to"
    assert f"{told} 0.7200, and that of v0002-02ab12cd 0.7410" in words(acting)


def test_long_lists_come_in_pages(tmp_path: Path) -> None:
    """A model's files are listed forty at a time, each once, newest first."""
    reader = seeded(tmp_path, "fine", names=("flights",), days=90)
    names: list[str] = []
    query: dict[str, str] = {}
    for _ in range(5):
        found = facts_of(reader, asked("m", "flights", **query))
        assert found is not None
        listed = found["listed"]
        names += [one["path"] for one in listed["files"]]
        if listed["older"] is None:
            break
        assert len(listed["files"]) == 40
        query = {"before": str(listed["older"])}
    assert len(names) == len(set(names)) == 90 and names == sorted(names, reverse=True)
    assert len(page_of(reader, "m", "flights").all("tr")) < 200


@pytest.mark.parametrize(
    "query", [{"before": "x"}, {"before": "9" * 30}, {"entries": "-1"}, {"state": "<b>"}, {"from": "٣"}]
)
def test_a_strange_query_is_as_if_it_were_not_there(tmp_path: Path, query: dict[str, str]) -> None:
    """What is no number or no state changes nothing."""
    reader = seeded(tmp_path, "fine", names=("flights",), days=2)
    for path in ((), ("m", "flights")):
        assert len(words(page_of(reader, *path, **query))) > 200


def test_there_is_no_page_of_what_there_is_not(tmp_path: Path) -> None:
    """Unknown models and paths have neither facts nor a page."""
    reader = seeded(tmp_path, "fine", names=("flights",), days=2)
    for path in (("m", "no"), ("m",), ("elsewhere",), ("m", "flights", "nothing")):
        assert facts_of(reader, asked(*path)) is None and html_of(reader, asked(*path)) is None
