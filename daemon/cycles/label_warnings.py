"""What is told of how labels come: once, that they may not be believed, or may again; with each check of a file, what
is waited for."""

from typing import Any

from sqlalchemy import Connection

from daemon.ledger import labels as label_queries
from retrain.records.label_state import LabelState


def tell_of_labels(log: Any, model: str, before: LabelState | None, labels: LabelState) -> None:
    """Log what changed since the labels were assessed before; what a file's labels still lack is no trouble."""
    was, trouble = _trouble(before), _trouble(labels)
    if trouble is not None and trouble != was:
        log.warning(
            "labels_doubted", reason=wait_words(model, labels), one_class=labels.one_class,
            rows=labels.rows, labelled=labels.labelled, settled=labels.settled,
        )  # fmt: skip
    elif trouble is None and was is not None:
        log.info("labels_believed", rows=labels.rows, labelled=labels.labelled, settled=labels.settled)
    if labels.selected and not (before is not None and before.selected):
        log.warning("labels_selected", rows=labels.rows, labelled=labels.labelled, settled=labels.settled)


def wait_words(model: str, labels: LabelState | None) -> str:
    """What is waited for, with the model's own name in the way out; "" for nothing."""
    return "" if labels is None else labels.wait.replace("models.M.", f"models.{model}.")


def label_notes(conn: Connection, model: str) -> list[str]:
    """Sentences for a report on a file: its labels may tell less than it seems."""
    wait = wait_words(model, label_queries.load(conn, model))
    return [f"labels are not used yet: {wait}"] if wait else []


def _trouble(labels: LabelState | None) -> tuple[str | None, bool] | None:
    """That all are of one class, or come class by class."""
    if labels is None or not labels.wait or not (labels.one_class or labels.by_class):
        return None
    return labels.one_class, labels.by_class
