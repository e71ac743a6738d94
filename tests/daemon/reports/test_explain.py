"""`driftd explain` tells which labels opened a cycle."""

from pathlib import Path

from daemon.ledger import assessments, cycles, files, models, open_ledger
from daemon.reading.look import Look
from daemon.reports import explain
from retrain.records.trigger import Trigger


def test_a_cycle_opened_by_regret_names_the_files_and_what_they_cost(tmp_path: Path) -> None:
    """Each file's score, what a fresh model would have saved, and how they added up to more than the price."""
    ledger = open_ledger(tmp_path)
    with ledger.begin() as conn:
        models.ensure(conn, "m")
        for seq in (1, 2, 3):
            taken = {
                "kind": "rows", "snapshot": "s", "snapshot_digest": "d", "rows": 400, "labelled_rows": 400,
                "class_rows": {}, "rejected": 0, "quarantine": None, "quality": {}, "first_time": None,
                "last_time": None, "rejects": [],
            }  # fmt: skip
            files.record_accepted(conn, "m", f"{seq}.csv", Look(seq, seq, seq, seq), f"sha{seq}", taken, 0.0)
            moments = {"all": [0.05, 0.01, 400]}
            found = {
                "seq": seq, "rows": 400, "metric": "accuracy", "score": 0.7, "loss": 0.3, "newest": "v1", "rival": None,
                "twins": {"all": 0.25}, "pairs": {}, "gains": moments, "fresh": {},
            }  # fmt: skip
            result = {"assessments": [found], "skipped": [], "proposal": {}}
            assessments.record(conn, "m", 1, result, 0.0)
        evidence = {
            "regret": 0.2, "price": 0.1, "since": 2, "credit": 0.6, "loss": 0.3, "penalty": 2.0, "handicap": -0.04,
            "drifting": False, "twin": "all", "window": {"kind": "decay"},
        }  # fmt: skip
        cycle = cycles.open_cycle(conn, "m", Trigger("regret", "a fresh model would have saved", evidence), 2, 3, 0.0)
        facts = explain.describe(conn, cycle.id)
    ledger.close()
    assert [one["file"] for one in facts["labels"]] == ["2.csv", "3.csv"]
    story = explain.story(facts)
    assert "3.csv: accuracy 0.7000 on 400 rows; its twin would have cost -0.0500 ± 0.0100" in story
    assert "0.2000; the price was 0.1000, with +0.6 retrains of budget left, 2 times" in story
