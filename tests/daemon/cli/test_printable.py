"""What files and arguments hold never steers the terminal of who looks at it."""

import contextlib
import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.cli import app
from daemon.runtime.printable import printable

ROOT = Path(__file__).resolve().parents[3]
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"
COLOURS = re.compile("\x1b\\[[0-9;]*m")


def on_terminal(*arguments: str) -> str:
    """What `driftd` prints where its output is a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "daemon", *arguments]
    environment = dict(os.environ, TERM="xterm-256color", COLUMNS="200", OMP_NUM_THREADS="1")
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, cwd=ROOT, env=environment):
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # the terminal's other end is closed
            while piece := os.read(ours, 65536):
                said += piece
    os.close(ours)
    return said.decode().replace("\r\n", "\n")


@pytest.fixture
def files(tmp_path):
    """Two files with a column of an evil name and evil values, the second one drifted."""
    for name, first in (("a", 0), ("b", 500)):
        lines = [f'{n},"{EVIL}{n % 3}"' for n in range(first, first + 300)]
        (tmp_path / f"{name}.csv").write_text(f'x,"c{EVIL}"\n' + "\n".join(lines) + "\n")
    return str(tmp_path / "a.csv"), str(tmp_path / "b.csv")


def test_names_of_columns_do_not_reach_the_terminal_raw(files):
    """A comparison keeps its own colours and shows the name escaped."""
    said = on_terminal("compare", *files)
    assert r"c\x1b]0;owned" in said
    assert not re.search("\x1b\\]|\x1b\\[2J|[\x07\x9b\u202e]", said)


@pytest.mark.parametrize(
    "arguments",
    [["compare", EVIL, EVIL], [EVIL], ["status", f"--{EVIL}"], ["-c", EVIL, "status"], ["retrain", EVIL], ["check", EVIL, "--model", EVIL]],
)  # fmt: skip
def test_errors_show_arguments_escaped(arguments, capsys):
    """Whatever part of the command line refuses them."""
    assert app.run(arguments) != 0
    told = capsys.readouterr()
    assert "x1b" in told.err + told.out and not re.search("[\x1b\x07\x9b\u202e]", told.err + told.out)


def test_the_log_on_a_terminal_shows_fields_escaped():
    """A path or a reason of others is a field of events."""
    from daemon.runtime.log import configure, get_logger

    stream = io.StringIO()
    configure(style="console", stream=stream)
    get_logger().info("file_seen", file=EVIL)
    assert r"\x1b]0;owned" in stream.getvalue() and "\x1b" not in COLOURS.sub("", stream.getvalue())


def test_what_people_write_stays():
    """Letters of all alphabets, tabulators and line ends."""
    assert printable("größe\tнет\n日本 🙂") == "größe\tнет\n日本 🙂"
