"""`driftd doctor`: what would keep the service from working, and what to do."""

from daemon.cli.arguments import Json
from daemon.cli.output import print_json
from daemon.cli.session import NO, SESSION, WRONG_USE, Exit


def doctor(json: Json = False) -> None:
    """Check configuration, folders, permissions, limits, environment, ledger and store, and say what to do.

    Status 1 means that something is bad, 2 that the configuration cannot be read."""
    from daemon.config.config import ConfigErrors, load_config
    from daemon.tools.doctor import Finding, examine

    try:
        findings = examine(load_config(SESSION.config_path))
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
