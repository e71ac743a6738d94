"""The operations that a worker can be asked for: name → plain function of JSON arguments to a JSON result.

Each is imported when first asked for, so that a worker costs only what it uses.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

Op = Callable[[dict[str, Any]], dict[str, Any]]

STAGES = ("prepare", "train", "evaluate", "promote")
TARGETS = {
    "take": "daemon.reading.take:take",
    "convert_log": "daemon.reading.answered_rows:convert",
    "take_traffic": "daemon.reading.answered_rows:traffic",
    "check": "retrain.monitoring.check:check",
    "assess": "retrain.monitoring.assessment:assess",
    "suspect": "retrain.monitoring.suspicion:suspect",
    **{stage: f"retrain.stages.{stage}:{stage}" for stage in STAGES},
}
ANALYST_IMPORTS = (
    "duckdb",
    "pyarrow.parquet",
    "daemon.reading.take",
    "retrain.monitoring.check",
    "retrain.monitoring.assessment",
    "retrain.store.versions",
    "retrain.monitoring.suspicion",
)


def resolve(name: str) -> Op:
    """The function behind an operation's name; KeyError if there is none."""
    if name in LOCAL:
        return LOCAL[name]
    module, _, function = TARGETS[name].partition(":")
    op: Op = getattr(import_module(module), function)
    return op


def warm(args: dict[str, Any]) -> dict[str, Any]:
    """Import what the analyst needs before the first file asks for it."""
    for module in args.get("modules", ANALYST_IMPORTS):
        import_module(module)
    return {}


def digest(args: dict[str, Any]) -> dict[str, Any]:
    """SHA-256 of a file's bytes."""
    from daemon.reading.digest import file_digest

    return {"sha256": file_digest(args["path"])}


def prove(args: dict[str, Any]) -> dict[str, Any]:
    """Load a stored version and let it answer its probe rows, exactly as the server will."""
    from pathlib import Path

    from retrain.stages.promote import prove_version

    prove_version(Path(args["path"]), tuple(args.get("trusted_types", ())))
    return {}


LOCAL: dict[str, Op] = {"warm": warm, "digest": digest, "prove": prove}
