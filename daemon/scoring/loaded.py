"""The deployment that scores, loaded, and how rows are read for it: without the ledger, which no worker knows."""

from dataclasses import replace
from pathlib import Path

from daemon.scoring.answers import How
from daemon.server.served import ServedDeployment, load_served
from retrain.records.deployment import Deployment
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings


def load_from(folder: Path, deployment: Deployment, settings: ModelSettings, promotion: int = 0) -> ServedDeployment:
    """The deployment as a server has it, of a model's folder of versions."""
    return load_served(deployment, promotion, folder, settings.estimator.trusted_types, accelerate=False)


def how_to_read(served: ServedDeployment, now: Schema | None, settings: ModelSettings, prefix: str) -> How:
    """By the schema of the version that answers; how files write values is as today's data files do."""
    schema = served.schema
    if now is not None:
        plain = {column.name: column.plain for column in now.columns}
        columns = tuple(replace(one, plain=plain.get(one.name, one.plain)) for one in schema.columns)
        schema = replace(schema, columns=columns, formats=now.formats)
    serving = settings.serving
    return How(schema, serving.contract == "strict", serving.explore, prefix)
