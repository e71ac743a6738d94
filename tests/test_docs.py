"""The documentation is true: its commands exist, its configurations load, its links lead somewhere."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from daemon.config.config import load_config

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONFIGURATIONS = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, block in enumerate(BLOCK.findall(page.read_text("utf-8")), start=1)
]
COMMAND = re.compile(r"(?:`|/bin/)driftd (?:-c \S+ )?([a-z][a-z-]*)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@cache
def help_of_driftd() -> str:
    """What `driftd --help` prints."""
    command = [sys.executable, "-m", "daemon", "--help"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def prose(page: Path) -> str:
    """A page without its section on what is not there yet."""
    return re.sub(r"^## What is not there yet.*?(?=^## |\Z)", "", page.read_text("utf-8"), flags=re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_documented_commands_exist(page):
    """Every `driftd COMMAND` that a page tells to type is known to `driftd --help`."""
    known = set(re.findall(r"^\W*([a-z][a-z-]*)\s", help_of_driftd(), re.MULTILINE))
    assert set(COMMAND.findall(prose(page))) <= known


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_documented_configurations_load(text, tmp_path):
    """Every configuration that a page shows is one that driftd accepts."""
    path = tmp_path / "config.toml"
    path.write_text(text, "utf-8")
    assert load_config(path).models


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Every relative link of a page names a file that exists."""
    targets = [t.partition("#")[0] for t in LINK.findall(page.read_text("utf-8")) if "://" not in t]
    assert [t for t in targets if t and not (page.parent / t).exists()] == []


def test_documented_make_targets_exist():
    """Every `make TARGET` of the README is a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE))
    assert named
    assert [name for name in sorted(named) if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []
