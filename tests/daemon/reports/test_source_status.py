"""What `driftd status` says of a database that rows are pulled from."""

from pathlib import Path
from typing import Any

import pytest
from bare_model import BINARY, bare_model

from daemon.cli.status import _print_model
from daemon.ledger import events, pulls
from daemon.reports.status import overview
from daemon.runtime.context import ModelContext

SOURCE = """\
[models.m.source]
url = "sqlite:///rows.db"
query = "SELECT x, y, at FROM t"
watermark = "at"
"""
NOON = 1_790_000_000.0


def logged(context: ModelContext, event: str, at: float, model: str | None = "m", **fields: Any) -> None:
    with context.shared.ledger.begin() as conn:
        events.append(conn, [{"at": at, "event": event, "level": "info", "model": model, "fields": fields}])


def shown(context: ModelContext, capsys: pytest.CaptureFixture[str]) -> str:
    """The line of the database."""
    model = overview(context.shared.config, context.shared.ledger)["models"]["m"]
    _print_model("m", model)
    return next((line for line in capsys.readouterr().out.splitlines() if line.startswith("  source ")), "")


def test_the_last_pull_and_what_fails_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When rows came last, how many, up to where, whether they are taken in; and why none come now, until some do or the
    service begins anew, which tells it again."""
    with bare_model(tmp_path, BINARY + SOURCE) as context:
        assert "nothing was pulled yet" in shown(context, capsys)
        with context.shared.ledger.begin() as conn:
            pulls.record(conn, "m", "source/1", "pulled/m/1", "at", {"value": "2026-09-21 12:00"}, 1200, NOON)
        line = shown(context, capsys)
        assert "1,200 rows pulled last" in line and "up to at 2026-09-21 12:00; source/1 is not taken in" in line
        logged(context, "source_failed", NOON + 60, reason="the database is away")
        assert "FAILING since" in shown(context, capsys) and "the database is away" in shown(context, capsys)
        logged(context, "source_recovered", NOON + 90)
        assert "FAILING" not in shown(context, capsys)
        logged(context, "source_failed", NOON + 120, reason="no such table")
        logged(context, "service_started", NOON + 150, None)
        assert "FAILING" not in shown(context, capsys)


def test_without_a_database_nothing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line is of models that have one."""
    with bare_model(tmp_path, BINARY) as context:
        assert shown(context, capsys) == ""
