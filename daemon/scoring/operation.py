"""A dropped file scored in a worker process: within limits, into files that have no lasting name yet."""

import os
from dataclasses import asdict
from typing import Any

from daemon.reading.digest import file_digest, refuse_leading_out
from daemon.reading.formats import kind_of
from daemon.reading.look import Problem, look
from daemon.reading.measure import refuse_costly
from daemon.reading.operations import ScoreRequest, ScoreResult
from daemon.scoring.loaded import how_to_read, load_from
from daemon.scoring.logged import LoggedSample
from daemon.scoring.score import Scorer, See
from daemon.server.kept import key_of
from daemon.server.served import ServedDeployment
from retrain import durable
from retrain.records.errors import Refused, Retry

_loaded: dict[Any, ServedDeployment] = {}
"""The deployment that scored last: the next file is mostly its, too."""


def score(request: ScoreRequest) -> ScoreResult:
    """The operation. Refused where the file is beyond repair; Retry where what answers cannot be loaded, or where the
    file changed or vanished meanwhile."""
    _require_unchanged(request)
    try:
        result = _scored(request)
    except Refused:
        _require_unchanged(request)
        raise
    return result


def _require_unchanged(request: ScoreRequest) -> None:
    """Retry where the file is another one than was looked at, and hashed."""
    found = look(request.path, request.root)
    if found != request.seen and not (isinstance(found, Problem) and not found.vanished):
        raise Retry("it vanished" if isinstance(found, Problem) else "it changed meanwhile")


def _scored(request: ScoreRequest) -> ScoreResult:
    settings = request.settings
    refuse_leading_out(request.path, request.root)
    refuse_costly(request.path, kind_of(request.path), settings)
    durable.make_folder(request.work, "intake.work")
    served = _served(request)
    how = how_to_read(served, request.schema, settings, settings.scoring.prefix or "")
    share = 0.0 if request.is_logged else settings.prediction_log.share
    sample = LoggedSample(served.schema, served.name, share, request.now, request.forgotten)

    def begin() -> See:
        sample.forget()
        return sample.add

    scorer = Scorer(served, how, settings.intake, request.work, begin, settings.limits.max_cells)
    with request.out.open("w+b") as out, request.rejected.open("w+b") as rejected:
        scored = scorer.score(request.path, request.name, out, rejected)
        _require_unchanged(request)
        for file in (out, rejected):
            file.flush()
            durable.crash_point("score.answers.before_fsync")
            os.fsync(file.fileno())
    return ScoreResult(
        rows=scored.rows,
        rejected=scored.rejected,
        first=[asdict(reject) for reject in scored.first],
        answers=scored.answers,
        sha256=file_digest(request.out),
        logged=sample.write(request.work),
    )


def _served(request: ScoreRequest) -> ServedDeployment:
    try:
        key = key_of(request.deployment, request.versions)
        if key not in _loaded:
            served = load_from(request.versions, request.deployment, request.settings)
            _loaded.clear()
            _loaded[key] = served
        return _loaded[key]
    except (Refused, OSError) as error:
        raise Retry(f"{request.deployment.name} cannot be loaded: {error}") from None
