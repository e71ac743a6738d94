"""What labels say, in the ledger: evidence of files is replaced and never added, how far labels are in is kept, and what
was taken in is counted for the budget."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ledgers import new_ledger
from sqlalchemy import create_engine, event

from daemon.config.paths import LEDGER
from daemon.ledger import Ledger, assessments, files, labels, models, observe, retention, tables
from daemon.ledger.backends import sqlite
from daemon.ledger.migrate import upgrade
from daemon.reading.look import Look
from retrain.records.label_state import Arrival, LabelState
from retrain.records.planner_state import PlannerState, Regret

TAKEN = {
    "kind": "rows", "snapshot": "s", "rows": 100, "labelled_rows": 0, "class_rows": {}, "rejected": 0,
    "quarantine": None, "quality": {}, "first_time": None, "last_time": None, "rejects": [],
}  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path, ledger_url: str | None) -> Iterator[Ledger]:
    """A fresh ledger that knows model m."""
    opened = new_ledger(tmp_path, ledger_url)
    with opened.begin() as conn:
        models.ensure(conn, "m")
    yield opened
    opened.close()


def found(seq: int, loss: float = 0.5, key: str = "") -> dict[str, Any]:
    """The assessment of a file."""
    return {"seq": seq, "rows": 9, "newest": "v1", "metric": "accuracy", "score": loss, "loss": loss, "key": key}


def record(ledger: Ledger, *entries: dict[str, Any], keys: dict[int, str] | None = None, after: int = 0) -> None:
    with ledger.begin() as conn:
        result = {"assessments": list(entries), "skipped": [], "proposal": {}, "keys": keys}
        assessments.record(conn, "m", 1, result, 0.0, after)


def losses(ledger: Ledger, after: int = 0) -> list[tuple[int, float]]:
    with ledger.connect() as conn:
        return [(one.seq, one.loss) for one in assessments.newer_than(conn, "m", after)]


def test_other_labels_replace_the_evidence_of_a_file(ledger: Ledger) -> None:
    """What is found again takes the place of what was, what its key says still holds stays, and what no key names any
    more goes, as where files are pooled otherwise; in the order of files, whichever was found last."""
    record(ledger, found(4, key="a"), found(2, key="b"), found(6, key="c"), keys={2: "b", 4: "a", 6: "c"})
    record(ledger, found(2, 0.1, "d"), keys={2: "d", 4: "a"})
    assert losses(ledger) == [(2, 0.1), (4, 0.5)]
    with ledger.connect() as conn:
        assert assessments.found_after(conn, "m", 0) == {2: found(2, 0.1, "d"), 4: found(4, 0.5, "a")}
        assert list(assessments.found_after(conn, "m", 2)) == [4]


def test_the_same_labels_in_any_order_are_the_same_evidence(ledger: Ledger) -> None:
    """Whatever came first and however often it was asked for."""
    record(ledger, found(2, 0.7, "a"), keys={2: "a"})
    record(ledger, found(1, 0.2, "b"), found(2, 0.3, "c"), keys={1: "b", 2: "c"})
    record(ledger, found(1, 0.2, "b"), found(2, 0.3, "c"), keys={1: "b", 2: "c"})
    assert losses(ledger) == [(1, 0.2), (2, 0.3)]


def test_each_proposal_is_newer_than_the_one_before(ledger: Ledger) -> None:
    """Also where no evidence comes with it, or some went: the planner looks at a proposal once, by its number."""
    numbers = []
    for entries, keys in (((found(2, key="a"), found(3, key="b")), {2: "a", 3: "b"}), ((), {2: "a"}), ((), {})):
        record(ledger, *entries, keys=keys)
        with ledger.connect() as conn:
            numbers.append(assessments.proposal(conn, "m")[0])
    assert numbers == sorted(set(numbers))


def test_spent_evidence_stays_as_it_was(ledger: Ledger) -> None:
    """Of files that the last cycle knew nothing is removed, nor counted again."""
    record(ledger, found(1), found(2), keys={1: "", 2: ""})
    record(ledger, found(3), keys={3: ""}, after=2)
    assert losses(ledger) == [(1, 0.5), (2, 0.5), (3, 0.5)] and losses(ledger, after=2) == [(3, 0.5)]


def test_a_file_that_told_nothing_is_looked_at_again(ledger: Ledger) -> None:
    """What was skipped at too few labels makes room for an assessment once these are there."""
    with ledger.begin() as conn:
        assessments.record(conn, "m", 1, {"assessments": [], "skipped": [3], "proposal": {}}, 0.0)
    record(ledger, found(3, key="a"), keys={3: "a"})
    assert losses(ledger) == [(3, 0.5)]


def test_without_keys_assessments_are_added(ledger: Ledger) -> None:
    """Of a log of events each file is assessed once."""
    record(ledger, found(1))
    record(ledger, found(2))
    assert losses(ledger) == [(1, 0.5), (2, 0.5)]


def test_how_far_labels_are_in_is_kept(ledger: Ledger) -> None:
    """As the newest assessment found it."""
    state = LabelState(
        rows=9, settled=4, classes={"yes": 4}, arrivals={"yes": Arrival(4, 1.0, 2.0)}, trust={7: "waiting"}
    )
    with ledger.begin() as conn:
        assert labels.load(conn, "m") is None
        labels.save(conn, "m", state, 1, 0, 0.0)
        assert labels.load(conn, "m") == replace(state, from_seq=1)


def accept(ledger: Ledger, name: str, rows: int, kind: str = "rows") -> int:
    with ledger.begin() as conn:
        taken = TAKEN | {"rows": rows, "kind": kind}
        return int(files.record_accepted(conn, "m", name, Look(rows, 1, 1, 1), f"{name}{rows}", taken, 0.0).id)


def batches(ledger: Ledger) -> float:
    with ledger.connect() as conn:
        return observe.observe(conn, "m", 0, PlannerState()).batches


def test_the_budget_is_earned_by_data_and_not_by_files(ledger: Ledger) -> None:
    """A file of 200 to 1,000 rows is one batch, a shorter one its share, a long one three at most; labels are none."""
    for name, rows in (("a", 200), ("b", 1000), ("c", 50), ("d", 2500), ("e", 100_000)):
        accept(ledger, name, rows)
    accept(ledger, "labels", 500, "labels")
    assert batches(ledger) == 1 + 1 + 0.25 + 2.5 + 3


def test_data_that_was_taken_in_counts_once_and_for_good(ledger: Ledger) -> None:
    """A file that is written anew under its name, is held or forgotten, does not count; one that retention lets go of
    did."""
    for rows in (300, 400):
        accept(ledger, "again", rows)
    assert batches(ledger) == 1
    kept, held, forgotten = (accept(ledger, name, 300) for name in ("kept", "held", "forgotten"))
    with ledger.begin() as conn:
        files.hold(conn, "m", "held", "odd")
        files.forget(conn, "m", "forgotten")
        retention.expire(conn, [kept])
        retention.remove(conn, tables.files, [kept, held, forgotten])
    assert batches(ledger) == 2


@pytest.mark.file_ledger
def test_a_planner_of_before_goes_on_from_what_it_added_up(tmp_path: Path) -> None:
    """Nothing that it counted is counted again, and no budget is earned for data of before."""
    made = create_engine(f"sqlite:///{tmp_path / LEDGER}")
    event.listen(made, "connect", sqlite._prepare)
    upgrade(made, "0011")
    made.dispose()
    before = {"version": 2, "assessed": 8, "regret": {"sum": 0.25, "files": 3, "credit": 0.5}}
    before |= {"probation": {"version": "v2", "files": 1}}
    with closing(sqlite3.connect(tmp_path / LEDGER)) as raw:
        raw.execute("INSERT INTO models VALUES ('m', NULL, ?, '', 0, NULL, NULL)", (json.dumps(before),))
        for seq in (4, 6):
            raw.execute(
                "INSERT INTO assessments (model, kind, seq, deployment, found, at) VALUES ('m', 'file', ?, 1, ?, 0)",
                (seq, json.dumps(found(seq) | {"newest": "v1" if seq == 4 else "v2"})),
            )
            raw.execute(
                "INSERT INTO files (model, state, path, seq, size, mtime_ns, ctime_ns, inode, kind, source, rows, "
                "labelled_rows, rejected, class_rows, reason, at) VALUES "
                "('m', ?, 'a', ?, 1, 1, 1, 1, 'rows', 'folder', 100, 0, 0, '{}', '', 0)",
                ("accepted" if seq == 4 else "expired", seq),
            )
        raw.execute(
            "INSERT INTO assessments (model, kind, deployment, found, at) VALUES ('m', 'proposal', 1, ?, 0)",
            (json.dumps({"newest": "v1"}),),
        )
        raw.commit()
    ledger = new_ledger(tmp_path)
    with ledger.connect() as conn:
        state = models.load_planner(conn, "m")
        seen = observe.observe(conn, "m", 0, state)
        assert assessments.proposal_at(conn, "m", 6) == {"newest": "v1"}
        assert assessments.proposal_at(conn, "m", 5) is None
    ledger.close()
    assert state.base == state.regret == Regret(sum=0.25, files=3, credit=0.5)
    assert (state.version, state.base_seq, state.batches, seen.batches) == (3, 6, 1.0, 1.0)
    assert state.watch_seq == 5 and [one.seq for one in seen.assessments] == [6]


def test_the_newest_score_is_of_the_newest_file(ledger: Ledger) -> None:
    """Also where an older file was assessed again after it."""
    record(ledger, found(1, 0.1), found(2, 0.2), keys={1: "", 2: ""})
    record(ledger, found(1, 0.9), keys={1: "x", 2: ""})
    with ledger.begin() as conn:
        assert assessments.newest_scores(conn, "m")["v1"]["value"] == 0.2
