"""Which view is asked for: its facts, as `/api/…` answers them, and the same facts as a page."""

from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from daemon.ledger import Ledger
from daemon.reports.page.asked import Asked, Facts, PageReader
from daemon.reports.page.badge import badge_svg, lost_badge, view_of_badge
from daemon.reports.page.cycle import cycle_html, view_of_cycle
from daemon.reports.page.doctor import doctor_html, view_of_doctor
from daemon.reports.page.file import file_html, view_of_file
from daemon.reports.page.log import log_html, view_of_log
from daemon.reports.page.lost import lost_facts, lost_html
from daemon.reports.page.model import view_of_model
from daemon.reports.page.model_html import model_html
from daemon.reports.page.overview import overview_facts
from daemon.reports.page.overview_html import overview_html
from daemon.reports.page.versions import versions_html, view_of_versions
from retrain.records.errors import DriftdError

View = Callable[[PageReader, Ledger, Asked], Facts | None]
Html = Callable[[Facts, Asked], str]


def facts_of(reader: PageReader, asked: Asked) -> Facts | None:
    """What a view says, as plain JSON values; None where there is no such page. Where the ledger cannot be read, what
    is known without it."""
    view = _view(asked.path)
    if view is None:
        return None
    if asked.path == ("doctor",):
        return view_of_doctor(reader)
    if reader.ledger is None:
        return _lost(reader, asked, reader.trouble)
    try:
        return view[0](reader, reader.ledger, asked)
    except (SQLAlchemyError, DriftdError) as error:
        return _lost(reader, asked, _reason(error))


def _lost(reader: PageReader, asked: Asked, trouble: str) -> Facts | None:
    """What is known without the ledger: of any view, what is served all the same; badges stay badges."""
    return lost_badge(reader, asked) if asked.path[:1] == ("badge",) else lost_facts(reader, trouble)


def html_of(reader: PageReader, asked: Asked) -> str | None:
    """The same as a page; a badge as its picture."""
    view, facts = _view(asked.path), facts_of(reader, asked)
    if view is None or facts is None:
        return None
    return lost_html(facts, asked.now) if facts["view"] == "lost" else view[1](facts, asked)


def _view(path: tuple[str, ...]) -> tuple[View, Html] | None:
    match path:
        case ():
            return overview_facts, overview_html
        case ("m", _):
            return view_of_model, model_html
        case ("m", _, "cycle", _):
            return view_of_cycle, cycle_html
        case ("m", _, "file", _, *_):
            return view_of_file, file_html
        case ("m", _, "versions"):
            return view_of_versions, versions_html
        case ("log",):
            return view_of_log, log_html
        case ("doctor",):
            return _doctor, doctor_html
        case ("badge", _):
            return view_of_badge, badge_svg
    return None


def _doctor(reader: PageReader, _ledger: Ledger, _asked: Asked) -> Facts | None:
    return view_of_doctor(reader)


def _reason(error: Exception) -> str:
    told = getattr(error, "orig", None)
    return str(told if told is not None else error)
