"""How what was answered did, by the labels that may be believed now: the performance of each file of the deployment
that answered it, and what that comes to beside the files before.

The score of a file is a function of its labels and of what was answered then: other labels, another score in its place,
and the verdicts of the files after it anew. Small files are scored together, and the newest of them has the score."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.metrics.metric import Metric, weighted
from retrain.model.blend import concatenate
from retrain.monitoring.answers import answers_to
from retrain.monitoring.drop import Evaluated
from retrain.monitoring.error_stream import row_errors, seen, watch_errors
from retrain.monitoring.performance import NO_VALUE, measured, with_verdict
from retrain.operations import AnsweredFile, Json
from retrain.records.predictions import Floats, Labels, Predictions
from retrain.records.settings import ModelSettings
from retrain.rows.history import History
from retrain.rows.pools import pools_of


@dataclass(frozen=True, eq=False)
class Scorer:
    """Rows and their labels, the model's metric, and what a version's evaluation says, by its name. A detector watches
    the errors of deployment `watched`, from the state `stream` on; `span` is the width of their range."""

    history: History
    metric: Metric
    settings: ModelSettings
    evaluated: Callable[[str], Evaluated | None]
    watched: int = 0
    stream: Mapping[str, Any] | None = None
    span: float | None = None


@dataclass(frozen=True, eq=False)
class Scored:
    """The checks whose performance is another than was known, as {"check", "seq", "performance", "stream"} (what the
    detector saw, None where it was not asked), and the detector's state after them."""

    checks: tuple[Json, ...]
    stream: Mapping[str, Any] | None


@dataclass(frozen=True, eq=False)
class _Rows:
    """Of a file's rows with these numbers (n,) the labels, what was answered, and how much each counts (None: all
    alike)."""

    y: Labels
    said: Predictions
    numbers: NDArray[np.int64]
    weights: Floats | None = None


def score_answers(scorer: Scorer, answered: Sequence[AnsweredFile]) -> Scored:
    """Score what was answered to files, oldest first, as far as their labels are other than those of known scores."""
    scored = Scored((), scorer.stream)
    for deployment in dict.fromkeys(file.deployment for file in answered):
        scored = _of_deployment(scorer, scored, [file for file in answered if file.deployment == deployment])
    return scored


def _of_deployment(scorer: Scorer, scored: Scored, files: Sequence[AnsweredFile]) -> Scored:
    """With the scores of the files that one deployment answered; nothing where none has other labels than before."""
    pools = _pools(scorer.history, files)
    inside = {file.seq for pool in pools for file in pool}
    emptied = [file for file in files if file.seq not in inside and _own_rows(file)]
    keys = {pool[-1].seq: _key(scorer, pool) for pool in pools}
    if not emptied and not any(_changed(pool, keys[pool[-1].seq]) for pool in pools):
        return scored
    notes = tuple(_note(file, _unsettled(file)) for file in emptied)
    scored = replace(scored, checks=(*scored.checks, *notes))
    earlier: list[Json] = []
    for pool in pools:
        rows = _scored_now(scorer.history, pool, keys[pool[-1].seq])
        performance = _performance(scorer, pool, keys[pool[-1].seq], rows, earlier)
        if performance is None:
            continue
        for file in pool:
            scored = _noted(scorer, scored, file, performance, rows.get(file.seq))
        if performance["metric"] == scorer.metric.name:
            earlier.append(performance)
    return scored


def _pools(history: History, files: Sequence[AnsweredFile]) -> list[list[AnsweredFile]]:
    """The files with labelled rows, small ones together; those that are looked back to no more as they were counted."""
    there, by_seq = set(history.seqs), {file.seq: file for file in files}
    rows = [
        (seq, history.labels_known(seq), history.rows(seq)) if seq in there else (seq, _own_rows(file), _own_rows(file))
        for seq, file in by_seq.items()
    ]
    return [[by_seq[seq] for seq in pool] for pool in pools_of(rows)]


def _own_rows(file: AnsweredFile) -> int:
    return 0 if file.performance is None else int(file.performance["own_rows"])


def _changed(pool: Sequence[AnsweredFile], key: str | None) -> bool:
    """Whether a pool's labels are not those of its known score."""
    known = pool[-1].performance
    return key is not None and (known is None or known["key"] != key)


def _scored_now(history: History, pool: Sequence[AnsweredFile], key: str | None) -> dict[int, _Rows]:
    """By file the rows that are to be scored; none where the known score holds, or nothing is there to score."""
    if not _changed(pool, key):
        return {}
    return {file.seq: rows for file in pool if (rows := _rows(history, file)) is not None}


