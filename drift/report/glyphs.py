"""Small pictures that say a state or a row of files by shape and height as well as by colour."""

from collections.abc import Sequence

from markupsafe import Markup

from drift.notation import counted
from drift.report.page import filled

STATES = {
    "ok": "M5 .5a4.5 4.5 0 1 0 .01 0z", "warn": "M5 0 10 10H0z", "held": "M1 1h3v8H1zM6 1h3v8H6z",
    "bad": "M0 2 2 0l3 3 3-3 2 2-3 3 3 3-2 2-3-3-3 3-2-2 3-3z",
}  # fmt: skip
STATE = """
<span class="state {{ kind }}"><svg viewBox="0 0 10 10" aria-hidden="true"><path d="{{ drawn }}"
 fill="currentColor"/></svg>{{ word }}</span>
"""
HEIGHTS = {"clean": 10, "drift": 17, "held": 24, "refused": 24, "none": 2}
WORDS = {"clean": "clean", "drift": "drifted", "held": "held", "refused": "refused"}
FILES = """
<svg class="files" viewBox="0 0 {{ 7 * bars|length }} 26" preserveAspectRatio="none" role="img"
 aria-label="{{ label }}">
{%- for x, height, kind, title in bars %}<rect class="f-{{ kind }}" x="{{ x }}" y="{{ 26 - height }}" width="5"
 height="{{ height }}"{% if title %}><title>{{ title }}</title></rect>{% else %}/>{% endif %}{% endfor %}</svg>
"""


def state(kind: str, word: str) -> Markup:
    """A state's shape and word; `kind` is "ok", "warn", "held" or "bad"."""
    return filled(STATE, kind=kind, word=word, drawn=STATES[kind])


def file_bars(files: Sequence[tuple[str, str]], places: int) -> Markup:
    """The newest files at the right, each by its kind ("clean", "drift", "held" or "refused") and title; places that no
    file has yet stand low."""
    shown = [("none", "")] * (places - len(files)) + list(files)[-places:]
    bars = [(7 * at, HEIGHTS[kind], kind, title) for at, (kind, title) in enumerate(shown)]
    return filled(FILES, bars=bars, label=bar_words([kind for kind, _ in files[-places:]]))


def bar_words(kinds: Sequence[str]) -> str:
    """What the bars come to.

    >>> bar_words(["clean", "clean", "held"]), bar_words([])
    ('2 of the last 3 files clean, 1 held', 'no files yet')
    """
    if not kinds:
        return "no files yet"
    parts = [(WORDS[kind], kinds.count(kind)) for kind in ("drift", "held", "refused")]
    told = "".join(f", {count} {word}" for word, count in parts if count)
    return f"{kinds.count('clean')} of the last {counted(len(kinds), 'file')} clean{told}"
