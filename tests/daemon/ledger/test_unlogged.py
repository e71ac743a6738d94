"""What a kill kept from the log is found by what was committed, and nothing else is."""

import pytest
from sqlalchemy import insert

from daemon.ledger import events, open_ledger
from daemon.ledger.tables import cycles, deployments, episodes, files, group_episodes, promotions
from daemon.ledger.unlogged import unlogged

NOW = 1_000_000.0
FILE = {"model": "m", "size": 1, "mtime_ns": 1, "ctime_ns": 1, "inode": 1, "reason": "why", "at": NOW}
CYCLE = {"model": "m", "stage": "promote", "trigger": {}, "attempt": 0, "number": 1, "up_to_seq": 1, "opened_at": NOW}
PROMOTION = {"model": "m", "deployment_id": 1, "newest": "v1", "at": NOW + 1}
DEPLOYMENT = {"model": "m", "digest": "d", "number": 1, "members": [], "created_at": NOW}
ROWS = [
    (deployments, DEPLOYMENT),
    (files, FILE | {"path": "a\udcff.csv", "state": "refused"}),
    (files, FILE | {"path": "b.csv", "state": "held"}),
    (files, FILE | {"path": "c.csv", "state": "held", "reason": "by hand"}),
    (files, FILE | {"path": "d.csv", "state": "accepted"}),
    (files, FILE | {"path": "old.csv", "state": "refused", "at": NOW - 9_000}),
    (cycles, CYCLE | {"state": "awaiting_approval", "id": 1}),
    (cycles, CYCLE | {"state": "kept", "id": 2, "model": "n", "finished_at": NOW}),
    (cycles, CYCLE | {"state": "kept", "id": 3, "model": "o", "finished_at": NOW, "version": "v2"}),
    (episodes, {"id": 1, "model": "m", "opened_at": NOW - 9_000, "closed_at": NOW + 1, "columns": []}),
    (episodes, {"id": 2, "model": "n", "opened_at": NOW, "closed_at": NOW + 1, "columns": []}),
    (group_episodes, {"id": 1, "model": "n", "kind": "degraded", "opened_at": NOW, "closed_at": NOW + 1, "found": []}),
    (group_episodes, {"id": 2, "model": "n", "kind": "exceeded", "opened_at": NOW, "found": []}),
    (promotions, PROMOTION | {"kind": "promote", "reason": "better"}),
    (promotions, PROMOTION | {"kind": "rollback", "reason": "worse"}),
    (promotions, PROMOTION | {"kind": "reweigh", "reason": "weights"}),
]
MISSING = {
    ("file_refused", "m"), ("file_held", "m"), ("approval_needed", "m"), ("cycle_finished", "n"),
    ("drift_detected", "n"), ("drift_cleared", "n"), ("version_promoted", "m"), ("version_rolled_back", "m"),
    ("cycle_finished", "o"), ("challenger_better", "o"), ("slice_degraded", "n"), ("slice_recovered", "n"), ("disparity_exceeded", "n"),
}  # fmt: skip


@pytest.fixture
def ledger(tmp_path, ledger_url):
    """One in which something of each kind was committed."""
    opened = open_ledger(tmp_path, url=ledger_url)
    with opened.begin() as conn:
        for table, values in ROWS:
            conn.execute(insert(table).values(**values))
    yield opened
    opened.close()


def log(ledger, event: str, model: str | None = None, **fields: object) -> None:
    """An event as it is written."""
    row = {"at": NOW + 2, "event": event, "level": "info", "model": model, "fields": fields}
    with ledger.begin() as conn:
        events.append(conn, [row])


def missing(ledger) -> set[tuple[str, str]]:
    """The events that are not there, with their models."""
    with ledger.connect() as conn:
        return {(one.event, one.model) for one in unlogged(conn)}


def test_what_has_no_event_is_found(ledger):
    """Of files that were held by hand, or long ago, and of drift that a promotion ended there is none to be."""
    assert missing(ledger) == set()  # a ledger without events: of a version that wrote none
    log(ledger, "service_started")
    assert missing(ledger) == MISSING


def test_what_was_logged_is_not_found(ledger):
    """By the file, the episode, the cycle, or the reason of a promotion."""
    log(ledger, "file_refused", "m", file="a\\udcff.csv")
    log(ledger, "file_held", "m", file="b.csv")
    log(ledger, "approval_needed", "m", cycle_id=1)
    log(ledger, "cycle_finished", "n", cycle_id=2)
    log(ledger, "cycle_finished", "o", cycle_id=3)
    log(ledger, "challenger_better", "o", cycle_id=3)
    log(ledger, "drift_detected", "n", episode=2)
    log(ledger, "drift_cleared", "n", episode=2)
    log(ledger, "slice_degraded", "n", episode=1)
    log(ledger, "slice_recovered", "n", episode=1)
    log(ledger, "disparity_exceeded", "n", episode=2)
    log(ledger, "version_promoted", "m", reason="better")
    assert missing(ledger) == {("version_rolled_back", "m")}
    log(ledger, "version_rolled_back", "m", reason="worse")
    assert missing(ledger) == set()
