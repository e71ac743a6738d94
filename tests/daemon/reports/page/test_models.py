"""Models that a page meets besides those that classify and serve: new ones, recommenders, paused, failed, on trial."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ledgers import new_ledger
from page_parser import Page
from page_states import NOW, asked, configured, running, seeded, take_file
from sqlalchemy import Connection

from daemon.config.config import Config, load_config
from daemon.ledger import assessments, cycles, deployments, models, open_ledger, promotions, trials
from daemon.reports.page.asked import PageReader
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


def assessed(conn: Connection) -> None:
    """Three files of events, each assessed."""
    models.ensure(conn, "flights")
    promotions.record(conn, "flights", deployments.for_version(conn, "flights", "v1", 1.0), "promote", "first", 1.0)
    for number in (1, 2, 3):
        row = take_file(conn, "flights", number, NOW - 1000 + number)
        found = Assessment(row.seq, row.seq, 300, "ndcg_at_10", 0.1 + 0.01 * number, 0.5, newest="v1").__dict__
        result = {"assessments": [{k: v for k, v in found.items() if k != "id"}], "skipped": [], "proposal": {}}
        assessments.record(conn, "flights", 1, result, NOW)
