"""What people read of labels that come late: only where they do, which are judged by, and what to do."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from ledgers import new_ledger
from structlog.testing import capture_logs

from daemon.config.config import Config, load_config
from daemon.cycles.label_warnings import label_notes, tell_of_labels
from daemon.ledger import Ledger, class_totals, cycles, files, labels, models
from daemon.reading.look import Look
from daemon.reports import explain
from daemon.reports.labels import labels_sentence
from daemon.reports.open_question import open_questions
from daemon.reports.status import overview
from daemon.runtime.log import get_logger
from daemon.tools.doctor_labels import labels_told
from retrain.records.label_state import Arrival, LabelState
from retrain.records.settings import LabelSettings
from retrain.records.trigger import Trigger

OCTOBER = datetime(2026, 10, 29, 12).timestamp()
DAY = 86_400.0
WAIT = 'all recent labels are "yes": none is believed until others come, or set [models.M.labels] maturity'
LATE = LabelState(
    rows=2000, labelled=900, settled=600, classes={"yes": 40, "no": 560}, up_to=OCTOBER, recent_s=14 * DAY,
    recent_files=14, recent_rows=1000, recent_labelled=380, unit="seconds",
    arrivals={"no": Arrival(560, 29 * DAY, 30 * DAY), "yes": Arrival(40, DAY, 2 * DAY)}, trust={7: "waiting"},
    by_file={1: 300, 2: 300},
)  # fmt: skip
ONE_CLASS = LabelState(rows=2000, labelled=90, one_class="yes", wait=WAIT, recent_rows=9, trust={1: "waiting"})


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Config, Ledger]]:
    """The configuration of one model, and a ledger that knows two of its files."""
    (tmp_path / "config.toml").write_text(
        '[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n[models.m.labels]\nmaturity = "30d"\n'
        'negative = "No"\n'
    )
    config = load_config(tmp_path / "config.toml")
    ledger = new_ledger(config.state_dir)
    with ledger.begin() as conn:
        models.ensure(conn, "m")
        for seq in (1, 2):
            files.record_accepted(conn, "m", f"{seq}.csv", Look(seq, 1, 1, 1), f"sha{seq}", TAKEN, 0.0)
    yield config, ledger
    ledger.close()


TAKEN: dict[str, Any] = {
    "kind": "rows", "snapshot": "s", "rows": 300, "labelled_rows": 300, "class_rows": {"no": 300}, "rejected": 0,
    "quarantine": None, "quality": {}, "first_time": None, "last_time": None, "rejects": [],
}  # fmt: skip


def test_the_line_says_how_many_are_in_when_they_come_and_up_to_when_is_judged() -> None:
    """The quickest class first."""
    assert labels_sentence(LATE, LabelSettings()) == (
        'of the last 14 days 38 % are in ("yes" after 2 d, "no" after 30 d); judged on settled ones up to 2026-10-29'
    ).replace("38 %", "38%")


def test_files_are_counted_where_rows_have_no_times() -> None:
    """And what is configured is said."""
    state = LabelState(
        recent_files=20,
        recent_rows=100,
        recent_labelled=50,
        arrivals={"a": Arrival(9, 0.0, 0.0), "b": Arrival(9, 2, 3)},
    )
    settings = LabelSettings.model_validate({"maturity": "5 files", "negative": "a"})
    assert labels_sentence(state, settings) == (
        'of the newest 20 files 50% are in ("a" at once, "b" after 3 files); none is settled yet; labels count from an '
        'age of 5 files, then silence means "a" (labels.maturity)'
    )


def test_nothing_is_said_where_labels_come_with_their_rows() -> None:
    """A line that is always there is read by nobody."""
    assert (
        labels_sentence(LabelState(rows=9, labelled=9, settled=9, recent_rows=9, recent_labelled=9), LabelSettings())
        is None
    )


def test_status_and_the_open_question_name_what_is_waited_for(place: tuple[Config, Ledger]) -> None:
    """With the model's own section in the way out, and as JSON."""
    config, ledger = place
    with ledger.begin() as conn:
        labels.save(conn, "m", ONE_CLASS, 1, 0, 5.0)
        (note,) = label_notes(conn, "m")
    found = overview(config, ledger)["models"]["m"]["labels"]
    assert json.loads(json.dumps(found))["one_class"] == "yes" and "none is settled yet" in found["sentence"]
    assert found["wait"].endswith("set [models.m.labels] maturity") and found["wait"] in note
    (answer,) = open_questions(config, ledger)
    assert found["wait"] in answer["answer"]


