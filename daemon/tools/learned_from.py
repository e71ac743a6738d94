"""Whether the champion learned from a file: then neither its drift nor its performance is news."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from daemon.ledger import files
from retrain.records.deployment import Champion
from retrain.store.versions import read_json


def learned_from(
    conn: Connection, model: str, champion: Champion, sha256: str, snapshot: str, folder: Path
) -> dict[str, Any] | None:
    """What the champion's versions, below `folder`, know of a file of that content, or one of which the same rows were
    read (`snapshot` names these, below the state folder): as plain JSON values with a sentence; None where they do not
    know it."""
    row = files.by_content(conn, model, sha256) or files.by_snapshot(conn, model, snapshot)
    if row is None:
        return None
    names = list(dict.fromkeys([*champion.deployment.weights, champion.newest]))
    training = {name: read_json(folder / name / "training.json") for name in names}
    trained = [name for name, one in training.items() if row.sha256 in one.get("snapshots", ())]
    evaluated = [name for name, one in training.items() if row.sha256 in one.get("holdout_snapshots", ())]
    if not trained and not evaluated:
        return None
    found = {"file": row.path, "same": "content" if row.sha256 == sha256 else "rows", "versions": trained}
    return found | {"evaluated": evaluated, "note": _sentence(found, evaluated)}


def _sentence(found: dict[str, Any], evaluated: list[str]) -> str:
    same = "this is" if found["same"] == "content" else "these are the rows of"
    if not found["versions"]:
        return (
            f"{same} {found['file']}, on whose rows {' and '.join(evaluated)} was evaluated: the performance here "
            "and at its evaluation are in part of the same rows"
        )
    return (
        f"{same} {found['file']}, which {' and '.join(found['versions'])} learned from: the file is part of what it is "
        "compared with, so drift is hardly to be found, and the performance told is of rows that were learned, better "
        "than on new ones"
    )
