"""Names in the state folder: given by one module, and never to something else afterwards."""

import ast
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrain import durable

ROOT = Path(__file__).parent.parent.parent
OUTSIDE = {
    "daemon/reading/take.py": "a plain name in the work folder for a data file whose own is no valid text",
    "daemon/runtime/cluster/attempt.py": "an attempt's own folder on a cluster's worker, which goes with it",
    "daemon/tools/demo/playing.py": "the data folder of an example, into which whole files are dropped as a user drops them",
    "daemon/tools/units/place.py": "systemd's folders, not the state folder",
}
NAMING = {"rename", "renames", "link", "symlink", "hardlink_to", "symlink_to", "link_to", "move", "copytree"}


def naming_calls(path: Path) -> Iterator[int]:
    """The lines on which a file or folder gets a name: of Path, os and shutil. `replace` with one argument is Path's."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        replaced = node.func.attr == "replace" and (owner == "os" or (len(node.args) == 1 and not node.keywords))
        if owner != "durable" and (node.func.attr in NAMING or replaced):
            yield node.lineno


@pytest.mark.parametrize("package", ["daemon", "retrain", "drift"])
def test_only_one_module_names_files_of_the_state_folder(package: str) -> None:
    """So that each such step has a crash point, at which tests kill the process; what is elsewhere says why."""
    found = {
        path.relative_to(ROOT).as_posix(): lines
        for path in (ROOT / package).rglob("*.py")
        if (lines := list(naming_calls(path)))
    }
    allowed = {"retrain/durable.py", *OUTSIDE}
    assert set(found) == {name for name in allowed if name.startswith(f"{package}/")}, found


@pytest.mark.parametrize("at", ["numbers.before_write", "numbers.before_rename"])
def test_a_file_that_cannot_be_replaced_leaves_nothing_beside_it(tmp_path: Path, at: str) -> None:
    """The old one is whole, and the next attempt, which may be long in coming, finds the folder as it was."""

    def full(point: str) -> None:
        if point == at:
            raise OSError(errno.ENOSPC, "no space")

    path = tmp_path / "numbers.jsonl"
    durable.replace_file(path, b"old", "numbers")
    durable.install_hook(full)
    try:
        with pytest.raises(OSError, match="no space"):
            durable.replace_file(path, b"new", "numbers")
    finally:
        durable.install_hook(None)
    assert [one.name for one in tmp_path.iterdir()] == ["numbers.jsonl"] and path.read_bytes() == b"old"


def test_a_published_folder_is_never_replaced(tmp_path: Path) -> None:
    """The first that has a name keeps it: who publishes under it again, even another content, finds it there unchanged."""
    for number in (1, 2):
        staged = tmp_path / f"staged{number}"
        staged.mkdir()
        (staged / "model").write_text(f"made in attempt {number}")
        durable.publish_folder(staged, tmp_path / "v0001-0123abcd", "publish")
        assert not staged.exists()
    assert (tmp_path / "v0001-0123abcd" / "model").read_text() == "made in attempt 1"
