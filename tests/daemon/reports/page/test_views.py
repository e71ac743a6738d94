"""Every view says what the command line says, and is a page that stands by itself."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from page_parser import HOSTILE, Page
from page_states import NOW, asked, running, seeded
from sqlalchemy import event, update
from typer.testing import CliRunner
from year_of_files import Plans, build

from daemon.cli.app import app
from daemon.ledger import events, open_ledger
from daemon.ledger.tables import files as file_table
from daemon.reports.page.asked import Asked, PageReader
from daemon.reports.page.views import facts_of, html_of
from daemon.tools.doctor import examine

CLEAN = "2025-01-02.csv"
VIEWS: tuple[tuple[str, ...], ...] = (
    (), ("m", "flights"), ("m", "flights", "cycle", "2"), ("m", "flights", "file", CLEAN), ("m", "flights", "versions"),
    ("log",), ("doctor",),
)  # fmt: skip


def reader_of(folder: Path, state: str = "held") -> PageReader:
    """Two models of three days, with a doctor."""
    found = seeded(folder, state, days=3)
    return PageReader(
        found.config, found.ledger, found.paths, found.trouble,
        lambda config: [finding.__dict__ for finding in examine(config)],
    )  # fmt: skip


def told(reader: PageReader, *path: str, **query: str) -> dict[str, Any]:
    """The facts of a view, as JSON has them."""
    found = facts_of(reader, asked(*path, **query))
    assert found is not None
    value: dict[str, Any] = json.loads(json.dumps(found))
    return value


def printed(reader: PageReader, *command: str) -> Any:
    """What a command prints as JSON."""
    result = CliRunner().invoke(app, ["-c", str(reader.config.path), *command, "--json"])
    return json.loads(result.stdout)


def test_each_view_says_what_its_command_prints(tmp_path: Path) -> None:
    """`explain`, `versions`, `files`, `history`, `history --events` and `doctor`, value by value."""
    reader = reader_of(tmp_path)
    assert told(reader, "m", "flights", "cycle", "2")["explain"] == printed(reader, "explain", "2")
    assert told(reader, "m", "flights", "versions")["versions"] == printed(reader, "versions", "flights")
    by_path = {one["path"]: one for one in printed(reader, "files", "flights")}
    for path in (CLEAN, "twice.csv"):
        assert told(reader, "m", "flights", "file", path)["file"] == by_path[path]
    assert told(reader, "log", show="events")["events"] == printed(reader, "history", "--events")
    timeline = printed(reader, "history")
    assert told(reader, "log")["history"] == timeline
    assert told(reader, "m", "flights")["history"] == [one for one in timeline if one["model"] == "flights"]
    space = re.compile(r"[\d.,]+ GB free")  # others write to this disk
    found, shown = (
        space.sub("GB free", json.dumps(one)) for one in (told(reader, "doctor")["findings"], printed(reader, "doctor"))
    )
    assert found == shown


@pytest.mark.parametrize("state", ["held", "hostile", "unreadable"])
def test_every_view_is_a_whole_page_of_no_foreign_script(tmp_path: Path, state: str) -> None:
    """Tags close in turn, one heading says what it is, no script stands in it, nothing runs, is styled or fetched but what
    the server itself gives out, and every address is the server's own."""
    reader = reader_of(tmp_path, state)
    with running(reader.config):
        for path in VIEWS:
            text = html_of(reader, asked(*path, may_act=True))
            assert text is not None and len(text) < 100_000, path
            page = Page(text)
            assert not page.open and len(page.all("h1")) == 1 and len(page.all("main")) == 1
            assert not {"style", "img", "iframe"} & {tag for tag, _ in page.tags} and page.own_scripts, path
            for _, attributes in page.tags:
                assert not any(name == "style" or name.startswith("on") for name in attributes)
                for name in ("href", "action", "src"):
                    address = attributes.get(name)
                    assert address is None or re.match(r"/(?!/)|#", address), address
            assert not re.search("[\x00-\x08\x1b\u202e]", page.text)


def test_a_file_with_a_hostile_name_has_its_view(tmp_path: Path) -> None:
    """By the address that its link has; its name, reason and rejects are text."""
    reader = reader_of(tmp_path, "hostile")
    found = told(reader, "m", "flights", "file", *HOSTILE.split("/"))
    assert found["file"]["path"] == HOSTILE and found["title"] == f"{HOSTILE} was taken in."
    page = Page(html_of(reader, asked("m", "flights", "file", *HOSTILE.split("/"))) or "")
    assert HOSTILE in page.text and not page.all("img")


def test_a_cycle_is_told_in_order_with_the_gate_as_a_table(tmp_path: Path) -> None:
    """Why, rows, training, comparison, outcome; the interval's numbers stand beside its picture."""
    page = Page(html_of(reader_of(tmp_path), asked("m", "flights", "cycle", "2")) or "")
    text = re.sub(r"\s+", " ", page.text)
    places = [text.index(part) for part in ("Why it was opened", "Rows", "Training", "The comparison", "How it ended")]
    assert places == sorted(places)
    assert "+0.0160" in text and "+0.0030 to +0.0290" in text and "driftd explain 2" in text


def test_two_versions_stand_side_by_side(tmp_path: Path) -> None:
    """Those that are asked for; else what is served beside the one before it."""
    reader = reader_of(tmp_path)
    names = [one["version"] for one in told(reader, "m", "flights", "versions")["versions"]]
    assert told(reader, "m", "flights", "versions")["side_by_side"] == names
    assert told(reader, "m", "flights", "versions", a=names[1], b=names[0])["side_by_side"] == names[::-1]
    assert told(reader, "m", "flights", "versions", a="<b>", b=names[0])["side_by_side"] == names