def _performance(
    scorer: Scorer, pool: Sequence[AnsweredFile], key: str | None, rows: Mapping[int, _Rows], earlier: Sequence[Json]
) -> Json | None:
    """What a pool comes to beside the files before it: of the rows that are scored now, else as it is known."""
    newest, found = pool[-1], pool[-1].performance
    if rows:
        found = _measured(scorer, rows) | {"key": key, "files": [file.seq for file in pool], "settled": True}
    if found is None:
        return None
    evaluated = scorer.evaluated(newest.version)
    judged = with_verdict(found, earlier, evaluated, scorer.metric.greater_is_better, scorer.settings)
    began = judged["dropped"] and not (earlier and earlier[-1]["dropped"])
    return judged | {"began": began, "deployment": newest.deployment, "version": newest.version}


def _key(scorer: Scorer, pool: Sequence[AnsweredFile]) -> str | None:
    """Of which labels, answers and metric; None where some are there no more."""
    there = set(scorer.history.seqs)
    if not all(file.seq in there and (file.answers or file.logs) for file in pool):
        return None
    answers = [str(path.name) for file in pool for path in (file.answers, *file.logs) if path is not None]
    parts = scorer.metric.name, scorer.history.labels_key([file.seq for file in pool]), *answers
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:24]


def _rows(history: History, file: AnsweredFile) -> _Rows | None:
    """The rows that have a label that may be believed and were answered; None without any."""
    batch = history.batch(file.seq).labelled()
    numbers = batch.table.column("__row").to_numpy()
    found = answers_to(file, batch.table, history.schema.id_column) if len(numbers) else None
    if found is None:
        return None
    said, known = found
    weights = None if batch.weights is None else batch.weights[known]
    return _Rows(batch.labels(history.schema)[known], said, numbers[known], weights)


def _measured(scorer: Scorer, rows: Mapping[int, _Rows]) -> Json:
    parts = list(rows.values())
    y, said = np.concatenate([part.y for part in parts]), concatenate(alike([part.said for part in parts]))
    metric = scorer.metric
    if any(part.weights is not None for part in parts):
        ones = [np.ones(len(part.y)) if part.weights is None else part.weights for part in parts]
        metric = weighted(metric, np.concatenate(ones))
    return measured(metric, y, said, scorer.settings.estimator.seed)


def _noted(scorer: Scorer, scored: Scored, file: AnsweredFile, performance: Json, rows: _Rows | None) -> Scored:
    """With what changed in a file's check; a detector sees the errors of a file once."""
    own = _own_rows(file) if rows is None else len(rows.y)
    newest = performance["files"][-1] == file.seq
    entry = performance | {"own_rows": own} if newest else _counted_with(performance, own)
    told, state = None, scored.stream
    if rows is not None and file.performance is None and file.deployment == scorer.watched:
        watch = watch_errors(row_errors(rows.y, rows.said), rows.numbers, state, scorer.span, scorer.settings)
        if watch is not None:
            told, state = seen(watch, performance), watch.state
    if entry == file.performance and told is None:
        return scored
    return Scored((*scored.checks, _note(file, entry, told)), state)


def _note(file: AnsweredFile, performance: Json, stream: Json | None = None) -> Json:
    return {"check": file.check, "seq": file.seq, "performance": performance, "stream": stream}


def _counted_with(performance: Json, own: int) -> Json:
    """Of a small file that another one's score includes."""
    kept = ("metric", "key", "files", "settled", "deployment", "version")
    reason = f"its labelled rows are few: they count with those of later files, up to number {performance['files'][-1]}"
    mine = {name: performance[name] for name in kept}
    return {**mine, **NO_VALUE, "rows": own, "own_rows": own, "reason": reason}


def _unsettled(file: AnsweredFile) -> Json:
    """Of a file that was scored and none of whose labels is believed any more."""
    assert file.performance is not None
    reason = "its labels are not believed any more: `driftd status` says what they wait for"
    nothing = {"key": "", "settled": False, "rows": 0, "own_rows": 0, "reason": reason}
    return {**file.performance, **NO_VALUE, **nothing}


def alike(pieces: Sequence[Predictions]) -> list[Predictions]:
    """Predictions that may be one: with the classes of all, 0 for those that one did not know."""
    names = tuple(dict.fromkeys(name for piece in pieces for name in piece.classes or ()))
    if all(piece.classes in (None, names) for piece in pieces):
        return list(pieces)
    return [_with_classes(piece, names) for piece in pieces]


def _with_classes(piece: Predictions, names: tuple[str, ...]) -> Predictions:
    if piece.probabilities is None:
        return Predictions(piece.values, None, names)
    known = dict(zip(piece.classes or (), piece.probabilities.T, strict=True))
    nothing = np.zeros(len(piece))
    return Predictions(piece.values, np.column_stack([known.get(name, nothing) for name in names]), names)
