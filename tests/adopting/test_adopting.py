"""Pipelines that users bring, and their own preparation of rows: in processes that have pandas and polars."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APART = Path(sys.prefix, "notebook")

pytestmark = pytest.mark.skipif(not (APART / "pandas").exists(), reason="needs `make .venv/notebook/.installed`")


def run(cases: tuple[str, ...], *options: str) -> None:
    """The cases of files, in a process that has what notebooks have; a failure shows all of it."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests", APART)))
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    files = [f"tests/adopting/{one}" for one in cases]
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, *options]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=550)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.parametrize("cases", [("adopt_cases.py",), ("prepare_cases.py", "page_cases.py")], ids=" ".join)
def test_adopted_pipelines_and_own_preparation(cases):
    """The cases that take seconds; the libraries of a process take four of them."""
    run(cases)


@pytest.mark.long
@pytest.mark.parametrize("cases", ["adopt_cases.py", "prepare_cases.py", "page_cases.py", "kill_cases.py"])
def test_their_stories_and_kills(cases):
    """The cases of a file that take longer: a clone that learns, a changed preparation, a page, kills at each step."""
    run((cases,), "-m", "long")
