"""What MLflow should have of a model, read from the ledger: the same ledger gives the same value, so that a digest says
whether anything changed."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from daemon.config.config import Config
from daemon.config.paths import ModelPaths
from daemon.config.registries import MLFLOW
from daemon.ledger import cycles, events, outbox, promotions, trials, versions
from daemon.ledger.tables import files
from daemon.runtime.registries import Dataset, WantedModel, WantedVersion
from retrain.records.cycle import Stage

FORMAT = 1
"""Of what is written there: another one, and all of it is written anew."""
MOST_DATASETS = 50
"""So many of the files that a version learned from are named, the newest."""
NAMES = re.compile(r"[^A-Za-z0-9_.\- /]")
"""What MLflow takes in no name of a metric on every system."""
LABELS = {"challenger": "", "champion": " champion", "baseline": " baseline"}


def wanted_key(conn: Connection, config: Config, model: str) -> str | None:
    """By which the outbox knows what MLflow should have of a model: another one once anything of that, or its place, is
    another; None before the first version. It costs little however many versions there are."""
    known = versions.listed(conn, model)
    if config.mlflow is None or not known:
        return None
    place = config.mlflow.tracking_uri, config.mlflow.registered(model), config.mlflow.experiment_of(model)
    served, tried = promotions.champion(conn, model), trials.running(conn, model)
    told = [
        FORMAT, *place, [[row.name, row.digest, row.state] for row in known],
        None if served is None else served.promotion, None if tried is None else tried.version,
    ]  # fmt: skip
    return f"mlflow-{model}-{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]}"


def wanted_model(conn: Connection, paths: ModelPaths) -> WantedModel:
    """A model that has a version, as the ledger has it."""
    known = versions.listed(conn, paths.model)
    served, tried = promotions.champion(conn, paths.model), trials.running(conn, paths.model)
    names = {row.name for row in known}
    tags = {} if served is None else {
        "driftd.served": served.deployment.name,
        "driftd.members": json.dumps(served.deployment.weights, sort_keys=True),
    }  # fmt: skip
    return WantedModel(
        name=paths.model, origin=f"{known[0].name}@{known[0].created_at:.0f}",
        versions=tuple(_version(conn, row, paths) for row in known),
        champion=served.newest if served is not None and served.newest in names else None,
        challenger=tried.version if tried is not None and tried.version in names else None, tags=tags,
    )  # fmt: skip


def mirror_standing(conn: Connection, config: Config) -> dict[str, Any] | None:
    """How the mirror stands, as plain JSON values: the models that it is behind with, since when and why; when it was
    brought up to date last, and since when and why the server cannot be asked. None where none is configured. Times are
    Unix seconds."""
    if config.mlflow is None:
        return None
    keys = {name: key for name in config.models if (key := wanted_key(conn, config, name)) is not None}
    done, found = outbox.delivered(conn, MLFLOW, keys.values()), outbox.standing(conn, MLFLOW)
    told = events.newest(conn, ("mlflow_failed", "mlflow_mirrored", "mlflow_recovered"))
    is_failing = told is not None and told.event == "mlflow_failed"
    return {
        "tracking_uri": config.mlflow.tracking_uri,
        "behind": sorted(name for name, key in keys.items() if key not in done),
        "since": found["waiting_since"], "mirrored_at": found["delivered_at"],
        "failing": {"at": told.at, "reason": told.fields["reason"]} if is_failing and told is not None else None,
    }  # fmt: skip


def _version(conn: Connection, row: Row[Any], paths: ModelPaths) -> WantedVersion:
    cycle = None if row.cycle_id is None else cycles.get(conn, row.cycle_id)
    about = {
        "driftd.model": paths.model, "driftd.version": row.name, "driftd.digest": row.digest,
        "driftd.number": str(row.number), "driftd.state": row.state,
        "driftd.created_at": datetime.fromtimestamp(row.created_at, UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    if cycle is not None:
        about |= {"driftd.cycle": str(cycle.id), "driftd.trigger": str(cycle.trigger.kind)}
    return WantedVersion(
        name=row.name, digest=row.digest, number=row.number, created_at=row.created_at,
        folder=paths.version(row.name) if row.state == "stored" else None,
        metrics=numbers(row.metrics or {}, row.train_rows), tags=about,
        datasets=() if row.cycle_id is None else learned_from(conn, paths.model, row.cycle_id),
    )  # fmt: skip


def numbers(metrics: Mapping[str, Any], train_rows: int) -> dict[str, float]:
    """The numbers of an evaluation by names as MLflow takes them; those that are none, or no finite ones, are left out.

    >>> numbers({"metric": "accuracy", "challenger": {"value": 0.9, "se": None}, "rows": 40}, 100)
    {'accuracy': 0.9, 'rows': 40.0, 'train_rows': 100.0}
    """
    name, found = NAMES.sub("_", str(metrics.get("metric") or "metric")), dict[str, Any]()
    for kind, label in LABELS.items():
        scored = metrics.get(kind) or {}
        found |= {f"{name}{label}": scored.get("value"), f"{name}{label} se": scored.get("se")}
    found |= {key: metrics.get(key) for key in ("difference", "difference_se", "rows")} | {"train_rows": train_rows}
    return {key: float(value) for key, value in found.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def learned_from(conn: Connection, model: str, cycle_id: int) -> tuple[Dataset, ...]:
    """The newest files that a cycle trained on, the oldest first, as far as the ledger still has them."""
    digests = cycles.result_of(conn, cycle_id, Stage.PREPARE).get("snapshots") or []
    chosen = files.c.model == model, files.c.sha256.in_(digests[-MOST_DATASETS:]), files.c.seq.is_not(None)
    rows = conn.execute(select(files.c.path, files.c.sha256, files.c.source, files.c.rows).where(*chosen)
        .order_by(files.c.seq))  # fmt: skip
    return tuple(
        Dataset(row.path.encode("utf-8", "backslashreplace").decode(), row.sha256, row.source, row.rows) for row in rows
    )
