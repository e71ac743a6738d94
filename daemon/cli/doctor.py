"""`driftd doctor`: what would keep the service from working, and what to do; and whether anybody who is forgotten is
still in the state folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.arguments import Json
from daemon.cli.output import print_json
from daemon.cli.people import IdOption, IdsOption, named_people
from daemon.cli.session import NO, SESSION, WRONG_USE, Exit

if TYPE_CHECKING:
    from daemon.tools.doctor import Finding


def doctor(
    forgotten: Annotated[
        bool, typer.Option("--forgotten", help="Only whether rows of people who are forgotten are still there.")
    ] = False,
    id_: IdOption = None,
    ids: IdsOption = None,
    json: Json = False,
) -> None:
    """Check configuration, folders, permissions, limits, environment, ledger and store, and say what to do.

    With --id or --ids: look for ids in the whole state folder, unpacked.

    Status 1 means that something is bad, 2 that the configuration cannot be read."""
    from daemon.config.config import ConfigErrors
    from daemon.tools.doctor import Finding

    try:
        findings = _findings(forgotten, id_, ids)
        bad = NO if any(finding.level == "error" for finding in findings) else 0
    except ConfigErrors as error:
        findings, bad = [Finding("error", line) for line in error.errors], WRONG_USE
    if json:
        print_json([finding.__dict__ for finding in findings])
    else:
        marks = {"ok": "ok  ", "warning": "note", "error": "BAD "}
        for finding in findings:
            print(
                f"{marks[finding.level]} {finding.what}" + (f"\n       → {finding.way_out}" if finding.way_out else "")
            )
    raise Exit(bad)


def _findings(forgotten: bool, id_: Sequence[str] | None, ids: Path | None) -> "list[Finding]":
    from daemon.config.config import load_config
    from daemon.tools.doctor import Finding, examine

    config = load_config(SESSION.config_path)
    if not forgotten and not id_ and ids is None:
        return examine(config)
    from daemon.tools.forgotten import ids_told, marks_told

    told = list(marks_told(config)) if forgotten else []
    told += list(ids_told(config, named_people(id_, ids))) if id_ or ids is not None else []
    return [Finding(*one) for one in told]
