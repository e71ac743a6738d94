"""All commands alike: each is found, explains itself, and costs the others nothing."""

import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import daemon.cli
from daemon.cli.app import COMMANDS, commands, first_sentence

ROOT = Path(__file__).resolve().parents[3]
NAMES = [name for names in COMMANDS.values() for name in names]


def loaded_by(*arguments: str) -> set[str]:
    """The modules in memory of a fresh interpreter after it ran the command line."""
    script = (
        f"import sys; from daemon.cli import app; app.run({list(arguments)!r}); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("name", NAMES)
def test_a_command_explains_itself(name):
    """In one sentence for the list, and each argument and option on its own."""
    command = commands()[name]
    assert command.name == name and first_sentence(command.help).endswith((".", "?"))
    assert [parameter.name for parameter in command.params if not parameter.help] == []


def test_a_module_with_a_command_is_in_the_list():
    """One that defines a function of its own name; `driftd` finds it by the list."""
    modules = [module.name for module in pkgutil.iter_modules(daemon.cli.__path__) if module.name != "app"]
    found = {m.replace("_", "-") for m in modules if m in vars(import_module(f"daemon.cli.{m}"))} - {"request"}
    assert found == set(NAMES)


def test_help_needs_no_configuration_and_a_command_no_other():
    """`driftd --help` is quick, and what one command imports another does not pay for."""
    assert not {"pydantic", "structlog", "sqlalchemy"} & loaded_by("--help")
    own = {name for name in loaded_by("pause", "--help") if name.startswith("daemon.cli.")}
    assert "daemon.cli.pause" in own and not {f"daemon.cli.{n}" for n in NAMES if n != "pause"} & own
