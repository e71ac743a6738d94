"""What is known while the ledger cannot be read: what is served, by the files beside it, and what a person does."""

from typing import Any

from daemon.reports.page.asked import Facts, PageReader
from daemon.reports.page.overview_html import NAMES
from daemon.reports.page.prose import marked
from daemon.runtime.lock import is_held
from daemon.runtime.promoted import described
from daemon.runtime.serving import read_serving
from drift.notation import counted
from drift.report.page import filled, table
from drift.report.site import ServedPage

CONTENT = """
<ul class="todo"><li class="bad-need"><p><b>{{ trouble }}</b></p></li></ul>
<dl class="answers">{% for name, answer in answers %}
<div><dt>{{ name }}</dt><dd>{{ answer }}</dd></div>
{% endfor %}</dl>
{{ served }}
"""


def lost_facts(reader: PageReader, trouble: str) -> Facts:
    """`served` has by model the version that was promoted last, as a file beside the ledger says it, and by how many
    servers it is served."""
    serving, models = read_serving(reader.paths), dict[str, dict[str, Any]]()
    for name in reader.config.models:
        champion = _described(reader, name)
        said = [one["models"].get(name) for one in serving["servers"]]
        models[name] = {
            "version": None if champion is None else champion.deployment.name,
            "at": None if champion is None else champion.promoted_at,
            "before": None if champion is None or champion.predecessor is None else champion.predecessor.name,
            "servers": sum(one is not None and one["version"] is not None for one in said),
        }
    running = is_held(reader.config.state_dir)
    return {
        "view": "lost", "title": "The ledger cannot be read.", "trouble": trouble, "running": running,
        "served": models, "answers": _answers(models, trouble),
    }  # fmt: skip


def _described(reader: PageReader, name: str) -> Any:
    try:
        return described(reader.paths, name)
    except OSError:
        return None


def _answers(models: dict[str, Any], trouble: str) -> dict[str, str]:
    served = [name for name, one in models.items() if one["version"] is not None]
    newest = max(served, key=lambda name: models[name]["at"], default=None)
    changed = "not to be known without the ledger"
    if newest is not None:
        changed = f"{models[newest]['version']} of {newest} was promoted last"
    return {
        "serving": f"{len(served)} of {counted(len(models), 'model')} as promoted last: servers need no ledger",
        "waiting": f"the ledger: {trouble}",
        "changed": changed,
        "next": "nothing until it can be read: what is served stays as it is",
        "undo": "`driftd doctor` says what to do; `driftd restore DIR` brings back a backup",
    }


def lost_html(facts: Facts, now: float) -> str:
    """What is served all the same, and what to do."""
    rows = [(name, one["version"] or "–", one["servers"] or "–") for name, one in facts["served"].items()]
    served = table(
        [("model", ""), ("serves", ""), ("servers", "num")], rows, "As promoted last, by files beside the ledger"
    )
    content = filled(CONTENT, trouble=facts["trouble"], served=served,
                     answers=[(name, marked(facts["answers"][key], now)) for key, name in NAMES])  # fmt: skip
    lede = (
        "Predictions are answered by what was promoted last; nothing is checked, retrained or written down meanwhile."
    )
    return ServedPage(facts["title"], content, lede, follows=True).html()
