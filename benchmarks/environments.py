"""Environments of the peers: made once from pinned requirements, and quiet: one thread each, nobody calls home."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")
SILENT = {
    "DO_NOT_TRACK": "1",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BENTOML_DO_NOT_TRACK": "True",
}
STAMP = ".requirements.txt"
TIMEOUT_S = 3_600


class Failed(Exception):
    """An environment could not be made, or a command ended badly; says the end of what it wrote."""


def interpreter(requirements: Path, folder: Path, base: str, tell: Callable[[str], None]) -> str:
    """Python of the environment in `folder`, which is made unless one of the same requirements is there."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted, stamp = requirements.read_text("utf-8"), folder / STAMP
    if python.exists() and stamp.exists() and stamp.read_text("utf-8") == wanted:
        return str(python)
    tell(f"making the environment {folder} …")
    if folder.exists() and not (folder / "pyvenv.cfg").exists():
        raise Failed(f"{folder} is no virtual environment; it is left alone")
    run([base, "-m", "venv", "--clear", str(folder)])
    pip = [str(python), "-m", "pip", "-qq", "--disable-pip-version-check", "--no-input", "install", "-r"]
    run([*pip, str(requirements)])
    stamp.write_text(wanted, "utf-8")
    return str(python)


def quiet(**more: str) -> dict[str, str]:
    """This process's environment for a peer; without what makes it import driftd."""
    environment = os.environ | dict.fromkeys(THREADS, "1") | SILENT
    environment.pop("PYTHONPATH", None)
    return environment | more


def run(command: list[str], **more: str) -> str:
    """What a command printed; `more` is added to its environment."""
    try:
        done = subprocess.run(
            command, env=quiet(**more), capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(str(error)) from error
    if done.returncode != 0:
        raise Failed("\n".join(done.stderr.strip().splitlines()[-3:]) or f"{command[0]} ended with {done.returncode}")
    return done.stdout
