"""Which deployment scores, by the ledger: as the model's servers choose."""

from collections.abc import Sequence

from sqlalchemy import Connection

from daemon.config.config import Config
from daemon.config.mistakes import meant
from daemon.cycles.elsewhere import refuse_elsewhere
from daemon.ledger import deployments, models, promotions, versions
from daemon.scoring.loaded import load_from
from daemon.server.served import ServedDeployment
from retrain.records.deployment import Deployment
from retrain.records.errors import Refused, WrongUse
from retrain.records.schema import Schema, declared_schema
from retrain.records.settings import ModelSettings

SHOWN = 12


def deployment_of(conn: Connection, model: str, version: str = "") -> tuple[Deployment, int]:
    """The deployment that answers would call `version`: the champion, with its recalibration, where that is called so;
    without `version` the champion; and the promotion that made it that (0 of another). Refused where there is no
    champion yet, WrongUse where there is no such version."""
    champion = promotions.champion(conn, model)
    if version:
        named = named_deployment(conn, model, version)
        if champion is None or champion.deployment.name != named.name:
            return named, 0
    if champion is None:
        raise Refused(f"{model} has no promoted version yet", "`driftd status` says what it waits for")
    return champion.deployment, champion.promotion


def named_deployment(conn: Connection, model: str, version: str) -> Deployment:
    """What answers would call `version`, or begins with it as "v0003" does: a stored version, with the decision that
    was recorded with it, or a blend that was served once; WrongUse where there is none."""
    stored = [row.name for row in versions.stored(conn, model)]
    if (found := deployments.NAMED.fullmatch(version)) is not None:
        blend = deployments.numbered(conn, model, int(found[1]))
        if blend is not None and blend.name == version and {m.version for m in blend.members} <= set(stored):
            return blend
    matching = [name for name in stored if name == version or name.startswith(f"{version}-")]
    if len(matching) != 1:
        raise WrongUse(f"no stored version {version!r} of {model}{_close(version, stored)}")
    row = versions.named(conn, model, matching[0])
    decision = (row.metrics or {}).get("decision") if row is not None else None
    return Deployment.of(0, model, {matching[0]: 1.0}, decision)


def schema_now(conn: Connection, model: str, settings: ModelSettings) -> Schema | None:
    """By which the model's data files are read today; None before the first one."""
    stored = models.load_schema(conn, model)
    return declared_schema(settings) or (None if stored is None else Schema.from_json(stored))


def load(config: Config, model: str, deployment: Deployment, promotion: int = 0) -> ServedDeployment:
    """The deployment as a server has it, proven on its probe rows. What a server accelerates by treelite are a few rows
    at a time, where that gives the same bits: of many it asks what is loaded here, too."""
    return load_from(config.paths.model(model).versions, deployment, config.models[model], promotion)


def refuse_unanswering(model: str, settings: ModelSettings) -> None:
    """WrongUse for a model that answers with lists, or that another system serves."""
    refuse_elsewhere(model, settings, "driftd answers no rows, ask that one")
    if settings.task == "recommendation":
        raise WrongUse(f"{model} recommends: it has no answer to a row; POST /models/{model}/recommend")


def _close(version: str, stored: Sequence[str]) -> str:
    return meant(version, stored[-SHOWN:]) or "; it has none yet: `driftd status` says what it waits for"
