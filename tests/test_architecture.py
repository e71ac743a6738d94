"""docs/architecture.md and CONTRIBUTING.md are true of the code: what they name exists. By AST, nothing is imported."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAP = ROOT / "docs" / "architecture.md"
PACKAGES = ("daemon", "retrain", "drift")
OURS = re.compile(rf"^(?:{'|'.join(PACKAGES)}|tests|benchmarks)[./]")
SPAN = re.compile(r"`([^`\n]+)`")
NAMED = re.compile(r"^([\w.]+)(?:: ([\w.]+))?$")
"""`package.module` or `package.module: name`."""
SHORT = re.compile(r"^(?:[A-Z]\w*(?:\.\w+)?|[a-z]+(?:_[a-z]+)+)$")
"""A name alone, of a module that the page names elsewhere."""


def spans(page: Path) -> list[str]:
    """What a page names of the project: modules, members, tests, files and folders."""
    return sorted({span for span in SPAN.findall(page.read_text("utf-8")) if OURS.match(span)})


@cache
def members(path: Path) -> frozenset[str]:
    """The names that a module defines, and those of its classes as `Class.name`."""
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        for name in _defined(node):
            found.add(name)
            if isinstance(node, ast.ClassDef):
                found |= {f"{name}.{inner}" for part in node.body for inner in _defined(part)}
    return frozenset(found)


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def source(module: str) -> Path:
    """The file of a dotted name."""
    base = ROOT / module.replace(".", "/")
    return base.with_suffix(".py") if base.with_suffix(".py").exists() else base / "__init__.py"


def lack(span: str) -> str:
    """Why what a span names is not there; nothing where it is."""
    if "/" in span:
        file, _, test = span.partition("::")
        if not (ROOT / file).exists():
            return f"{span}: no such file"
        return "" if not test or test in members(ROOT / file) else f"{span}: no such test"
    found = NAMED.match(span)
    if found is None:
        return f"{span}: write `package.module`, `package.module: name` or a path"
    path = source(found[1])
    if not path.exists():
        return f"{span}: no such module"
    return "" if found[2] is None or found[2] in members(path) else f"{span}: the module has no such name"


@pytest.mark.parametrize("page", [MAP, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_what_is_named_exists(page):
    """Every module, function, class, test, file and folder."""
    named = spans(page)
    gone = [why for span in named if (why := lack(span))]
    assert len(named) > 5 and not gone, "\n".join(gone)


def test_short_names_are_of_modules_that_the_map_names():
    """Where `Class.method` stands for a longer name, it is found on the same page."""
    modules = {source(found[1]) for span in spans(MAP) if "/" not in span and (found := NAMED.match(span))}
    known = frozenset().union(*map(members, modules))
    gone = {span for span in SPAN.findall(MAP.read_text("utf-8")) if SHORT.match(span)} - known
    assert not gone, ", ".join(sorted(gone))


def test_what_does_not_exist_is_noticed():
    """The test of the page is not blind."""
    gone = (
        "daemon.nowhere",
        "daemon.cli.app: nothing",
        "drift/nowhere/",
        "tests/test_docs.py::test_nothing",
        "drift.x y",
    )
    assert all(lack(span) for span in gone)
    assert not any(lack(span) for span in ("daemon.cli.app: Commands.__getitem__", "drift.check", "tests/test_docs.py"))


def test_every_room_is_listed():
    """Each folder and each lone module of the packages has its line."""
    text = MAP.read_text("utf-8")
    there = {
        f"{package}/{entry.name}{'/' if entry.is_dir() else ''}"
        for package in PACKAGES
        for entry in (ROOT / package).iterdir()
        if (entry / "__init__.py").exists() or (entry.suffix == ".py" and entry.name != "__init__.py")
    }
    assert there == set(re.findall(r"^\| `((?:daemon|retrain|drift)/[^`]+)` \|", text, re.MULTILINE))
