"""The tools that are compared: each one's environment, and its runner in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")
SILENT = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}  # evidently and NannyML would call home
STAMP = ".requirements.txt"
TIMEOUT_S = 3_600


@dataclass(frozen=True)
class Tool:
    """`environment` names its requirements file, None is this interpreter's own; `more` follows the two paths."""

    name: str
    runner: str
    environment: str | None
    more: tuple[str, ...] = ()


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("driftd", "run_driftd.py", None),
        Tool("evidently", "run_evidently.py", "evidently"),
        Tool("nannyml", "run_nannyml.py", "nannyml"),
        Tool("alibi-ks", "run_alibi_detect.py", "alibi-detect", ("KSDrift",)),
        Tool("alibi-tabular", "run_alibi_detect.py", "alibi-detect", ("TabularDrift",)),
        Tool("scipy", "run_scipy.py", "scipy"),
    )
}


class Failed(Exception):
    """An environment could not be made, or a runner ended badly; says the end of what it wrote."""


def interpreter(tool: Tool, envs: Path, base: str, tell: Callable[[str], None]) -> str:
    """Python of the tool's environment, which is made unless one of the same requirements is there."""
    if tool.environment is None:
        return sys.executable
    folder = envs / tool.environment
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = (HERE / f"requirements-{tool.environment}.txt").read_text("utf-8")
    stamp = folder / STAMP
    if python.exists() and stamp.exists() and stamp.read_text("utf-8") == wanted:
        return str(python)
    tell(f"making the environment {folder} …")
    if folder.exists() and not (folder / "pyvenv.cfg").exists():
        raise Failed(f"{folder} is no virtual environment; it is left alone")
    _run([base, "-m", "venv", "--clear", str(folder)])
    pip = [str(python), "-m", "pip", "-qq", "--disable-pip-version-check", "--no-input", "install", "-r"]
    _run([*pip, str(HERE / f"requirements-{tool.environment}.txt")])
    stamp.write_text(wanted, "utf-8")
    return str(python)


def run(tool: Tool, python: str, reference: Path, current: Path) -> dict[str, Any]:
    """What the runner printed."""
    told = _run([python, str(HERE / tool.runner), str(reference), str(current), *tool.more], tool.environment is None)
    lines = [line for line in told.splitlines() if line.startswith("{")]
    if not lines:
        raise Failed(f"{tool.runner} printed no result")
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def _run(command: list[str], own: bool = False) -> str:
    environment = os.environ | dict.fromkeys(THREADS, "1") | SILENT
    environment.pop("PYTHONPATH", None)
    if own:
        environment["PYTHONPATH"] = str(ROOT)
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(str(error)) from error
    if done.returncode != 0:
        raise Failed("\n".join(done.stderr.strip().splitlines()[-3:]) or f"{command[0]} ended with {done.returncode}")
    return done.stdout
