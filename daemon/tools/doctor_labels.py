"""What `driftd doctor` says of labels that come late."""

import time
from collections.abc import Iterator

from sqlalchemy import Connection

from daemon.config.config import Config
from daemon.cycles.classes import known_classes
from daemon.cycles.label_warnings import wait_words
from daemon.ledger import labels, prediction_log
from daemon.reports.labels import duration, labels_sentence
from retrain.records.settings import ModelSettings

FULL = 0.9
"""Of prediction_log.keep: from here on the oldest answers go."""
Told = tuple[str, str, str]
"""Level, what, and the way out."""


def labels_told(conn: Connection, config: Config, name: str) -> Iterator[Told]:
    """How far a model's labels are in, and what of its configuration keeps them from being used."""
    settings, state = config.models[name], labels.load(conn, name)
    section = f"[models.{name}.labels]"
    if settings.labels.maturity is not None and settings.id_column is None:
        what = f"{name}: labels that come after their rows find none without id_column; {section} is configured"
        yield "warning", what, f"set id_column in [models.{name}], or drop each file again with its labels"
    yield from _unknown_negative(conn, config, name)
    yield from _short_log(conn, settings, name)
    if state is None:
        return
    if state.selected and not settings.serving.explore:
        what = f"{name}: who gets a label depends on the answer: labels say nothing of what was answered otherwise"
        yield "warning", what, f"set explore = 0.01 in [models.{name}.serving] (docs/serving.md)"
    if state.wait:
        yield "warning", f"{name}: labels are not used yet: {wait_words(name, state)}", "docs/labels.md"
    elif sentence := labels_sentence(state, settings.labels):
        yield "ok", f"{name}: labels: {sentence}", ""


def _unknown_negative(conn: Connection, config: Config, name: str) -> Iterator[Told]:
    """A class that no label and no version ever had is likely misspelt."""
    settings = config.models[name]
    negative = settings.labels.negative
    if negative is None:
        return
    known = known_classes(conn, name, settings, config.paths.model(name).versions)
    classes = sorted({*(known.declared or ()), *known.learned})
    if classes and negative not in classes:
        named = ", ".join(f'"{one}"' for one in classes)
        yield "warning", f'{name}: labels.negative is "{negative}", no class of {named}', "correct it"


def _short_log(conn: Connection, settings: ModelSettings, name: str) -> Iterator[Told]:
    """Answered rows that go before their labels may be believed never teach."""
    maturity = settings.labels.maturity
    kept = prediction_log.total(conn, name)
    if maturity is None or maturity.seconds is None or kept["since"] is None:
        return
    age = time.time() - kept["since"]
    if kept["bytes"] > FULL * settings.prediction_log.keep and age < maturity.seconds:
        what = f"{name}: answered rows are kept for {duration(age)}, and their labels count from {maturity} on"
        yield "warning", what, "raise prediction_log.keep, or lower prediction_log.share"
