"""A data file's view: what became of it, which columns moved, what was rejected, and what a person may do."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection

from daemon.config.paths import StatePaths
from daemon.ledger import Ledger, checks, labels, quality
from daemon.ledger import files as data_files
from daemon.reading.rejects import printable
from daemon.reports.files import MAX_REJECTS, file_json, remark, settled_rows
from daemon.reports.page.actions import button, href, link
from daemon.reports.page.asked import Asked, Facts, PageReader
from daemon.reports.page.columns import MOST_DRAWN, by_weight, columns_html
from daemon.reports.page.distributions import Distributions, distributions, taught_by
from daemon.reports.page.moments import time_element
from daemon.reports.performance import estimate_sentence, reference_words
from drift.notation import score
from drift.report.page import filled, table
from drift.report.site import ServedPage

CONTENT = """
<dl class="plain">{% for name, value in lines %}<div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>{% endfor %}</dl>
<div class="acts">{% for act in acts %}{{ act }} {% endfor %}</div>
{{ columns }}
{% if rejects %}<section><h2>Rejected rows</h2>{{ rejects }}</section>{% endif %}
"""
HOLD_IS = "Its rows teach nobody until it is released; it is still checked."
FORGET_IS = "Its rows leave every window for good: this cannot be undone."


def view_of_file(reader: PageReader, ledger: Ledger, asked: Asked) -> Facts | None:
    """`file` is what `driftd files --json` prints of the newest file at this path; `check` is its newest check. None
    where the model has no such file."""
    model, path = asked.path[1], "/".join(asked.path[3:])
    if model not in reader.config.models:
        return None
    with ledger.connect() as conn:
        row = quality.file_at(conn, model, path)
        if row is None:
            return None
        rejects = data_files.first_rejects(conn, [row.id], MAX_REJECTS).get(row.id, [])
        untested = checks.untested(conn, [row.id]).get(row.id)
        matures = reader.config.models[model].labels.maturity is not None
        settled = settled_rows(row, labels.load(conn, model), matures)
        check = _check(conn, row.id)
        taught = None if check is None else taught_by(conn, model, check["deployment"])
    told = file_json(row, rejects) | {"untested": untested, "settled": settled}
    words = {"held": "is held", "refused": "was refused", "accepted": "was taken in"}.get(row.state, f"is {row.state}")
    return {
        "view": "file", "model": model, "path": row.path, "title": f"{printable(row.path)} {words}.", "file": told,
        "remark": remark(row, untested, settled), "taken": row.at, "check": check,
        "distributions": _drawn(reader.paths, model, taught, row.snapshot, check),
        "reference": taught, "min_effect": reader.config.models[model].drift.min_effect,
    }  # fmt: skip


def _drawn(paths: StatePaths, model: str, version: str | None, snapshot: str | None, check: Any) -> Distributions:
    """Of the columns that matter most, how they are distributed in the file and in the rows that taught the version."""
    if version is None or snapshot is None:
        return {}
    names = tuple(one["name"] for one in check["columns"][:MOST_DRAWN])
    return distributions(paths.model(model).version(version), paths.state / snapshot, names)


def _check(conn: Connection, file_id: int) -> dict[str, Any] | None:
    """The newest check of a file; its columns by effect times importance, those that drifted first."""
    row = quality.check_of_file(conn, file_id)
    if row is None:
        return None
    found = by_weight([*row.report.get("columns", ()), *row.report.get("outputs", ())])
    return {
        "check": row.id, "deployment": row.deployment, "version": row.version, "at": row.started_at,
        "drift": row.drift, "columns": found,
        "performance": row.performance, "estimated": row.estimated,
    }  # fmt: skip


def file_html(facts: Facts, asked: Asked) -> str:
    """What became of it first, then its columns and its rejected rows."""
    model, told, check = facts["model"], facts["file"], facts["check"]
    lede = filled("{{ model }} · taken {{ at }}", model=link(href("m", model), model),
                  at=time_element(facts["taken"], asked.now))  # fmt: skip
    compared = facts["distributions"], facts["reference"], facts["min_effect"]
    columns = "" if check is None else columns_html(check["columns"], *compared)
    content = filled(CONTENT, lines=_lines(facts), acts=_acts(facts, asked), columns=columns,
                     rejects=_rejects(told["rejects"]))  # fmt: skip
    return ServedPage(facts["title"], content, lede, follows=True).html()


def _lines(facts: Facts) -> list[tuple[str, Any]]:
    told, check = facts["file"], facts["check"]
    lines: list[tuple[str, Any]] = [("state", told["state"])]
    lines += [("why", facts["remark"])] if facts["remark"] else []
    rejected = f", {told['rejected']:,} rejected" if told["rejected"] else ""
    lines.append(("rows", f"{told['rows']:,}, {told['labelled_rows']:,} labelled{rejected}"))
    if check is None:
        return lines
    moved = [one["name"] for one in check["columns"] if one["drift"]]
    lines.append(("check", f"drift in {', '.join(moved[:5])}" if moved else "no drift"))
    performance = check["performance"]
    if performance and performance["value"] is not None:
        words = reference_words(performance)
        lines.append((performance["metric"].replace("_", " "), f"{score(performance['value'])}{words and '; '}{words}"))
    elif estimate := estimate_sentence(check["estimated"]):
        lines.append(("estimated", estimate))
    return lines


def _acts(facts: Facts, asked: Asked) -> list[Markup]:
    model, fields, state = facts["model"], {"file": facts["path"]}, facts["file"]["state"]
    forget = button(asked, model, "forget", "Forget", fields, sure=FORGET_IS)
    if state == "held":
        return [button(asked, model, "release", "Release", fields, primary=True), forget]
    return [button(asked, model, "hold", "Hold", fields, sure=HOLD_IS), forget] if state == "accepted" else []


def _rejects(found: Sequence[Mapping[str, Any]]) -> Markup | str:
    if not found:
        return ""
    rows = [
        (one["line"] if one["line"] is not None else "", one["column"] or "", one["reason"], one["raw"] or "")
        for one in found
    ]
    return table([("line", "num"), ("column", ""), ("why", "why"), ("as it stood", "why")], rows)
