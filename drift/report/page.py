"""The frame of every page: one Jinja2 environment that escapes, one layout, one stylesheet, and tables.

A page is one file that needs no network and runs no script; its policy allows its own stylesheet and nothing else.
What users named (columns, files, categories) only ever enters through expressions of templates, which are escaped."""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from drift import notation
from drift.report.style import STYLE, scoped

LONGEST = 60
"""Names in labels and values in lists are cut to this many characters; headings hold the whole name."""

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of all that follows."""

POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'"
)

LAYOUT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} – driftd</title>
<style>{{ style }}</style>
</head>
<body>
<header><strong>driftd</strong> <span>{{ command }}</span></header>
<main>
{{ content }}
</main>
<footer>{{ footer }}</footer>
</body>
</html>
"""

CONTENT = """<h1>{{ title }}</h1>
{% for sentence in lede %}
<p class="lede">{{ sentence }}</p>
{% endfor %}
<dl>
{% for name, value, more in figures %}
<div><dt>{{ name }}</dt><dd>{{ value }}<small>{{ more }}</small></dd></div>
{% endfor %}
</dl>
{% for heading, content in sections if content %}
<section>
<h2>{{ heading }}</h2>
{{ content }}
</section>
{% endfor %}"""

FRAGMENT = """<div class="driftd">
<style>{{ style }}</style>
{{ content }}
<footer>{{ footer }}</footer>
</div>
"""

TABLE = """
{%- if folded %}<details class="table"><summary>{{ caption or "As a table" }}</summary>{% endif -%}
<div class="scroll" tabindex="0"><table>{% if caption and not folded %}<caption>{{ caption }}</caption>{% endif %}
<thead><tr>{% for head, kind in heads %}{% set style %}{% if kind %} class="{{ kind }}"{% endif %}{% endset %}
{%- if head %}<th scope="col"{{ style }}>{{ head }}</th>{% else %}<td{{ style }}></td>{% endif %}
{%- endfor %}</tr></thead><tbody>
{% for row in rows %}<tr><th scope="row"><bdi>{{ row[0] }}</bdi></th>
{%- for head, kind in heads[1:] %}<td{% if kind %} class="{{ kind }}"{% endif %}>{{ row[loop.index] }}</td>{% endfor -%}
</tr>
{% endfor %}</tbody></table></div>
{%- if folded %}</details>{% endif %}
"""

NOTES = '<ul class="notes">{% for note in notes %}<li>{{ note }}</li>{% endfor %}</ul>'


@dataclass(frozen=True)
class Page:
    """What a page holds. `title` is the answer in one sentence, `lede` the sentences below it, `figures` names, values
    and remarks, `sections` headings and contents; one without content is left out."""

    command: str
    title: str
    figures: Sequence[tuple[str, str, str]]
    sections: Sequence[tuple[str, Markup | str]]
    footer: str
    lede: Sequence[str] = ()

    def html(self) -> str:
        """The whole page; what UTF-8 cannot write becomes "?"."""
        return self._text(LAYOUT, STYLE)

    def fragment(self) -> str:
        """The same as a part of another page, such as a notebook's: its style is of its own element alone."""
        return self._text(FRAGMENT, scoped(STYLE, ".driftd"))

    def _text(self, layout: str, style: str) -> str:
        values = self.__dict__ | {"content": filled(CONTENT, **self.__dict__)}
        text = filled(layout, policy=POLICY, style=Markup(style), **values)  # noqa: S704 (a constant)
        return text.encode("utf-8", "replace").decode()


def filled(template: str, **values: Any) -> Markup:
    """A template with its values, each escaped.

    >>> filled("<b>{{ name }}</b>", name="<i>")
    Markup('<b>&lt;i&gt;</b>')
    """
    return Markup(_compiled(template).render(values))  # noqa: S704 (the environment escaped them)


def table(
    heads: Sequence[tuple[str, str]], rows: Iterable[Sequence[Any]], caption: str = "", folded: bool = False
) -> Markup:
    """Rows beneath headings; each heading has the class of its column: "num", "why", "wide" or "". The first cell of
    a row names it. A column with heading and no content is left out."""
    rows = [list(row) for row in rows]
    shown = [place for place in range(len(heads)) if place == 0 or any(row[place] for row in rows)]
    kept = [[row[place] for place in shown] for row in rows]
    return filled(TABLE, heads=[heads[place] for place in shown], rows=kept, caption=caption, folded=folded)


def notes(sentences: Sequence[str]) -> Markup | str:
    """A list of sentences; nothing where there are none."""
    return filled(NOTES, notes=sentences) if sentences else ""


def cut(text: object, longest: int = LONGEST) -> str:
    """A name for a place with little room.

    >>> cut("abcdef", 4), cut("")
    ('abc…', '(empty)')
    """
    name = str(text) or "(empty)"
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _clean(value: Any) -> Any:
    if value is None:
        return notation.NONE
    return CONTROL.sub("\ufffd", value) if type(value) is str else value


_ENVIRONMENT = Environment(
    autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_clean
)  # fmt: skip
_ENVIRONMENT.filters |= {"cut": cut, **{name: getattr(notation, name) for name in ("number", "p_value", "share")}}


@lru_cache(maxsize=64)
def _compiled(template: str) -> Template:
    return _ENVIRONMENT.from_string(template)
