"""The documentation is true: its commands exist, its configurations load, its links lead somewhere."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from daemon.cli.app import commands
from daemon.config.config import load_config

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONFIGURATIONS = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, block in enumerate(BLOCK.findall(page.read_text("utf-8")), start=1)
]
COMMAND = re.compile(r"(?:`|/bin/)driftd (?:-c \S+ )?([a-z][a-z-]*)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def tables() -> ModuleType:
    """The script that writes the documentation's tables."""
    spec = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TABLES = tables()


def prose(page: Path) -> str:
    """A page without its section on what is not there yet."""
    return re.sub(r"^## What is not there yet.*?(?=^## |\Z)", "", page.read_text("utf-8"), flags=re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_documented_commands_exist(page):
    """Every `driftd COMMAND` that a page tells to type is one."""
    assert set(COMMAND.findall(prose(page))) <= set(commands())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_generated_tables_are_what_the_code_declares(page):
    """None is stale; `make docs` renews them."""
    _, stale = TABLES.renewed(page.read_text("utf-8"))
    assert stale == [], "stale: run `make docs`"


def test_each_generated_table_has_its_page():
    """What is declared and can be shown is shown."""
    shown = [name for page in PAGES for _, name, _, _ in TABLES.BLOCK.findall(page.read_text("utf-8"))]
    assert sorted(shown) == sorted(TABLES.GENERATORS)


def test_a_stale_table_is_renewed_and_named():
    """What stands between the marks of a page is replaced, and nothing else."""
    text = "a\n<!-- generated: events -->\nold\n<!-- end -->\nb\n"
    renewed, stale = TABLES.renewed(text)
    assert stale == ["events"] and renewed.startswith("a\n<!-- generated: events -->\n| event | level |")
    assert renewed.endswith("|\n<!-- end -->\nb\n") and TABLES.renewed(renewed) == (renewed, [])


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_sections_lead_somewhere(page):
    """What stands behind the # of a relative link is a heading of the page that it leads to, as GitHub names it."""
    links = [link.partition("#") for link in LINK.findall(page.read_text("utf-8")) if "://" not in link and "#" in link]
    assert [part for to, _, part in links if part not in headings(page.parent / to if to else page)] == []


def headings(page: Path) -> set[str]:
    """The names of a page's sections in links."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


USERS = [
    page
    for page in PAGES
    if page.parent.name != "decisions" and page.stem not in ("architecture", "CONTRIBUTING", "CHANGELOG")
]
INTERNAL = re.compile(r"\btwins?\b|\blayers?\b(?!, tests)|\bre-?weigh", re.IGNORECASE)
"""Words of the code that say nothing to who uses it."""


@pytest.mark.parametrize("page", USERS, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_for_users_say_what_things_are(page):
    """Not what the code calls them; keys, events and help texts are in these pages too."""
    assert INTERNAL.findall(page.read_text("utf-8")) == []


def test_documented_make_targets_exist():
    """Every `make TARGET` of README and CONTRIBUTING is a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    text = "\n".join((ROOT / name).read_text("utf-8") for name in ("README.md", "CONTRIBUTING.md"))
    named = set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", text, re.MULTILINE))
    assert named
    assert [name for name in sorted(named) if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


PICTURE = re.compile(r'(?:src|srcset)="([^"]+)"')


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pictures_are_there_small_and_described(page):
    """Each that a page shows is a file of at most 150 kB, in the light and in the dark, with a text in its place."""
    text = page.read_text("utf-8")
    shown = [page.parent / name for name in PICTURE.findall(text)]
    assert all(path.stat().st_size <= 150_000 for path in shown)
    assert text.count("<picture>") == len(re.findall(r'<img [^>]*alt="[^"]{20,}"', text)) == len(shown) // 2
