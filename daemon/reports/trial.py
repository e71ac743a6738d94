"""A trial for the command line."""

from typing import Any

from sqlalchemy import Connection

from daemon.ledger import trials
from retrain.planning.trial import labelled_evidence, summary
from retrain.records.trial import Trial


def trial_json(conn: Connection, model: str, task: str, trial: Trial | None) -> dict[str, Any] | None:
    """As plain JSON values; None for none."""
    if trial is None:
        return None
    evidence = labelled_evidence(trial.version, trials.differences(conn, model, trial.version))
    counts = trial.counts
    return {
        "version": trial.version, "cycle": trial.cycle, "strategy": trial.strategy, "share": trial.share,
        "since": trial.since, "until": trial.until, "latest": trial.latest, "outcome": trial.outcome or None,
        "reason": trial.reason, "finished_at": trial.finished_at, "rows": counts.rows, "failures": counts.failures,
        "compared": counts.compared, "differed": counts.differed, "skipped": counts.skipped,
        "labelled_rows": evidence.rows, "told": summary(trial, evidence, task),
    }  # fmt: skip


def terms(trial: dict[str, Any]) -> str:
    """What is done with the challenger, in words.

    >>> terms({"strategy": "canary", "share": 0.1})
    'answers 10 % of the requests'
    """
    done = "answers" if trial["strategy"] == "canary" else "shadows"
    return f"{done} {100 * trial['share']:.3g} % of the requests"
