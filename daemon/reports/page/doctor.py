"""The doctor's view: what would keep the service from working, and what to do."""

from daemon.reports.page.actions import reload_button
from daemon.reports.page.asked import Asked, Facts, PageReader
from daemon.reports.page.prose import marked
from drift.notation import counted
from drift.report.glyphs import state
from drift.report.page import filled
from drift.report.site import ServedPage

KINDS = {"ok": ("ok", "fine"), "warning": ("warn", "note"), "error": ("bad", "bad")}
RELOAD_IS = "Applies what was changed in the configuration file since; where it has mistakes, nothing changes."
CONTENT = """
<ul class="findings">{% for mark, what, way_out in findings %}
<li><span>{{ mark }}</span><p>{{ what }}{% if way_out %}<br><span class="soft">{{ way_out }}</span>{% endif %}</p></li>
{% endfor %}</ul><div class="acts">{{ reload }}</div>
<p class="soft">On the command line: <code>driftd doctor</code>.</p>
"""


def view_of_doctor(reader: PageReader) -> Facts | None:
    """`findings` is what `driftd doctor --json` prints; None where nobody can look."""
    if reader.examine is None:
        return None
    findings = [dict(one) for one in reader.examine(reader.config)]
    bad, notes = (sum(one["level"] == level for one in findings) for level in ("error", "warning"))
    title = "All is well." if not bad else f"{counted(bad, 'finding', 'need')} you."
    title = f"{counted(notes, 'note')}, and nothing bad." if notes and not bad else title
    return {"view": "doctor", "title": title, "findings": findings}


def doctor_html(facts: Facts, asked: Asked) -> str:
    """The bad first."""
    order = list(reversed(KINDS))
    found = sorted(facts["findings"], key=lambda one: order.index(one["level"]))
    shown = [
        (state(*KINDS[one["level"]]), *(marked(one[key], asked.now) for key in ("what", "way_out"))) for one in found
    ]
    content = filled(CONTENT, findings=shown, reload=reload_button(asked, RELOAD_IS))
    return ServedPage(facts["title"], content, view="Doctor").html()
