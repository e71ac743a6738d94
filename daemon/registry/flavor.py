"""What stands beside a version's files in MLflow: how `mlflow.pyfunc` loads them, and its parameters."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from platform import python_version
from typing import Any

from retrain.store.versions import REQUIRED_OF, read_json

ABOUT, REQUIREMENTS, FILES = "MLmodel", "requirements.txt", "version"
LOADER = "retrain.store.pyfunc"
LONGEST = 500
"""Characters of a parameter's value that every release of MLflow takes."""


def texts(folder: Path, name: str, run_id: str, created_at: float) -> dict[str, str]:
    """What is written beside the files of a version, by name; the last one makes a model of them."""
    manifest = read_json(folder / "manifest.json")
    packages = [f"driftd=={installed('driftd')}", *(f"{one}=={is_}" for one, is_ in manifest["environment"].items())]
    answers = manifest.get("task") not in REQUIRED_OF
    return {REQUIREMENTS: "\n".join(packages) + "\n", ABOUT: about(manifest, name, run_id, created_at, answers)}


def about(manifest: Mapping[str, Any], name: str, run_id: str, created_at: float, answers: bool) -> str:
    """The file MLmodel: JSON, which is YAML. What does not answer rows by itself (a recommendation, or what another
    system predicted) has no flavor that can be loaded."""
    flavors: dict[str, Any] = {"driftd": {"data": FILES, "version": name, "digest": manifest["digest"]}}
    if answers:
        flavors["python_function"] = {
            "loader_module": LOADER, "data": FILES, "python_version": python_version(), "env": {},
        }  # fmt: skip
    moment = datetime.fromtimestamp(created_at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    told = {"artifact_path": "model", "flavors": flavors, "run_id": run_id, "utc_time_created": moment}
    return json.dumps(told, indent=1, sort_keys=True) + "\n"


def parameters(folder: Path) -> dict[str, str]:
    """How a version was trained, as texts; nothing of one that was not trained here."""
    if not (folder / "training.json").exists():
        return {}
    training = read_json(folder / "training.json")
    told = {name: training.get(name) for name in ("estimator", "window", "seed", "rows")}
    told |= {f"estimator.{name}": value for name, value in (training.get("params") or {}).items()}
    return {name: _text(value) for name, value in told.items() if value is not None}


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text[:LONGEST]
