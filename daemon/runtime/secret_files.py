"""Secrets in files: named by the configuration, beside it, or systemd's credentials; read each time they are needed, so
that a new one holds at once."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from daemon.config.config import Config
from retrain.records.errors import Refused

TOLD = 6
"""Names that are told of those that are expected."""


def secret_file(config: Config, given: str | None, credential: str, environment: Mapping[str, str]) -> Path | None:
    """The file that the configuration names, else the systemd credential of that name; None without either."""
    if given is not None:
        return config.path.parent / Path(given).expanduser()
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if folder is not None and os.path.exists(path := Path(folder) / credential):  # noqa: PTH110 - False where it may not be looked at
        return path
    return None


def read_secret(file: Path) -> bytes:
    """What is in a file, without blanks around it; Refused says which cannot be read, and nothing that is in it."""
    try:
        return file.read_bytes().strip()
    except OSError as error:
        way_out = (
            "the configuration names it: write it there, or copy it from another host" if not file.exists() else ""
        )
        raise Refused(f"{file}: cannot be read: {error.strerror}", way_out) from None


def variables(file: Path | None, known: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """The known variables of a file, before those of the environment. Refused says which line is none, and nothing
    that is in it; also where it cannot be read."""
    found = {name: value for name, value in environment.items() if name in known and value}
    if file is None:
        return found
    for number, line in enumerate(read_secret(file).decode("utf-8", "replace").splitlines(), 1):
        name, sign, value = line.strip().removeprefix("export ").partition("=")
        if not name or name.startswith("#"):
            continue
        if not sign or name.strip() not in known:
            raise Refused(f"{file}, line {number}: expected one of {', '.join(known[:TOLD])} … and = behind it")
        found[name.strip()] = value.strip().strip("\"'")
    return found
