"""Scores of what was answered: which files the analyst is to score, and what it found, committed and logged."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from daemon.ledger import checks, error_streams, prediction_log, promotions
from daemon.runtime.context import ModelContext
from retrain.operations import AnsweredFile, AssessResult
from retrain.records.deployment import Champion

MOST_FILES = 1_000
"""The newest files whose answers are scored."""
PERFORMANCE_FIELDS = ("metric", "value", "reference", "rows", "drop", "p_value", "earlier", "together")
STREAM_FIELDS = ("detector", "row", "since_row", "before", "after")


def to_score(conn: Connection, context: ModelContext, champion: Champion) -> dict[str, Any]:
    """What a request has of answers: the files, the era that is served, and the state of its detector."""
    if context.settings.task == "recommendation":
        return {}
    rows = checks.answered(conn, context.name, MOST_FILES)
    eras = promotions.eras(conn, context.name, {row.deployment for row in rows})
    logs = prediction_log.of_data_files(conn, context.name, [row.path for row in rows if row.source == "traffic"])
    unknown: tuple[str, list[str]] = "", []
    files = [
        _answered(context.folders.state, row, *eras.get(row.deployment, unknown), logs.get(row.path, ()))
        for row in rows
    ]
    stream = error_streams.load(conn, context.name, champion.era)
    return {"answered": tuple(files), "era": champion.era, "stream": stream}


def _answered(state: Path, row: Any, version: str, names: Sequence[str], logs: Sequence[str]) -> AnsweredFile:
    known = row.performance if row.performance is not None and "key" in row.performance else None
    return AnsweredFile(
        seq=row.seq, check=row.id, deployment=row.deployment, version=version, names=tuple(names) if logs else (),
        answers=None if row.predictions is None else state / row.predictions,
        logs=tuple(state / path for path in logs), performance=known,
    )  # fmt: skip


def record_scores(conn: Connection, model: str, result: AssessResult, era: int) -> None:
    """In the caller's transaction: each file's score takes the place of the one before."""
    for one in result.scored:
        checks.score(conn, model, one["check"], one["performance"], one["stream"])
    if result.stream is not None:
        error_streams.save(conn, model, era, result.stream)


def log_scores(context: ModelContext, result: AssessResult, answered: Sequence[AnsweredFile], era: int) -> None:
    """A drop of what is served once, where it begins; a rise of the errors in a file that is worse than before."""
    before = {file.check: file.performance or {} for file in answered}
    worse = [one for one in result.scored if one["performance"]["began"] or (one["stream"] or {}).get("dropped")]
    if not worse:
        return
    with context.shared.ledger.connect() as conn:
        paths = checks.files_of(conn, [one["check"] for one in worse])
    for one in worse:
        performance, stream, path = one["performance"], one["stream"] or {}, paths.get(one["check"])
        if performance["deployment"] != era or path is None:  # its check was let go while it was asked
            continue
        log = context.log.bind(file=path)
        fields = {key: performance.get(key) for key in PERFORMANCE_FIELDS}
        if performance["began"] and not before[one["check"]].get("began"):
            log.warning("performance_dropped", version=performance["version"], **fields)
        if stream.get("dropped"):
            told = {key: stream[key] for key in STREAM_FIELDS}
            log.warning("errors_rose", version=performance["version"], **told, metric=fields["metric"],
                        value=fields["value"], reference=fields["reference"])  # fmt: skip


def scores(result: AssessResult, answered: Sequence[AnsweredFile]) -> Mapping[int, float]:
    """By the number of a file, the metric of what was answered to it, where that is known."""
    known = {file.seq: file.performance or {} for file in answered}
    known |= {one["seq"]: one["performance"] for one in result.scored}
    return {seq: found["value"] for seq, found in known.items() if found.get("value") is not None}
