"""The other servers: what each is made of, how its model is kept, and the command that starts it."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon_harness import free_port

from benchmarks import environments
from benchmarks.serving.formats import BENTOML, MLFLOW, MLSERVER, Format
from benchmarks.serving.processes import Process

HERE = Path(__file__).parent
LOCAL = "127.0.0.1"


@dataclass(frozen=True)
class Peer:
    """`tool` names its requirements and what saves its model; `command` gets the folder of the tool's programs, the
    model, a port and a folder for its settings."""

    name: str
    tool: str
    format: Format
    command: Callable[[Path, Path, int, Path], list[str]]


def _mlflow(programs: Path, model: Path, port: int, _folder: Path) -> list[str]:
    address = ["-h", LOCAL, "-p", str(port)]
    return [str(programs / "mlflow"), "models", "serve", "-m", str(model), *address, "--env-manager", "local"]


def _mlserver(**batching: float) -> Callable[[Path, Path, int, Path], list[str]]:
    def command(programs: Path, model: Path, port: int, folder: Path) -> list[str]:
        ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
        parameters = {"uri": str(model), "content_type": "pd"}
        described = {"name": "m", "implementation": "mlserver_sklearn.SKLearnModel", "parameters": parameters}
        (folder / "settings.json").write_text(json.dumps({"debug": False, "host": LOCAL} | ports), "utf-8")
        (folder / "model-settings.json").write_text(json.dumps(described | batching), "utf-8")
        return [str(programs / "mlserver"), "start", str(folder)]

    return command


def _bentoml(service: str) -> Callable[[Path, Path, int, Path], list[str]]:
    def command(programs: Path, _model: Path, port: int, _folder: Path) -> list[str]:
        address = ["--host", LOCAL, "--port", str(port), "--working-dir", str(HERE)]
        return [str(programs / "bentoml"), "serve", f"service_bentoml:{service}", *address]

    return command


PEERS = (
    Peer("mlflow models serve", "mlflow", MLFLOW, _mlflow),
    Peer("MLServer", "mlserver", MLSERVER, _mlserver()),
    Peer("MLServer, batching 64 / 5 ms", "mlserver", MLSERVER, _mlserver(max_batch_size=64, max_batch_time=0.005)),
    Peer("BentoML", "bentoml", BENTOML, _bentoml("Unbatched")),
    Peer("BentoML, batchable", "bentoml", BENTOML, _bentoml("Batched")),
)


def saved(tool: str, python: str, rows: Path, folder: Path) -> Path:
    """The tool's model, trained by its own scikit-learn unless it was in this run."""
    model = folder / f"model-{tool}"
    if not model.exists():
        runner = "save_mlflow.py" if tool == "mlflow" else "save_joblib.py"
        environments.run([python, str(HERE / runner), str(rows), str(model)], PYTHONDONTWRITEBYTECODE="1")
    return model


def start(peer: Peer, python: str, model: Path, port: int, folder: Path) -> Process:
    """Its server on a port; `folder` is its own."""
    folder.mkdir()
    programs = Path(python).parent
    environment = environments.quiet(
        PATH=f"{programs}{os.pathsep}{os.environ['PATH']}", MODEL=str(model), BENTOML_HOME=str(folder),
        PYTHONDONTWRITEBYTECODE="1",
    )  # fmt: skip
    return Process(peer.command(programs, model, port, folder), environment, folder / "log.txt", folder)


def version(tool: str) -> str:
    """The pinned version of the tool."""
    lines = (HERE / f"requirements-{tool}.txt").read_text("utf-8").splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{tool}=="))
