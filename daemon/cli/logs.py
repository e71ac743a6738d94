"""`driftd logs [MODEL]`: what was logged, from the log file or the journal."""

import json
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.session import NO, SESSION, WRONG_USE, Exit, known_model

if TYPE_CHECKING:
    from daemon.tools.logs import Entry, Wanted

USUAL, BEFORE_FOLLOWING = 100, 10
EXAMPLES = "2h, 3d, 2026-11-30 or 2026-11-30T08:15"


def logs(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="Only this model.", show_default=False)] = None,
    event: Annotated[
        list[str] | None,
        typer.Option("--event", metavar="NAME,…", help="Only these events; may be repeated.", show_default=False),
    ] = None,
    level: Annotated[str, typer.Option(help="From this level up: debug, info, warning or error.")] = "debug",
    since: Annotated[
        str | None, typer.Option(help=f"What was logged since then: {EXAMPLES}.", show_default=False)
    ] = None,
    last: Annotated[
        int | None,
        typer.Option(
            "--last",
            "-n",
            min=0,
            show_default=False,
            help=f"How many, the newest; default: {USUAL}, {BEFORE_FOLLOWING} with --follow, all with --since.",
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            show_default=False,
            help="A file of JSON lines, - for standard input; default: the file of [service.log], else the journal.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As lines of JSON, as they were logged.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of all events, and end.")] = False,
) -> None:
    """What was logged: one line an event with its fields, oldest first.

    It reads the file of [service.log] with what it was rotated to, else the systemd journal. The ledger keeps events,
    too: `driftd history --events`.

    Examples:

      driftd logs --since 2h --level warning

      driftd logs churn --event drift_detected,version_promoted

      driftd logs --follow --json | jq .reason"""
    from daemon.tools.logs import LEVELS, Wanted, sentence

    if schema:
        from daemon.config.event_schema import event_schema

        print(json.dumps(event_schema(), indent=2))
        return
    if level not in LEVELS:
        raise Exit(WRONG_USE, f"--level is {level!r}; expected one of {', '.join(LEVELS)}")
    wanted = Wanted(model, _names(event or []), level, None if since is None else _moment(since))
    if last is None and wanted.since is None:
        last = BEFORE_FOLLOWING if follow else USUAL
    for entry in _entries(source, wanted, last, follow):
        print(json.dumps(entry) if as_json else sentence(entry), flush=follow)


def _entries(source: str | None, wanted: "Wanted", last: int | None, is_followed: bool) -> "Iterable[Entry]":
    from daemon.tools.logs import from_file, from_journal, from_lines

    if source == "-":
        found: Iterator[Entry] = from_lines(sys.stdin.buffer, wanted)
        return found if is_followed else _newest(found, last)
    path = Path(source) if source is not None else _configured(wanted.model)
    if path is None:
        found = from_journal(wanted, last, is_followed)
        return found if is_followed else _newest(found, last)
    if not path.exists() and not is_followed:
        hint = "" if source is not None else "; is the service running, and was it started since [service.log] was set?"
        raise Exit(NO, f"{path}: no such file{hint}")
    return _followed(path, wanted, last) if is_followed else _newest(from_file(path, wanted), last)


def _followed(path: Path, wanted: "Wanted", last: int | None) -> "Iterator[Entry]":
    """The newest of what is there, and then what comes."""
    from daemon.tools.logs import follow, from_file, whole_lines

    end = whole_lines(path)
    yield from _newest(from_file(path, wanted, end), last)
    yield from follow(path, wanted, end)


def _newest(entries: "Iterator[Entry]", last: int | None) -> "Iterable[Entry]":
    return entries if last is None else deque(entries, last)


def _configured(model: str | None) -> Path | None:
    config = SESSION.config()
    if model is not None:
        known_model(config, model)
    return config.log_file


def _names(given: list[str]) -> frozenset[str]:
    """The names of events; Exit 2 for one that there is not."""
    from daemon.config.events import EVENTS
    from daemon.config.mistakes import meant

    known = [one.name for one in EVENTS]
    names = frozenset(name.strip() for text in given for name in text.split(",") if name.strip())
    for name in sorted(names - set(known)):
        raise Exit(WRONG_USE, f"no event is called {name!r}{meant(name, known)}")
    return names


def _moment(text: str) -> float:
    """A duration ago or a moment, in Unix seconds; a moment without a zone is local."""
    from retrain.records.settings.units import duration_s

    try:
        return time.time() - duration_s(text)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Exit(WRONG_USE, f"--since is {text!r}; expected such as {EXAMPLES}") from None
    return at.astimezone(UTC).timestamp()
