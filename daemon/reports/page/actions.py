"""Buttons of those who may act; of all others, the command that does the same."""

import shlex
from collections.abc import Mapping
from urllib.parse import quote

from markupsafe import Markup

from daemon.reports.page.asked import Asked
from daemon.runtime.printable import CONTROLS
from drift.report.page import filled

FORM = """
<form method="post" action="{{ action }}"><input type="hidden" name="csrf" value="{{ csrf }}">
{%- for name, value in fields.items() %}<input type="hidden" name="{{ name }}" value="{{ value }}">{% endfor -%}
<button{% if primary %} class="primary"{% endif %}>{{ word }}</button></form>
"""
SURE = """
<details class="sure"><summary class="button">{{ word }}…</summary><div><p>{{ what }}</p>{{ form }}</div></details>
"""
COMMAND = "<code>{{ command }}</code>"


def button(
    asked: Asked, model: str, command: str, word: str, fields: Mapping[str, str], primary: bool = False, sure: str = ""
) -> Markup:
    """What posts a command about a model; `sure` is what it comes to, told before it is done. `fields` are what the
    command is given (`cycle`, `version`, `file`). Those who may not act see what to type, and so does everybody where
    a name has characters that a form does not keep."""
    if not asked.may_act or any(CONTROLS.search(value) or not _is_text(value) for value in fields.values()):
        return filled(COMMAND, command=typed(model, command, fields))
    form = filled(FORM, action=f"/api/m/{quote(model, safe='')}/{command}", csrf=asked.csrf, fields=fields,
                  word=word, primary=primary and not sure)  # fmt: skip
    return filled(SURE, word=word, what=sure, form=form) if sure else form


def reload_button(asked: Asked, sure: str) -> Markup:
    """The same for the one command that is about no model."""
    if not asked.may_act:
        return filled(COMMAND, command="driftd reload")
    word = "Reload the configuration"
    form = filled(FORM, action="/api/reload", csrf=asked.csrf, fields={}, word=word, primary=False)
    return filled(SURE, word=word, what=sure, form=form)


def typed(model: str, command: str, fields: Mapping[str, str]) -> str:
    """The same on the command line.

    >>> typed("m", "approve", {"cycle": "3"}), typed("m", "hold", {"file": "a b.csv"}), typed("m", "pause", {})
    ('driftd approve 3', "driftd hold 'a b.csv' --model m", 'driftd pause m')
    """
    if "cycle" in fields:
        return f"driftd {command} {fields['cycle']}"
    if "file" in fields:
        return f"driftd {command} {shown(fields['file'])} --model {model}"
    return " ".join([f"driftd {command}", model, *fields.values()])


def shown(name: str) -> str:
    """A name as a shell takes it."""
    return shlex.quote(name)


def _is_text(value: str) -> bool:
    return value.encode("utf-8", "replace").decode() == value


def link(address: str, words: Markup | str) -> Markup:
    """A link."""
    return filled('<a href="{{ address }}">{{ words }}</a>', address=address, words=words)


def href(*parts: str | int) -> str:
    """The address of a view; each part may be any text.

    >>> href("m", "churn", "file", "a/b?.csv"), href()
    ('/m/churn/file/a%2Fb%3F.csv', '/')
    """
    return "/" + "/".join(quote(str(part), safe="", errors="surrogateescape") for part in parts)
