"""A badge of a model for other pages: its name and its state, as a picture."""

from daemon.ledger import Ledger
from daemon.ledger import files as data_files
from daemon.reports.page.asked import Asked, Facts, PageReader
from daemon.reports.page.needs import needs, state
from daemon.reports.status import status_json
from drift.report.page import filled

COLOURS = {"ok": "#2f7d5b", "warn": "#a86400", "held": "#6b4ea0", "bad": "#b3261e"}
CHARACTER_PX, PADDING_PX = 6.6, 12
BADGE = """<svg xmlns="http://www.w3.org/2000/svg" width="{{ left + right }}" height="20" role="img"
 aria-label="{{ model }}: {{ word }}"><title>{{ model }}: {{ word }}</title>
<rect width="{{ left + right }}" height="20" rx="4" fill="#3c3f44"/>
<path fill="{{ colour }}" d="M{{ left }} 0h{{ right - 4 }}a4 4 0 0 1 4 4v12a4 4 0 0 1-4 4h-{{ right - 4 }}z"/>
<g fill="#fff" font-family="Verdana, DejaVu Sans, sans-serif" font-size="11" text-anchor="middle">
<text x="{{ left / 2 }}" y="14">{{ model }}</text><text x="{{ left + right / 2 }}" y="14">{{ word }}</text></g></svg>
"""
ENDING = ".svg"


def view_of_badge(reader: PageReader, ledger: Ledger, asked: Asked) -> Facts | None:
    """`state` as on the overview; None where there is no such model."""
    model = _model(reader, asked)
    if model is None:
        return None
    status = status_json(reader.config, ledger, [model], brief=True)["models"][model]
    with ledger.connect() as conn:
        held = data_files.listed(conn, model, "held", 1) if status["files"].get("held") else ()
    needed = needs(model, status, held[0] if held else None)
    return {"view": "badge", "model": model, "state": state(status, needed)}


def lost_badge(reader: PageReader, asked: Asked) -> Facts | None:
    """The same where the ledger cannot be read."""
    model = _model(reader, asked)
    return None if model is None else {"view": "badge", "model": model, "state": {"kind": "bad", "word": "unknown"}}


def _model(reader: PageReader, asked: Asked) -> str | None:
    name = asked.path[1]
    model = name.removesuffix(ENDING)
    return model if name.endswith(ENDING) and model in reader.config.models else None


def badge_svg(facts: Facts, _asked: Asked) -> str:
    """The picture, of type image/svg+xml."""
    word = facts["state"]["word"]
    left, right = (round(CHARACTER_PX * len(text)) + PADDING_PX for text in (facts["model"], word))
    return str(
        filled(BADGE, model=facts["model"], word=word, left=left, right=right, colour=COLOURS[facts["state"]["kind"]])
    )
