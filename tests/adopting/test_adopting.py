"""Pipelines that users bring, and their own preparation of rows: in processes that have pandas and polars."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APART = Path(sys.prefix, "notebook")

pytestmark = pytest.mark.skipif(not (APART / "pandas").exists(), reason="needs `make .venv/notebook/.installed`")


def run(cases: str) -> None:
    """Every case of a file, in a process that has what notebooks have; a failure shows all of it."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests", APART)))
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/adopting/{cases}"]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_adopted_pipelines():
    """Every case of `adopt_cases.py`."""
    run("adopt_cases.py")


@pytest.mark.long
def test_adoptions_that_are_killed():
    """Every case of `kill_cases.py`: about two minutes."""
    run("kill_cases.py")


def test_own_preparation():
    """Every case of `prepare_cases.py`."""
    run("prepare_cases.py")


def test_the_pages_of_both():
    """Every case of `page_cases.py`."""
    run("page_cases.py")
