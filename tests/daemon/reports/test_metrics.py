"""Where models stand is told to Prometheus as it is told to people."""

import pytest
from page_parser import HOSTILE
from page_states import NOW, seeded

from daemon.config.metrics import BY_NAME, STATE
from daemon.ledger import open_ledger
from daemon.ledger.groups import EPISODE_EVENTS
from daemon.ledger.rows import insert_row, update_row
from daemon.ledger.tables import group_episodes
from daemon.reports.metrics import FILE_STATES, KINDS, OUTCOMES, STATES, state_numbers
from daemon.reports.page.asked import Asked
from daemon.reports.page.overview import overview_facts
from daemon.runtime.numbers import Numbers, told, understood
from retrain.records.cycle import CycleState


def numbers_of(folder, state: str) -> Numbers:
    """Of the seeded state, with two files of `flights` in the queue."""
    reader = seeded(folder, state)
    with reader.ledger.connect() as conn:
        return state_numbers(conn, reader.config.models, {"flights": 2})


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("fine", {("driftd_drift", "flights"): 0, ("driftd_cycles_total", "flights", "promoted"): 2,
                  ("driftd_cycles_total", "flights", "failed"): 0, ("driftd_files", "flights", "accepted"): 40,
                  ("driftd_files", "flights", "held"): 0, ("driftd_promotions_total", "flights", "cycle"): 2,
                  ("driftd_queue_files", "flights"): 2, ("driftd_queue_files", "churn"): 0,
                  ("driftd_labelled_rows", "flights"): 40 * 1200, ("driftd_paused", "flights"): 0,
                  ("driftd_regret", "flights"): 0.0131, ("driftd_waiting_notifications",): 0,
                  ("driftd_quality_reference", "flights", "balanced_accuracy"): 0.741,
                  ("driftd_quality", "flights", "balanced_accuracy", "estimate"): 0.735}),
        ("drift", {("driftd_drift", "flights"): 1, ("driftd_drift", "churn"): 0,
                   ("driftd_drifted_columns", "flights"): 2, ("driftd_last_file_timestamp_seconds", "flights"): NOW - 2799}),
        ("approval", {("driftd_cycle_state", "flights", "awaiting_approval"): 1,
                      ("driftd_cycle_state", "flights", "open"): 0, ("driftd_cycle_state", "churn", "awaiting_approval"): 0}),
        ("held", {("driftd_files", "flights", "held"): 2, ("driftd_files", "flights", "accepted"): 40}),
        ("rolled_back", {("driftd_promotions_total", "flights", "rollback"): 1,
                         ("driftd_champion_promoted_timestamp_seconds", "flights"): NOW - 3600}),
    ],
)  # fmt: skip
def test_each_state_is_told(tmp_path, state, expected):
    """The numbers that an alert or a panel goes by."""
    found = numbers_of(tmp_path, state)
    assert {(name, *rest): found[name, tuple(rest)] for name, *rest in expected} == pytest.approx(expected)


def test_an_episode_of_groups_is_told_while_it_lasts(tmp_path):
    """By its kind."""
    reader = seeded(tmp_path, "fine", days=4)
    ledger = open_ledger(reader.config.state_dir, create=False)
    episode = {"model": "flights", "kind": "degraded", "opened_at": NOW, "found": []}
    with ledger.begin() as conn:
        key = insert_row(conn, group_episodes, episode)
        during = state_numbers(conn, reader.config.models, {})
        update_row(conn, group_episodes, key, closed_at=NOW)
        after = state_numbers(conn, reader.config.models, {})
    ledger.close()
    key = "driftd_group_episode", ("flights", "degraded")
    assert (during[key], after[key]) == (1, 0)
    assert during["driftd_group_episode", ("flights", "exceeded")] == 0


def test_what_is_told_is_declared(tmp_path):
    """Every number is one of a declared metric, with its labels; and of every declared one there is a number."""
    found = numbers_of(tmp_path, "hostile")
    assert dict(understood(told(found))) == found
    known = {one.name for one in STATE} - {"driftd_state_age_seconds", "driftd_settled_labels"}
    assert {name for name, _ in found} == known
    assert all(BY_NAME[name].told_by == "state" for name, _ in found)


def test_no_label_is_a_file_or_a_reason(tmp_path):
    """However files are called: labels are models of the configuration and words of this program."""
    words = {
        *OUTCOMES,
        *STATES,
        *KINDS.values(),
        *FILE_STATES,
        "labels",
        "estimate",
        "balanced_accuracy",
        *EPISODE_EVENTS,
    }
    labels = {label for _, labels in numbers_of(tmp_path, "hostile") for label in labels}
    assert labels <= words | {"flights", "churn"} and HOSTILE not in labels


def test_the_states_of_files_and_cycles_are_complete(tmp_path):
    """Each state that a cycle may have is told, as an outcome or as one under way."""
    assert {*OUTCOMES, *STATES} == set(CycleState)


def test_quality_is_that_of_the_page(tmp_path):
    """The overview's newest value and its reference."""
    reader = seeded(tmp_path, "fine")
    with reader.ledger.connect() as conn:
        found = state_numbers(conn, reader.config.models, {})
    shown = overview_facts(reader, reader.ledger, Asked((), {}, False, "", NOW))["models"]["churn"]["quality"]
    assert found["driftd_quality", ("churn", "balanced_accuracy", "estimate")] == shown["value"]
    assert found["driftd_quality_reference", ("churn", "balanced_accuracy")] == shown["evaluated"]
