"""In a notebook: frames of pandas and polars, the pages of the docs in a real kernel, and what a report leaves alone.

Everything here runs in processes of its own that see `.venv/notebook`, see `notebook.in`."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from daemon.tools.demo.flights_story import MONTHS

ROOT = Path(__file__).parents[2]
APART = Path(sys.prefix, "notebook")
PAGE = ROOT / "docs" / "notebook.md"
KERNEL = Path(__file__).with_name("in_kernel.py")
NOTEBOOK = ROOT / "examples" / "notebook.ipynb"

pytestmark = pytest.mark.skipif(not (APART / "nbclient").exists(), reason="needs `make .venv/notebook/.installed`")


def run(*words: str, folder: Path = ROOT) -> str:
    """What a process prints that has the notebook's packages; a failure shows all of it."""
    path = os.pathsep.join([str(ROOT), str(APART)])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "JUPYTER_PLATFORM_DIRS": "1"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_frames_of_both_libraries_are_compared():
    """Every case of `frames_cases.py`."""
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/notebook/frames_cases.py")


def outputs(source: Path, folder: Path) -> list[dict[str, str]]:
    """The cells' results by their type, after a kernel ran a notebook, or the Python of a page, in a folder."""
    return json.loads(run(sys.executable, str(KERNEL), str(source), folder=folder))


def test_the_page_of_the_docs_is_true_in_a_kernel(tmp_path):
    """Each piece of Python runs in a real kernel, one after the other; the comparison is shown as a page of its own
    style, and the files that the page promises are there."""
    for name, month in (("january", "2013-01"), ("july", "2013-07")):
        pq.write_table(pq.read_table(MONTHS / f"{month}.parquet")[::8], tmp_path / f"{name}.parquet")
    shown = outputs(PAGE, tmp_path)
    assert len(shown) == len(re.findall("^```python$", PAGE.read_text("utf-8"), re.M))
    html = shown[0]["text/html"]
    assert html.startswith('<div class="driftd">') and "Drift in" in html
    assert shown[0]["text/plain"].startswith("Drift in ")
    assert (tmp_path / "report.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert (tmp_path / "january.reference").stat().st_size < 5_000_000


def test_the_notebook_of_the_readme_shows_what_it_computes():
    """A kernel gives the numbers and sentences that are stored in it."""
    stored = [
        cell["outputs"] for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"
    ]
    texts = [["".join(one["data"]["text/plain"]) for one in cell if "data" in one] for cell in stored]
    found = outputs(NOTEBOOK, NOTEBOOK.parent)
    assert [text for cell in texts for text in cell] == [cell["text/plain"] for cell in found if "text/plain" in cell]
    assert any("text/html" in cell for cell in found)
