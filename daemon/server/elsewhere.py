"""Labels of a model that another system serves: what a server has to know of its rows."""

from daemon.config.paths import StatePaths
from daemon.runtime.promoted import described
from daemon.server.refusal import BadRequest
from retrain.records.schema import Schema
from retrain.store.versions import version_schema


def schema_elsewhere(paths: StatePaths, model: str) -> Schema:
    """Of the reference, as control described it; BadRequest before there is one."""
    try:
        champion = described(paths, model)
    except OSError as error:
        raise BadRequest(f"the reference of {model} cannot be read: {error}", 503, {"retry-after": "10"}) from None
    schema = None if champion is None else version_schema(paths.model(model).version(champion.newest))
    if schema is None:
        raise BadRequest(
            f"{model} has no reference yet; `driftd status` says what it waits for", 503, {"retry-after": "10"}
        )
    return schema
