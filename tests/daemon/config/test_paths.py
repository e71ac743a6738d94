"""Paths of the state folder are spelled in one module."""

import ast
from pathlib import Path

import pytest

from daemon.config import paths
from daemon.config.paths import LEDGER, LOCK, ModelPaths, StatePaths

ROOT = Path(__file__).resolve().parents[3]
NAMES = {path.relative_to("s").parts[0] for path in ModelPaths(Path("s"), "m").lasting}
MODULES = [
    path for room in ("daemon", "retrain") for path in (ROOT / room).rglob("*.py") if path != Path(paths.__file__)
]


def _spelled(path: Path) -> list[str]:
    """Names of the state folder that a module joins to a path, and those of its files anywhere in it."""
    tree = ast.walk(ast.parse(path.read_text("utf-8")))
    found = []
    for node in tree:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
            found += [node.right.value] if str(node.right.value).partition("/")[0] in NAMES else []
        elif isinstance(node, ast.Constant) and node.value in (LEDGER, LOCK):
            found.append(node.value)
    return found


def test_no_other_module_spells_a_path_of_the_state_folder():
    """Who needs one asks for it, so that another place for state is one change."""
    assert {"snapshots", "versions", "quarantine", "spool", "work"} <= NAMES
    assert {path.relative_to(ROOT).as_posix(): found for path in MODULES if (found := _spelled(path))} == {}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (StatePaths(Path("s")).ledger, "ledger.sqlite"),
        (StatePaths(Path("s")).cycles, "work/cycles"),
        (ModelPaths(Path("s"), "m").snapshot("ab" * 32), f"snapshots/m/{'ab' * 16}.parquet"),
        (ModelPaths(Path("s"), "m").rejects("ab" * 32), f"quarantine/m/{'ab' * 16}.jsonl"),
        (ModelPaths(Path("s"), "m").version("v0001-aaaaaaaa"), "versions/m/v0001-aaaaaaaa"),
        (ModelPaths(Path("s"), "m").log_spool, "prediction_log/m/spool"),
        (ModelPaths(Path("s"), "m").cycle(7), "work/cycles/7"),
    ],
)
def test_state_folders_of_before_are_found(path, name):
    """The places never change: who upgrades keeps the state."""
    assert path == Path("s", name)


def test_all_segments_are_found_by_their_globs(tmp_path):
    """Of labels, events and the prediction log, also those that are still written, or are being taken in."""
    model = StatePaths(tmp_path).model("m")
    made = {folder / f"1{kind}" for folder in (model.spool, model.log_spool) for kind in (".jsonl", ".open")}
    made.add(model.spool / "taking-1" / "1.jsonl")
    for path in made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert {path for glob in paths.SEGMENTS for path in tmp_path.glob(glob)} == made
