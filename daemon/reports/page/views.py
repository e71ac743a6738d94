"""Which view is asked for: its facts, as `/api/…` answers them, and the same facts as a page."""

import sqlite3
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from daemon.ledger import Ledger
from daemon.reports.page.asked import Asked, Facts, PageReader
from daemon.reports.page.lost import lost_facts, lost_html
from daemon.reports.page.model import view_of_model
from daemon.reports.page.model_html import model_html
from daemon.reports.page.overview import overview_facts
from daemon.reports.page.overview_html import overview_html
from retrain.records.errors import DriftdError

View = Callable[[PageReader, Ledger, Asked], Facts | None]
Html = Callable[[Facts, Asked], str]


def facts_of(reader: PageReader, asked: Asked) -> Facts | None:
    """What a view says, as plain JSON values; None where there is no such page. Where the ledger cannot be read, what
    is known without it."""
    view = _view(asked.path)
    if view is None:
        return None
    if reader.ledger is None:
        return lost_facts(reader, reader.trouble)
    try:
        return view[0](reader, reader.ledger, asked)
    except (SQLAlchemyError, sqlite3.Error, DriftdError) as error:
        return lost_facts(reader, _reason(error))


def html_of(reader: PageReader, asked: Asked) -> str | None:
    """The same as a page; a badge as its picture."""
    view, facts = _view(asked.path), facts_of(reader, asked)
    if view is None or facts is None:
        return None
    return lost_html(facts) if facts["view"] == "lost" else view[1](facts, asked)


def _view(path: tuple[str, ...]) -> tuple[View, Html] | None:
    match path:
        case ():
            return overview_facts, overview_html
        case ("m", _):
            return view_of_model, model_html
    return None


def _reason(error: Exception) -> str:
    told = getattr(error, "orig", None)
    return str(told if told is not None else error)