def test_a_feed_of_one_class_is_told_once_and_so_is_its_end() -> None:
    """Not with each file, nor after a restart."""
    with capture_logs() as logs:
        log = get_logger()
        for before, after in ((None, ONE_CLASS), (ONE_CLASS, ONE_CLASS), (ONE_CLASS, LATE), (LATE, LATE)):
            tell_of_labels(log, "m", before, after)
    assert [(one["event"], one["log_level"]) for one in logs] == [
        ("labels_doubted", "warning"),
        ("labels_believed", "info"),
    ]
    assert logs[0]["one_class"] == "yes" and "models.m.labels" in logs[0]["reason"]


def test_a_cycle_keeps_which_labels_were_settled_and_when(place: tuple[Config, Ledger]) -> None:
    """Of the files that decided, also once labels went on to come."""
    _, ledger = place
    with ledger.begin() as conn:
        labels.save(conn, "m", LATE, 1, 0, OCTOBER)
        known = labels.at_opening(conn, "m", after=1)
        cycle = cycles.open_cycle(conn, "m", Trigger("manual", "by hand", known), 1, 2, 0.0)
        labels.save(conn, "m", LabelState(rows=9), 1, 0, OCTOBER + DAY)
        facts = explain.describe(conn, cycle.id)
    text = explain.story(facts)
    assert 'of 2,000 rows 900 had a label, and 600 one that was settled ("no" 560, "yes" 40)' in text
    assert "rows up to 2026-10-29" in text and '"yes" after 2 d' in text
    assert [line for line in text.splitlines() if "settled by" in line] == [
        "  - 2.csv: 300 rows settled by 2026-10-29 12:00:00"
    ]
    assert json.loads(json.dumps(facts["labels"]))["trust"] == {"7": "waiting"}


def test_a_cycle_names_no_file_whose_labels_are_doubted_again(place: tuple[Config, Ledger]) -> None:
    """The sum above the files is theirs: what was settled once and is not when the cycle opens decides nothing."""
    _, ledger = place
    with ledger.begin() as conn:
        labels.save(conn, "m", LATE, 1, 0, OCTOBER)
        labels.save(conn, "m", replace(LATE, settled=200, by_file={1: 0, 2: 200}), 1, 0, OCTOBER + DAY)
        assert labels.at_opening(conn, "m", after=0)["settled"] == [[2, 200, OCTOBER]]


def test_settled_rows_are_new_once(place: tuple[Config, Ledger]) -> None:
    """Also where a file is believed, doubted and believed again; and from the next cycle on others are new."""
    _, ledger = place

    def settled(by_file: dict[int, int], from_seq: int = 1) -> tuple[int, int]:
        state = LabelState(settled=sum(by_file.values()), by_file=by_file)
        with ledger.begin() as conn:
            labels.save(conn, "m", state, from_seq, 1, 0.0)
            kept = labels.load(conn, "m")
            assert kept is not None
            return labels.settled_rows(conn, "m", kept)

    assert settled({1: 300, 2: 100}) == (400, 100)
    assert settled({1: 300}) == (300, 100)
    assert settled({1: 300, 2: 150}) == (450, 150)
    with ledger.begin() as conn:
        labels.cycle_opened(conn, "m")
    assert settled({1: 300, 2: 150}) == (450, 0)
    assert settled({2: 160}, from_seq=2) == (300 + 160, 10)


def test_the_doctor_finds_what_keeps_labels_from_being_used(place: tuple[Config, Ledger]) -> None:
    """No id to join them by, a class that nobody has, and a feed of one class; each with a way out."""
    config, ledger = place
    folder = config.paths.model("m").versions / "v1"
    folder.mkdir(parents=True)
    with ledger.begin() as conn:
        class_totals.learn(conn, "m", "y", ["no", "yes"])
        labels.save(conn, "m", ONE_CLASS, 1, 0, 5.0)
        told = list(labels_told(conn, config, "m"))
    text = "\n".join(" → ".join(one) for one in told)
    assert {level for level, _, _ in told} == {"warning"}
    assert "without id_column" in text and 'labels.negative is "No", no class of "no", "yes"' in text
    assert "none is believed until others come" in text


def test_labels_that_depend_on_the_answer_are_told_once_with_the_way_out(place: tuple[Config, Ledger]) -> None:
    """A warning as it is found, none while it lasts; the doctor names the key that helps."""
    config, ledger = place
    selected = replace(LATE, selected=True)
    with capture_logs() as told:
        for before, now in ((None, LATE), (LATE, selected), (selected, selected)):
            tell_of_labels(get_logger(), "m", before, now)
    assert [(one["event"], one["log_level"]) for one in told] == [("labels_selected", "warning")]
    with ledger.begin() as conn:
        labels.save(conn, "m", selected, 1, 2, 0.0)
        found = [what for what in labels_told(conn, config, "m") if "depends on the answer" in what[1]]
    assert [("explore" in way_out) for level, _, way_out in found if level == "warning"] == [True]
