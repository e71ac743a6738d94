"""A cycle's view: `driftd explain` as a story with the gate's picture."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from daemon.ledger import Ledger
from daemon.reports.explain import describe, gain_of, story_parts
from daemon.reports.page.actions import button, href, link
from daemon.reports.page.asked import Asked, Facts, PageReader
from daemon.reports.page.changes import words
from daemon.reports.page.moments import stamp, time_element
from daemon.reports.page.prose import marked
from drift.report.interval_chart import Interval, intervals
from drift.report.page import filled
from drift.report.site import ServedPage

Z_90 = 1.644854
"""The 95 % quantile of the standard normal distribution."""
Block = tuple[str, list[str]]
Part = tuple[str, Markup, list[tuple[str, list[Markup]]], Markup | str]
"""A heading, a first sentence, blocks of lines, and a picture."""
HEADINGS = {
    "opening": "Why it was opened", "savings": "What a fresh model would have saved", "labels": "Labels",
    "evidence": "What a check saw", "prepare": "Rows", "train": "Training", "evaluate": "The comparison",
    "troubles": "Troubles", "cpu": "What it cost", "trial": "Trial", "ending": "How it ended",
    "rolled back": "Rolled back",
}  # fmt: skip
CONTENT = """
{% if acts %}<div class="acts">{{ acts }}</div>{% endif %}
<ol class="story">{% for heading, first, blocks, picture in parts %}
<li><h2>{{ heading }}</h2><p>{{ first }}</p>{% if picture %}{{ picture }}{% endif %}
{% for kind, lines in blocks %}
{% if kind == "aligned" %}<pre class="lines" tabindex="0">{{ lines|join("\n") }}</pre>
{% elif kind == "list" %}<ul class="notes">{% for line in lines %}<li>{{ line }}</li>{% endfor %}</ul>
{% else %}{% for line in lines %}<p>{{ line }}</p>{% endfor %}{% endif %}
{% endfor %}</li>
{% endfor %}</ol>
<p class="soft">On the command line: <code>driftd explain {{ cycle }}</code>; with <code>--json</code> all digits.</p>
"""


def view_of_cycle(reader: PageReader, ledger: Ledger, asked: Asked) -> Facts | None:
    """`explain` is what that command prints of the cycle as JSON; None where the model has no such cycle."""
    _, model, _, number = asked.path
    if model not in reader.config.models or not (number.isascii() and number.isdigit() and len(number) < 16):
        return None
    with ledger.connect() as conn:
        try:
            facts = describe(conn, int(number))
        except LookupError:
            return None
    if facts["model"] != model:
        return None
    return {"view": "cycle", "model": model, "title": _title(facts), "explain": facts}


def _title(facts: Mapping[str, Any]) -> str:
    outcome = words({"kind": "cycle", "cycle": facts["cycle"], "state": facts["state"], "version": facts["version"]})
    return f"{facts['model']}: {outcome}."


def cycle_html(facts: Facts, asked: Asked) -> str:
    """From evidence to outcome, in order."""
    found, model = facts["explain"], facts["model"]
    gate = intervals(gate_rows(found), "Gain over the champion; right of the line the challenger is better")
    told = story_parts(found, stamp)
    parts = [_part(about, text, gate if about == "evaluate" else "", asked.now) for about, text in told]
    act: Markup | str = ""
    if found["state"] == "awaiting_approval":
        fields = {"cycle": str(found["cycle"])}
        act = button(asked, model, "approve", "Approve", fields, primary=True)
    lede = filled("{{ model }} · opened {{ at }}", model=link(href("m", model), model),
                  at=time_element(found["opened_at"], asked.now))  # fmt: skip
    content = filled(CONTENT, acts=act, parts=parts, cycle=found["cycle"])
    return ServedPage(facts["title"], content, lede, follows=True).html()


def _part(about: str, text: str, picture: Markup | str, now: float) -> Part:
    first, _, rest = text.partition("\n")
    shown = [(kind, [marked(line, now) for line in lines]) for kind, lines in blocks(rest)]
    return HEADINGS[about], marked(first, now), shown, picture


def blocks(text: str) -> list[Block]:
    """Lines of a story as lists, as prose, and as what is aligned by spaces.

    >>> blocks("Why: it pays.\\n  - one\\n  - two\\n  challenger   0.8")
    [('prose', ['Why: it pays.']), ('list', ['one', 'two']), ('aligned', ['  challenger   0.8'])]
    """
    found: list[Block] = []
    for line in filter(None, text.split("\n")):
        kind, shown = "prose", line.strip()
        if line.startswith("  - "):
            kind, shown = "list", line[4:]
        elif "  " in line.strip():
            kind, shown = "aligned", line
        if not found or found[-1][0] != kind:
            found.append((kind, []))
        found[-1][1].append(shown)
    return found


def gate_rows(facts: Mapping[str, Any]) -> list[Interval]:
    """What was seen on held-out rows, what the next files were expected to show, and what they came to."""
    found, realised = facts["evaluate"], facts["realised"]
    if found is None or found["difference"] is None:
        return []
    rows = [("on held-out rows", *_around(gain_of(found), found["difference_se"]))]
    if forecast := found.get("forecast"):
        rows.append(("expected over the next files", forecast["low"], forecast["mean"], forecast["high"]))
    if realised is not None:
        rows.append(("came to", *_around(realised["difference"], realised.get("se"))))
    return rows


def _around(middle: float, se: float | None) -> tuple[float, float, float]:
    half = Z_90 * (se or 0.0)
    return middle - half, middle, middle + half
