"""Judges a file against the champion without the service: what `driftd check` prints."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from daemon.config.config import Config
from daemon.cycles.checks import learned_files
from daemon.cycles.classes import known_classes, withheld_classes
from daemon.cycles.label_warnings import label_notes
from daemon.cycles.scoring import MOST_FILES
from daemon.ledger import Ledger, checks, error_streams, models, promotions
from daemon.reading.operations import TakeRequest, TakeResult
from daemon.tools.column_names import listed_columns
from daemon.tools.learned_from import learned_from
from retrain.operations import CheckRequest, CheckResult, StoredDeployment
from retrain.records.errors import Refused
from retrain.records.new_classes import odd_spellings
from retrain.records.schema import Schema, declared_schema
from retrain.records.settings import ModelSettings


def judge_file(
    config: Config,
    ledger: Ledger,
    model: str,
    file: Path,
    ignore: Sequence[str] = (),
    columns: Sequence[str] = (),
    min_effect: float | None = None,
) -> dict[str, Any]:
    """The drift report and labelled performance of a file, as plain JSON values; changes nothing. Columns to `ignore`
    are left out; where `columns` are named, they alone are compared, whatever their values. Refused where there is no
    champion or the file is beyond repair."""
    settings = config.models[model]
    with ledger.connect() as conn:
        champion = promotions.champion(conn, model)
        stored = models.load_schema(conn, model)
        stream = None if champion is None else error_streams.load(conn, model, champion.era)
        earlier = [] if champion is None else checks.scores(conn, model, champion.era, MOST_FILES)
    if champion is None:
        raise Refused(f"{model} has no champion to compare with", "`driftd status` says what it waits for")
    if not file.is_file():
        raise Refused(f"{file}: no such file")
    from daemon.reading.digest import file_digest
    from daemon.runtime.worker.operations import BY_NAME

    with TemporaryDirectory(prefix="driftd-check-") as work:
        schema = declared_schema(settings) or (None if stored is None else Schema.from_json(stored))
        paths = config.paths.model(model)
        with ledger.connect() as conn:
            known = known_classes(conn, model, settings, paths.versions)
        classes = tuple(odd_spellings(known.learned | known.approved).values())
        taken = _taken(
            TakeRequest(
                path=file,
                schema=schema,
                settings=settings,
                work=Path(work),
                classes=classes,
                config_dir=config.path.parent,
            )
        )
        only = listed_columns(columns, [column.name for column in taken.schema.columns])
        ignored = listed_columns(ignore, [column.name for column in taken.schema.columns])
        with ledger.connect() as conn:
            withheld = withheld_classes(conn, model, settings, paths.versions, taken.class_rows)
            known_files = learned_files(conn, model, paths.state, champion)
        result = BY_NAME["check"].answer(
            CheckRequest(
                snapshots=(taken.snapshot,),
                deployment=StoredDeployment.of(champion.deployment, champion.newest, paths.versions),
                settings=_judging(settings, ignored, only, min_effect),
                work=Path(work),
                files=known_files,
                judge=True,
                earlier=tuple(earlier),
                stream=stream,
                withheld=tuple(one.name for one in withheld),
                columns=only or None,
            )
        )
        assert isinstance(result, CheckResult)
        kept = str(paths.snapshot(taken.snapshot_digest).relative_to(paths.state))
        with ledger.connect() as conn:
            notes = label_notes(conn, model) if taken.labelled_rows else []
            learned = learned_from(conn, model, champion, file_digest(file), kept, paths.versions)
    report = result.report
    report["notes"] += notes
    if learned is not None:
        report["notes"].insert(0, learned["note"])
    report["left_out"] += [{"name": name, "reason": "--ignore names it"} for name in ignored]
    report["reference"]["path"] = champion.deployment.name
    report["current"]["path"] = str(file)
    return report | {
        "model": model,
        "learned_from": learned,
        "version": champion.deployment.name,
        "performance": result.performance,
        "estimated": result.estimated,
        "stream": result.stream,
        "rejected": taken.rejected,
        "quality": taken.quality,
        "seconds": result.seconds,
    }


def _taken(request: TakeRequest) -> TakeResult:
    """The file's rows; Refused, with the file's name, where it is beyond repair or has none."""
    from daemon.reading.take import take

    try:
        taken = take(request)
    except Refused as error:
        raise Refused(f"{request.path}: {error.message}", error.hint) from None
    if taken.kind != "rows":
        raise Refused(f"{request.path} holds labels only: there is nothing to compare")
    return taken


def _judging(
    settings: ModelSettings, ignore: Sequence[str], columns: Sequence[str], min_effect: float | None
) -> ModelSettings:
    """The settings with what the command line asks for."""
    drift = settings.drift
    changed = {
        "ignore": tuple(name for name in (*drift.ignore, *ignore) if name not in columns),
        "min_effect": drift.min_effect if min_effect is None else min_effect,
    }
    return settings.model_copy(update={"drift": drift.model_copy(update=changed)})
