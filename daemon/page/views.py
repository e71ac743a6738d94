"""The views, until each has its own: where all models stand, as `driftd status` says it."""

from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from daemon.reports.page.asked import Asked, PageReader
from daemon.reports.status import overview

TEMPLATES = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def facts_of(reader: PageReader, asked: Asked) -> Any | None:
    """What a view shows, as JSON; None where there is no such view."""
    if asked.path:
        return None
    if reader.ledger is None:
        return {"trouble": reader.trouble, "models": {}}
    return {"trouble": None, **overview(reader.config, reader.ledger)}


def html_of(reader: PageReader, asked: Asked) -> str | None:
    """The same as a page."""
    facts = facts_of(reader, asked)
    return None if facts is None else rendered("overview.html", facts=facts, asked=asked)


def rendered(name: str, **values: Any) -> str:
    """A template of this room, filled in; all values are escaped."""
    text = (files("daemon.page") / "templates" / name).read_text("utf-8")
    return TEMPLATES.from_string(text).render(values)