@pytest.mark.parametrize(
    ("state", "word"), [("fine", "drift, watched"), ("held", "2 files are held"), ("unreadable", "unknown")]
)
def test_a_badge_is_a_picture_of_the_state(tmp_path: Path, state: str, word: str) -> None:
    """Of a model by name and ending; of anything else there is none."""
    reader = reader_of(tmp_path, state)
    text = html_of(reader, asked("badge", "flights.svg"))
    assert text is not None and text.startswith("<svg ") and f">flights: {word}</title>" in text
    assert html_of(reader, asked("badge", "flights")) is None and html_of(reader, asked("badge", "no.svg")) is None


def test_the_log_is_of_one_model_and_so_long_as_asked(tmp_path: Path) -> None:
    """`?last=` and `?model=`; an unknown model has no log."""
    reader = reader_of(tmp_path)
    ledger = open_ledger(reader.config.state_dir)
    with ledger.begin() as conn:
        fields = {"file": HOSTILE, "note": "\x1b[31m"}
        events.append(conn, [{"at": NOW, "event": "file_seen", "level": "info", "model": "churn", "fields": fields}
                             for _ in range(30)])  # fmt: skip
    ledger.close()
    assert len(told(reader, "log", show="events", last="7")["events"]) == 7
    assert {one["model"] for one in told(reader, "log", show="events", model="flights")["events"]} == {"flights"}
    assert facts_of(reader, asked("log", model="no")) is None
    page = Page(html_of(reader, asked("log", show="events", last="7")) or "")
    assert HOSTILE in page.text and "\x1b" not in page.text


@pytest.mark.parametrize("path", [("m", "flights", "cycle", "99"), ("m", "flights", "cycle", "x"), ("m", "churn", "cycle", "1"),
                                  ("m", "flights", "cycle", "9" * 40), ("m", "flights", "file", "no.csv"),
                                  ("m", "no", "versions")])  # fmt: skip
def test_what_there_is_not_has_no_view(tmp_path: Path, path: tuple[str, ...]) -> None:
    """Cycles of other models, numbers that are none, unknown files and models."""
    assert facts_of(reader_of(tmp_path, "fine"), asked(*path)) is None


def test_no_view_reads_a_long_table_whole(tmp_path: Path) -> None:
    """A page of files of a rare state, too, is found by an index, however many files there are."""
    config, ledger, now = build(tmp_path, 600, versions=20)
    reader, statements = PageReader(config, ledger, config.paths), list[str]()
    event.listen(ledger.engine, "before_cursor_execute", lambda *given: statements.append(_plan(given[1], *given[2:4])))
    with Plans(ledger) as plans:
        for path, query in (
            ((), {}), (("m", "m"), {"state": "refused"}), (("m", "m"), {"before": "300"}), (("log",), {}),
            (("m", "m", "file", "day0/7.csv"), {}), (("m", "m", "versions"), {}), (("badge", "m.svg"), {}),
        ):  # fmt: skip
            assert html_of(reader, Asked(path, query, False, "", now)), path
    assert not plans.scans
    found = [plan for plan in statements if "SEARCH files USING COVERING INDEX" in plan and "kind=?" in plan]
    assert found, "files of a state are looked for one by one"
    ledger.close()


def _plan(cursor: Any, statement: str, values: Any) -> str:
    if not statement.lstrip().upper().startswith("SELECT"):
        return ""
    rows = cursor.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
    return "; ".join(row[3] for row in rows)


@pytest.mark.parametrize("entries", ["²", "9" * 5_000, "-1", "x"])
def test_a_number_of_entries_that_is_none_is_as_if_not_there(tmp_path: Path, entries: str) -> None:
    """The page of a model, with the link to earlier entries or without."""
    reader = reader_of(tmp_path)
    assert html_of(reader, asked("m", "flights", entries=entries)) == html_of(reader, asked("m", "flights"))


def test_a_version_says_where_it_comes_from(tmp_path: Path) -> None:
    """The files that taught it, first to last, and its model card, which is text."""
    reader = reader_of(tmp_path)
    model = reader.paths.model("flights")
    name = told(reader, "m", "flights", "versions")["versions"][-1]["version"]
    model.version(name).mkdir(parents=True)
    (model.version(name) / "card.md").write_text(f"# {name}\n\nPredicts {HOSTILE}.\n", "utf-8")
    ledger = open_ledger(reader.config.state_dir)
    with ledger.begin() as conn:
        for digest, path in (("a", "2025-01-01.csv"), ("c", "2025-01-03.csv")):
            snapshot = str(model.snapshot(digest).relative_to(reader.paths.state))
            chosen = file_table.c.model == "flights", file_table.c.path == path
            conn.execute(update(file_table).where(*chosen).values(snapshot=snapshot))
    ledger.close()
    origin = told(reader, "m", "flights", "versions")["lineage"][name]
    assert (origin["files"], origin["first"], origin["last"]) == (3, "2025-01-01.csv", "2025-01-03.csv")
    page = Page(html_of(reader, asked("m", "flights", "versions")) or "")
    assert "3: 2025-01-01.csv to 2025-01-03.csv" in page.text and f"Predicts {HOSTILE}." in page.text
