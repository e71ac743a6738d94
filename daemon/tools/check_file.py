"""Judges a file against the champion without the service: what `driftd check` prints."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from daemon.config.config import Config
from daemon.cycles.classes import withheld_classes
from daemon.ledger import Ledger, error_streams, models, promotions
from daemon.reading.operations import TakeRequest
from retrain.operations import CheckRequest, StoredDeployment
from retrain.records.errors import Refused
from retrain.records.schema import Schema, declared_schema


def judge_file(config: Config, ledger: Ledger, model: str, file: Path) -> dict[str, Any]:
    """The drift report and labelled performance of a file, as plain JSON values; changes nothing. Refused
    where there is no champion or the file is beyond repair."""
    settings = config.models[model]
    with ledger.connect() as conn:
        champion = promotions.champion(conn, model)
        stored = models.load_schema(conn, model)
        stream = None if champion is None else error_streams.load(conn, model, champion.era)
    if champion is None:
        raise Refused(f"{model} has no champion to compare with", "`driftd status` says what it waits for")
    if not file.is_file():
        raise Refused(f"{file}: no such file")
    from daemon.reading.take import take
    from retrain.monitoring.check import check

    with TemporaryDirectory(prefix="driftd-check-") as work:
        schema = declared_schema(settings) or (None if stored is None else Schema.from_json(stored))
        try:
            taken = take(TakeRequest(path=file, schema=schema, settings=settings, work=Path(work)))
        except Refused as error:
            raise Refused(f"{file}: {error.message}", error.hint) from None
        if taken.kind != "rows":
            raise Refused(f"{file} holds labels only: there is nothing to compare")
        folder = config.paths.model(model).versions
        with ledger.connect() as conn:
            withheld = withheld_classes(conn, model, settings, folder, taken.class_rows)
        result = check(
            CheckRequest(
                snapshots=(taken.snapshot,),
                deployment=StoredDeployment.of(champion.deployment, champion.newest, folder),
                settings=settings,
                work=Path(work),
                stream=stream,
                withheld=tuple(one.name for one in withheld),
            )
        )
    report = result.report
    report["reference"]["path"] = champion.deployment.name
    report["current"]["path"] = str(file)
    return report | {
        "model": model,
        "version": champion.deployment.name,
        "performance": result.performance,
        "estimated": result.estimated,
        "stream": result.stream,
        "rejected": taken.rejected,
        "quality": taken.quality,
        "seconds": result.seconds,
    }
