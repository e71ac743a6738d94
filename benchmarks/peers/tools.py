"""The tools that are compared: each one's environment, and its runner in a process of its own."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import environments
from benchmarks.environments import Failed

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


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


def interpreter(tool: Tool, envs: Path, base: str, tell: Callable[[str], None]) -> str:
    """Python of the tool's environment, which is made unless one of the same requirements is there."""
    if tool.environment is None:
        return sys.executable
    requirements = HERE / f"requirements-{tool.environment}.txt"
    return environments.interpreter(requirements, envs / tool.environment, base, tell)


def run(tool: Tool, python: str, reference: Path, current: Path) -> dict[str, Any]:
    """What the runner printed."""
    own = {"PYTHONPATH": str(ROOT)} if tool.environment is None else {}
    told = environments.run([python, str(HERE / tool.runner), str(reference), str(current), *tool.more], **own)
    lines = [line for line in told.splitlines() if line.startswith("{")]
    if not lines:
        raise Failed(f"{tool.runner} printed no result")
    result: dict[str, Any] = json.loads(lines[-1])
    return result
