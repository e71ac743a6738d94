"""Told at the start, not by the first check that needs it: a metric of the user's that cannot be used."""

from daemon.ledger import promotions
from daemon.runtime.context import ModelContext
from daemon.runtime.worker.process import WorkerError
from retrain.operations import MetricRequest
from retrain.records.errors import Refused
from retrain.store.versions import read_json
from retrain.user_code import absolute_name, is_own


async def tell_unusable(context: ModelContext) -> None:
    """Log `metric_refused` for each metric of the user's, configured or of what is served, that cannot be used."""
    for name in _own_metrics(context):
        try:
            await context.shared.analyst.call(MetricRequest(name=name, task=context.settings.task))
        except WorkerError as error:
            if error.kind == "refused":
                context.log.error("metric_refused", metric=name, reason=error.message)


def _own_metrics(context: ModelContext) -> dict[str, None]:
    """Their names, each once."""
    with context.shared.ledger.connect() as conn:
        champion = promotions.champion(conn, context.name)
    names = [absolute_name(context.settings.metric, context.shared.config.path.parent)]
    for version in () if champion is None else dict.fromkeys((champion.newest, *champion.deployment.weights)):
        try:
            names.append(read_json(context.folders.version(version) / "training.json")["metric"]["name"])
        except (Refused, KeyError, TypeError):
            continue  # it cannot be read: `champion_unloadable` tells
    return dict.fromkeys(name for name in names if is_own(name))
