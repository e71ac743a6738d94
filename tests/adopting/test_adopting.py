"""Pipelines that users bring, and their own preparation of rows: in processes that have pandas and polars."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APART = Path(sys.prefix, "notebook")

pytestmark = pytest.mark.skipif(not (APART / "pandas").exists(), reason="needs `make .venv/notebook/.installed`")


LONG = ("adopt_cases.py", "prepare_cases.py", "page_cases.py", "kill_cases.py")


def run(*words: str) -> None:
    """Files of cases with options, in a process that has what notebooks have; a failure shows all of it."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests", APART)))
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=550)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_adopted_pipelines_and_own_preparation():
    """The cases that take seconds, which share a service."""
    run("tests/adopting/adopt_cases.py", "tests/adopting/prepare_cases.py")


@pytest.mark.long
@pytest.mark.parametrize("cases", LONG)
def test_their_stories_and_kills(cases):
    """The cases of a file that take longer: a clone that learns, a changed preparation, a page, kills at each step."""
    run(f"tests/adopting/{cases}", "-m", "long")
