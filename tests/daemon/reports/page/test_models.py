"""Models that a page meets besides those that classify and serve: new ones, recommenders, paused, failed, on trial."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ledgers import new_ledger
from page_parser import Page
from page_states import NOW, asked, configured, running, seeded, take_file
from sqlalchemy import Connection, select, update

from daemon.config.config import Config, load_config
from daemon.ledger import assessments, cycles, deployments, models, open_ledger, promotions, trials
from daemon.ledger.tables import stages, versions
from daemon.reports.page.asked import PageReader
from daemon.reports.page.recommender import recommender_facts, recommender_lines
from daemon.reports.page.views import facts_of, html_of
from retrain.records.assessment import Assessment
from retrain.records.cycle import CycleState
from retrain.records.settings import RolloutSettings
from retrain.records.trigger import Trigger

VIEWS = ((), ("m", "flights"), ("m", "flights", "versions"), ("log",), ("badge", "flights.svg"))


def shown(reader: PageReader) -> str:
    """All views of the model, each of which is a page; the overview's text."""
    with running(reader.config):
        pages = [Page(html_of(reader, asked(*path)) or "") for path in VIEWS]
    assert all(page.text and not page.open for page in pages)
    return " ".join(pages[0].text.split())


def reader_of(config: Config) -> PageReader:
    """A page of what is in the ledger."""
    return PageReader(config, open_ledger(config.state_dir, create=False, read_only=True), config.paths)


def test_a_model_that_never_ran(tmp_path: Path) -> None:
    """It says that there is no model yet, and that nothing can be undone."""
    config = configured(tmp_path, {"flights": "auto"})
    new_ledger(config.state_dir).close()
    text = shown(reader_of(config))
    for words in (
        "flights has no model yet.",
        "no model is served yet",
        "nothing yet",
        "no model has an earlier version",
    ):
        assert words in text


def paused(conn: Connection) -> None:
    """By hand."""
    models.set_paused(conn, "flights", True)


def failed(conn: Connection) -> None:
    """The newest cycle could not be done."""
    cycle = cycles.open_cycle(conn, "flights", Trigger("manual", "asked for by hand"), 3, 1, NOW - 900)
    cycles.save(conn, replace(cycle, state=CycleState.FAILED, reason="the disk is full"), NOW - 800)


def on_trial(conn: Connection) -> None:
    """A challenger answers a share of the requests."""
    cycle = cycles.open_cycle(conn, "flights", Trigger("manual", "asked for by hand"), 3, 1, NOW - 900)
    challenger = deployments.for_version(conn, "flights", "v0003-03ab12cd", NOW - 800)
    trials.begin(conn, cycle, challenger, RolloutSettings(strategy="canary"), NOW - 800)
    cycles.save(conn, replace(cycle, state=CycleState.ON_TRIAL, version="v0003-03ab12cd"), NOW - 800)


@pytest.mark.parametrize(
    ("happened", "words"),
    [
        (paused, ("flights: paused", "Nothing waits for you")),
        (failed, ("flights needs you: cycle 5 failed", "The disk is full", "What is served did not change")),
        (
            on_trial,
            (
                "flights: on trial",
                "flights: cycle 5 is at",
                "v0003-03ab12cd is on trial",
                "drops v0003-03ab12cd, which is on trial",
            ),
        ),
    ],
)
def test_what_is_told_of_a_model(
    tmp_path: Path, happened: Callable[[Connection], None], words: tuple[str, ...]
) -> None:
    """In words on the overview, whatever is under way."""
    reader = seeded(tmp_path, "fine", days=3)
    ledger = open_ledger(reader.config.state_dir)
    with ledger.begin() as conn:
        happened(conn)
    ledger.close()
    text = shown(reader)
    for one in words:
        assert one.lower() in text.lower()


def test_a_recommender_has_its_quality_from_assessed_files(tmp_path: Path) -> None:
    """NDCG file by file, as they were assessed, on the overview and as a chart."""
    (tmp_path / "flights").mkdir()
    columns = 'user_column = "who"\nitem_column = "what"\ntime_column = "at"\n'
    (tmp_path / "config.toml").write_text(f'[models.flights]\ndata_dir = "flights"\ntask = "recommendation"\n{columns}')
    config = load_config(tmp_path / "config.toml")
    ledger = new_ledger(config.state_dir)
    with ledger.begin() as conn:
        assessed(conn)
    ledger.close()
    reader = reader_of(config)
    own = facts_of(reader, asked("m", "flights"))
    assert own is not None and [round(one["value"], 4) for one in own["points"]] == [0.11, 0.12, 0.13]
    assert "0.1300" in shown(reader)
    assert "ndcg at 10" in (html_of(reader, asked("m", "flights")) or "")


def test_a_recommender_shows_its_lists_and_how_old_its_counters_are(tmp_path: Path) -> None:
    """Coverage and fallback answers are those of the newest version's evaluation; the newest event is that of files, or
    a later one that was posted; of another task none of it is shown."""
    reader = seeded(tmp_path, "fine", days=3)
    facts = facts_of(reader, asked("m", "flights"))
    assert facts is not None and facts["recommender"] is None
    ledger = open_ledger(reader.config.state_dir)
    with ledger.begin() as conn:
        found = recommender_of(conn, reader)
        before = found["newest_event"]
        assert found["lists"] is None and before is not None and before <= NOW
        champion = promotions.champion(conn, "flights")
        assert champion is not None
        newest = versions.c.model == "flights", versions.c.name == champion.newest
        (cycle,) = conn.scalars(select(versions.c.cycle_id).where(*newest))
        lists = {"coverage": 0.2, "gini": 0.91, "fallback_share": 0.125}
        evaluated = stages.c.cycle_id == cycle, stages.c.stage == "evaluate"
        result = conn.scalars(select(stages.c.result).where(*evaluated)).one()
        conn.execute(update(stages).where(*evaluated).values(result=result | {"lists": lists}))
        spool = reader.paths.model("flights").spool
        spool.mkdir(parents=True, exist_ok=True)
        (spool / "1-2-3.open").write_text("{}")
        os.utime(spool / "1-2-3.open", (NOW - 5, NOW - 5))
        found = recommender_of(conn, reader)
    ledger.close()
    assert found["lists"] == lists and found["newest_event"] == NOW - 5 > before
    said = {name: str(value) for name, value in recommender_lines(found, NOW)}
    assert said["coverage"] == "20% of all items (Gini of exposure 0.91)"
    assert said["fallback"] == "12% of lists from popularity alone" and "2025-11-28" in said["newest event"]


def recommender_of(conn: Connection, reader: PageReader) -> dict:
    """As if the model recommended."""
    champion = promotions.champion(conn, "flights")
    assert champion is not None
    model = {"champion": {"newest": champion.newest, "in_service": None}}
    found = recommender_facts(conn, reader.paths, "flights", model, "recommendation")
    assert found is not None
    return found


def assessed(conn: Connection) -> None:
    """Three files of events, each assessed."""
    models.ensure(conn, "flights")
    promotions.record(conn, "flights", deployments.for_version(conn, "flights", "v1", 1.0), "promote", "first", 1.0)
    for number in (1, 2, 3):
        row = take_file(conn, "flights", number, NOW - 1000 + number)
        found = Assessment(row.seq, row.seq, 300, "ndcg_at_10", 0.1 + 0.01 * number, 0.5, newest="v1").__dict__
        result = {"assessments": [{k: v for k, v in found.items() if k != "id"}], "skipped": [], "proposal": {}}
        assessments.record(conn, "flights", 1, result, NOW)
