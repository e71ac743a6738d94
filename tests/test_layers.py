"""The layers hold: imports run downward only, decisions are pure, and the control process stays light."""

import ast
import subprocess
import sys
from collections.abc import Collection
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
IMPURE = {"os", "pathlib", "time", "datetime", "threading", "socket", "sqlite3", "structlog"}
FILES_OF_EVENTS = {"version", "log", "reference", "catalogue_file", "checkpoint"}
"""Of a recommendation, what reads and writes files."""
PURE = [
    *sorted((ROOT / "drift").rglob("*.py")),
    *sorted((ROOT / "retrain" / "records").rglob("*.py")),
    *sorted((ROOT / "retrain" / "planning").rglob("*.py")),
    *sorted((ROOT / "retrain" / "suspicion").rglob("*.py")),
    *(path for path in sorted((ROOT / "retrain" / "recommendation").rglob("*.py")) if path.stem not in FILES_OF_EVENTS),
    *(ROOT / "retrain" / "rows" / name for name in ("window_reach.py", "window.py")),
]
HEAVY = {"numpy", "scipy", "sklearn", "pyarrow", "duckdb"}
NOT_FOR_SERVER = {"duckdb", "pyarrow", "watchdog"}
NO_LEDGER = {"sqlalchemy", "sqlite3", "psycopg", "alembic"}


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, at its head or within functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def modules(path: Path, names: Collection[str]) -> set[str]:
    """Those of `names` that a file imports, at its head or within functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= parts & set(names) or {node.module}
    return found & set(names)


def run(script: str, check: bool = False) -> "subprocess.CompletedProcess[str]":
    """A fresh interpreter that runs `script` in the repository."""
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=check)


def loaded_by(module: str) -> set[str]:
    """The top-level packages in memory of a fresh interpreter after it imported `module`."""
    script = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(run(script, check=True).stdout.split())


def test_imports_run_downward_only():
    """daemon stands on retrain, retrain on drift, and within each the layers of the design hold."""
    result = run("from importlinter.cli import lint_imports_command; lint_imports_command()")
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_modules_import_each_other_in_a_circle():
    """Each file can be read after those that it imports, also within a room and for types alone."""
    paths = [path for package in ("daemon", "retrain", "drift") for path in sorted((ROOT / package).rglob("*.py"))]
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}
    order = TopologicalSorter({name: modules(path, names) - {name} for name, path in names.items()})
    order.prepare()


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_decisions_and_statistics_are_pure(path):
    """Statistics, planner, cycle and gate know no files, clock, threads, sockets or logs."""
    assert not imported(path) & IMPURE


@pytest.mark.parametrize("module", ["daemon.service.application", "daemon.__main__", "daemon.page.__main__"])
def test_control_page_and_command_line_start_light(module):
    """The control process, that of the page and the command line's start-up load no numerical library, and no driver of
    a database that the ledger is not in."""
    assert not loaded_by(module) & {*HEAVY, "psycopg"}


def test_an_analyst_has_no_part_in_the_ledger():
    """What it imports before the first file does not bring SQLAlchemy."""
    script = "from daemon.runtime.worker import operations; operations.load_libraries(operations.ANALYST_IMPORTS)"
    loaded = set(run(f"{script}; import sys; print(*sys.modules)", check=True).stdout.split())
    assert "retrain.monitoring.check" in loaded and "sqlalchemy" not in loaded


@pytest.mark.parametrize(
    "module", ["daemon.server.__main__", "daemon.runtime.worker.child", "daemon.runtime.worker.fork_server"]
)
def test_what_loads_models_begins_with_scipy(module):
    """Its functions, which skops looks for one by one in the order of modules, come before those of driftd and of its
    libraries, and have their docstrings as SciPy's files have them."""
    script = f"import sys, {module}; from scipy.special import softmax; print(*sys.modules); print(softmax.__doc__)"
    loaded, docstring = run(script, check=True).stdout.split("\n", 1)
    order = loaded.split()
    assert order.index("scipy.special") < min(map(order.index, ("daemon.config.config", "pydantic", "structlog")))
    assert "softmax" in docstring and "Array API" not in docstring


def test_a_comparison_needs_little_of_scipy():
    """Neither `from drift import compare` nor a comparison of small frames or files imports SciPy's packages of statistics
    and optimization, which take longer than all else together; `import drift` alone imports nothing."""
    frames = "{'x': [float(n % 50) for n in range(300)], 'g': ['a', 'b', 'c'] * 100}, {'x': [float(n % 60) for n in range(200)], 'g': ['a', 'a', 'c', 'b'] * 50}"
    script = f"from drift import compare; compare({frames}).to_html(); import sys; print(*sys.modules)"
    loaded = set(run(script, check=True).stdout.split())
    assert "scipy.special" in loaded and not loaded & {
        "scipy.stats",
        "scipy.optimize",
        "scipy.spatial",
        "duckdb",
        "pydantic",
    }
    assert not {"scipy.stats", "scipy.optimize"} & set(
        run("import daemon.tools.compare, sys; print(*sys.modules)", check=True).stdout.split()
    )
    assert not loaded_by("drift") & HEAVY


def test_only_who_writes_a_page_loads_its_templates():
    """Neither `driftd --help` nor the words of reports on a terminal import Jinja2."""
    for start in ("daemon.__main__", "daemon.cli.app", "daemon.reports.compare_text, daemon.reports.replay_text"):
        assert "jinja2" not in loaded_by(start)


def test_server_loads_only_what_it_serves_with():
    """The server needs no reader of data files, no ledger and no watcher."""
    assert not loaded_by("daemon.server.__main__") & (NOT_FOR_SERVER | NO_LEDGER)
    assert not loaded_by("daemon.server.__main__, daemon.server.recommendation.handlers") & NO_LEDGER


def test_nothing_unpickles():
    """No module of the product can load a pickle, for models come as skops; but for the one that reads the joblib file
    of an adopted pipeline, which a person trusts by hand."""
    for package in ("daemon", "retrain", "drift"):
        for path in (ROOT / package).rglob("*.py"):
            if path == ROOT / "retrain" / "store" / "adopted.py":
                continue
            assert not imported(path) & {"pickle", "joblib", "cloudpickle", "dill", "shelve"}, path
