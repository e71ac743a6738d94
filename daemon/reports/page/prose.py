"""Sentences of reports as a page shows them: commands in backquotes as code, moments as elements."""

import re
from datetime import datetime

from markupsafe import Markup

from daemon.reports.page.moments import time_element
from drift.report.page import filled

PIECES = re.compile(r"`([^`]*)`|(?<![\w./:-])(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)(?![\w/-])")
SHOWN = """{% for kind, piece in pieces %}{% if kind == "code" %}<code>{{ piece }}</code>
{%- else %}{{ piece }}{% endif %}{% endfor %}"""


def marked(sentence: str, now: float) -> Markup:
    """A sentence with its commands and its moments; `now` in Unix seconds.

    >>> marked("`driftd pause m`, 1970-01-01T00:00:00Z: <b>", 60.0)
    Markup('<code>driftd pause m</code>, <time datetime="1970-01-01T00:00:00Z" ...>today 00:00</time>: &lt;b&gt;')
    """
    pieces: list[tuple[str, Markup | str]] = []
    end = 0
    for found in PIECES.finditer(sentence):
        pieces.append(("text", sentence[end : found.start()]))
        code, moment = found.groups()
        pieces.append(("code", code) if moment is None else ("text", _element(moment, now)))
        end = found.end()
    return filled(SHOWN, pieces=[*pieces, ("text", sentence[end:])])


def _element(stamp: str, now: float) -> Markup | str:
    """A moment as an element; what only looks like one stays as it is."""
    try:
        return time_element(datetime.fromisoformat(stamp).timestamp(), now)
    except ValueError:
        return stamp
