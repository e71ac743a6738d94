"""One cycle as a story: why it was opened, what was seen, what was compared, and how it ended."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from daemon.ledger import checks, cycles, deployments, promotions, trials
from daemon.ledger.tables import cycles as cycle_table
from daemon.ledger.tables import files
from daemon.ledger.tables import promotions as promotion_table
from daemon.reports.cpu import cpu_of_cycle, cycle_sentence
from daemon.reports.forecast import forecast_lines
from daemon.reports.forgotten import forgotten_of, since_sentence
from daemon.reports.labels import labels_of_cycle, labels_text
from daemon.reports.performance import estimate_sentence, reference_words, rise_sentence
from daemon.reports.recommender import METRIC, half_life_words, lists_sentence
from daemon.reports.savings import savings_json, savings_text
from daemon.reports.timeline import roll_back_json, undone_words
from daemon.reports.trial import terms, trial_json
from drift.notation import amount, counted, p_value, score, shown_difference, signed

When = Callable[[float], str]
MOST_SENTENCES = 6
STAGE_KEYS = ("stage", "attempt", "state", "reason", "started_at", "finished_at")
CYCLE_KEYS = ("model", "state", "reason", "version", "opened_at", "finished_at", "trigger")


def describe(conn: Connection, cycle_id: int) -> dict[str, Any]:
    """What the ledger has of a cycle, as plain JSON values; LookupError if there is none."""
    row = conn.execute(select(cycle_table).where(cycle_table.c.id == cycle_id)).first()
    if row is None:
        raise LookupError(cycle_id)
    results = cycles.results(conn, cycle_id)
    metric = results.get("train", {}).get("metric", {})
    task = "regression" if metric.get("initial_median") is not None else "classification"
    task = "recommendation" if metric.get("name") == METRIC else task
    promotion = conn.execute(select(promotion_table).where(promotion_table.c.cycle_id == cycle_id)).first()
    return {
        "cycle": row.id,
        **_picked(row, CYCLE_KEYS),
        "evidence": _evidence(conn, row.trigger),
        "savings": savings_json(conn, row),
        "labels": labels_of_cycle(conn, row),
        "held": _held(conn, row),
        **{stage: results.get(stage) for stage in ("prepare", "train", "evaluate")},
        "stages": [_picked(stage, STAGE_KEYS) for stage in cycles.stages_of(conn, cycle_id)],
        "cpu": cpu_of_cycle(conn, row, results),
        "trial": trial_json(conn, row.model, task, trials.of_cycle(conn, row.id)),
        "swapped_at": promotion.swapped_at if promotion is not None else None,
        "rolled_back": _rolled_back(conn, row),
        "realised": row.realised,
        "forgotten": forgotten_of(conn, row.model, results.get("prepare") or {}),
    }


def _picked(row: Any, keys: Iterable[str]) -> dict[str, Any]:
    return {key: getattr(row, key) for key in keys}


def _rolled_back(conn: Connection, cycle: Any) -> dict[str, Any] | None:
    """The newest roll-back of the cycle's version."""
    done = [one for one in promotions.roll_backs(conn, cycle.model) if one.version == cycle.version]
    return roll_back_json(conn, cycle.model, done[-1]) if done else None


def _evidence(conn: Connection, trigger: dict[str, Any]) -> list[dict[str, Any]]:
    """The checks that the trigger names."""
    named = trigger["evidence"]
    ids = named.get("checks") or ([named["check"]] if "check" in named else [])
    return [_check_json(conn, row) for row in (checks.get(conn, check_id) for check_id in ids) if row is not None]


def _check_json(conn: Connection, row: Any) -> dict[str, Any]:
    report = row.report
    drifted = [c for c in (*report["columns"], *report.get("outputs", ())) if c["drift"]]
    drifted.sort(key=lambda column: -(column["effect"] or 0.0))
    return {
        "check": row.id, "kind": row.kind, "version": row.version,
        "against": deployments.described(conn, row.model, row.version),
        "file": conn.scalar(select(files.c.path).where(files.c.id == row.file_id)),
        "columns": len(report["columns"]), "drifted": [c["name"] for c in drifted],
        "sentences": [c.get("sentence") or c["name"] for c in drifted], "notes": report.get("notes", []),
        "performance": row.performance, "estimated": row.estimated, "stream": row.stream,
        "together": report.get("multivariate"),
    }  # fmt: skip


def _held(conn: Connection, cycle: Any) -> list[dict[str, Any]]:
    """The files that the cycle could have used and that are held now."""
    wanted = files.c.model == cycle.model, files.c.state == "held", files.c.seq <= cycle.up_to_seq
    rows = conn.execute(select(files.c.path, files.c.reason).where(*wanted).order_by(files.c.seq))
    return [{"file": row.path, "reason": row.reason} for row in rows]


def story(facts: dict[str, Any]) -> str:
    """The same in words."""
    return "\n\n".join(text for _, text in story_parts(facts))


def story_parts(facts: dict[str, Any], when: When | None = None) -> list[tuple[str, str]]:
    """The parts of the story in their order, each with what it is about; `when` words moments, else local time."""
    savings = "" if facts["savings"] is None else savings_text(facts["savings"])
    labels = "" if facts["labels"] is None else labels_text(facts["labels"], when)
    when = when or _when
    parts = [("opening", _opening(facts, when)), ("savings", savings), ("labels", labels)]
    parts += [("evidence", _check(check)) for check in facts["evidence"]]
    for stage, section in (("prepare", _prepared), ("train", _trained), ("evaluate", _evaluated)):
        parts += [(stage, section(facts))] if facts[stage] is not None else []
    parts += [("troubles", _troubles(facts["stages"])), ("cpu", cycle_sentence(facts["cpu"]))]
    parts += [("trial", _tried(facts["trial"], when)), ("ending", _ending(facts, when))]
    parts += [("forgotten", _forgotten(facts))] if facts.get("forgotten") is not None else []
    parts += [("rolled back", _undone(facts["rolled_back"], when))] if facts["rolled_back"] is not None else []
    return [(about, text) for about, text in parts if text]


def _opening(facts: dict[str, Any], when: When) -> str:
    trigger = facts["trigger"]
    return (
        f"Cycle {facts['cycle']} of {facts['model']}, opened {when(facts['opened_at'])}\n"
        f"Why: {trigger['reason']} (trigger: {trigger['kind']})."
    )


def _check(check: dict[str, Any]) -> str:
    what = f"file {check['file']}" if check["file"] else "the recent window"
    lines = [f"Check {check['check']} of {what} against {check['against']}:"]
    if check["drifted"]:
        lines[0] += f" {len(check['drifted'])} of its columns and outputs had drifted."
        lines += [f"  - {sentence}" for sentence in check["sentences"][:MOST_SENTENCES]]
        more = len(check["sentences"]) - MOST_SENTENCES
        lines += [f"  - and {more} more"] if more > 0 else []
    together = check.get("together") or {"sentences": ()}
    lines += [f"  All columns together, beside the verdict: {sentence}." for sentence in together["sentences"]]
    performance = check["performance"]
    if performance and performance["value"] is not None:
        line = f"  Its labelled rows gave {performance['metric']} {score(performance['value'])}"
        line += f"; {words}" if (words := reference_words(performance)) else ""
        lines.append(line + (f": {_drop(performance)}." if performance["dropped"] else "."))
    rise = rise_sentence(check.get("stream"))
    lines += [f"  {rise}."] if rise else []
    estimate = estimate_sentence(check.get("estimated"))
    lines += [f"  Estimated: {estimate}."] if estimate else []
    return "\n".join(lines)


def _drop(performance: dict[str, Any]) -> str:
    """By how much, as the two values are written or of several files together, and the p-value that decided."""
    reference, together = performance["reference"], performance.get("together") or 1
    size = abs(shown_difference(reference, performance["value"])) if together == 1 else performance["drop"]
    where = "" if together == 1 else f" over {counted(together, 'file')}"
    sure = "" if performance.get("p_value") is None else f" (p {p_value(performance['p_value'])})"
    beyond = f"beyond chance{sure}; drift.false_alarms and triggers.min_drop say what counts"
    return f"a drop by {amount(size, reference)}{where}, {beyond}"


def _prepared(facts: dict[str, Any]) -> str:
    if facts["trigger"]["kind"] == "reference":
        found = facts["prepare"]
        return "\n".join((f"Recorded: {found['reason']}.", *(f"  - {note}" for note in found["notes"])))
    result, is_adopted = facts["prepare"], _is_adopted(facts)
    lines = [f"Prepared from {counted(len(result['snapshots']), 'file')}: {result['window']}."]
    if is_adopted:
        lines = [f"{counted(len(result['snapshots']), 'file')} of rows beside it: some describe it, others judge it."]
    held = [f"{one['file']} is held now and teaches nobody: {one['reason']}" for one in facts["held"][-MOST_SENTENCES:]]
    split = [result["held_out"]] if result.get("held_out") and not is_adopted else []
    return "\n".join([*lines, *(f"  - {note}" for note in (*split, *result["notes"], *held))])


def _is_adopted(facts: dict[str, Any]) -> bool:
    """Whether the cycle took a pipeline as it was brought."""
    trigger: dict[str, Any] = facts.get("trigger") or {}
    return trigger.get("kind") == "adopt"


def _trained(facts: dict[str, Any]) -> str:
    result = facts["train"]
    estimator = result["estimator"].rpartition(".")[2]
    unit = "event" if result["metric"].get("name") == METRIC else "row"
    if _is_adopted(facts):
        return f"Nothing was trained: the {estimator} answers as it was fitted, on rows that nobody here knows."
    line = f"Trained {estimator} on {counted(result['train_rows'], unit)} in {result['seconds']:.1f} s."
    if result["search"]:
        line += f" The best of {len(result['search'])} tried parameters: {result['params']}."
    return line


def _evaluated(facts: dict[str, Any]) -> str:
    result = facts["evaluate"]
    unseen = "that neither had seen" if result["champion"] is not None else "that it was not trained on"
    if _is_adopted(facts):
        unseen = "(where these are among the rows that it was fitted on, it is worse than it looks)"
    unit = "moment" if result["metric"] == METRIC else "row"
    rows = f"{result['rows']:,} held-out {unit}s {unseen}"
    lines = [f"Compared by {result['metric']} on {rows} (± standard error):"]
    for who in ("challenger", "champion", "baseline"):
        entry = result[who]
        if entry is not None:
            name = f"champion {entry['version']}" if entry.get("version") else who
            name = half_life_words(entry["half_life"]) if "half_life" in entry else name
            value = "undefined" if entry["value"] is None else score(entry["value"])
            lines.append(f"  {name:32} {value}{_error(entry['se'], entry['value'])}")
    if result["difference"] is not None:
        error = _error(result["difference_se"], result["challenger"]["value"])
        gain = signed(gain_of(result), result["challenger"]["value"])
        lines.append(f"  {'gain over the champion':32} {gain}{error}{error and f', of paired {unit}s'}")
    if result.get("forecast") is not None:
        lines += forecast_lines(result["forecast"], facts.get("realised"), result["challenger"]["value"])
    for part in result["slices"]:
        gain = f"{signed(part['difference'])}{_error(part['se'])}"
        lines.append(f"  {'where ' + part['where']:32} {gain} on {counted(part['rows'], unit)}")
    lists = [lists_sentence(result["lists"])] if result.get("lists") else []
    return "\n".join([*lines, *(f"  - {note}" for note in (*lists, *result.get("notes", ())))])


def gain_of(result: Mapping[str, Any]) -> float:
    """The difference of challenger and champion as their values are written; + is better, also where smaller values
    are."""
    gain = shown_difference(result["challenger"]["value"], result["champion"]["value"])
    return gain if result["greater_is_better"] else -gain


def _error(se: float | None, scale: float | None = None) -> str:
    return "" if se is None else f" ± {amount(se, scale)}"


def _troubles(stages: list[dict[str, Any]]) -> str:
    lines = []
    for stage in stages:
        if stage["state"] in ("retry", "terminal", "interrupted"):
            reason = stage["reason"] or "it was interrupted, by a stop or a reload of the service, and done again"
            lines.append(f"  - {stage['stage']}, attempt {stage['attempt'] + 1}: {reason}")
    return "\n".join(["Not everything went well at once:", *lines]) if lines else ""


def _tried(trial: dict[str, Any] | None, when: When) -> str:
    if trial is None:
        return ""
    end = f"until {when(trial['finished_at'])}" if trial["outcome"] else f"not over before {when(trial['until'])}"
    return f"On trial from {when(trial['since'])}, {end}: {trial['version']} {terms(trial)}.\n  Seen: {trial['told']}."


def _ending(facts: dict[str, Any], when: When) -> str:
    reason = facts["reason"].strip().rstrip(".")
    because = f"{reason}." if reason else ""
    first = facts["trigger"]["kind"] == "first_model"
    endings = {
        "promoted": f"Outcome: {facts['version']} was promoted: {because}",
        "kept": f"Outcome: {'no first model' if first else 'the champion was kept'}: {because}",
        "failed": f"Outcome: failed; what is served did not change: {because}",
        "awaiting_approval": f"It waits for a person: driftd approve {facts['cycle']}. {because}",
        "on_trial": "It is on trial: `driftd promote` and `driftd rollback` end it by hand.",
        "open": "It is under way.",
    }
    ending = endings[facts["state"]]
    if facts["swapped_at"] is not None:
        ending += f"\nThe server swapped to it {when(facts['swapped_at'])}."
    return ending


def _undone(undone: dict[str, Any], when: When) -> str:
    """The roll-back, with the files whose rows, taken together, show the difference in its reason."""
    lines = [f"Rolled back {when(undone['at'])}: {undone_words(undone)}: {undone['reason']}."]
    for one in undone["evidence"]:
        lines.append(f"  - {one['file']}: worse (+) by {signed(one['worse'])}, mean of {counted(one['rows'], 'row')}")
    if undone["evidence"]:
        rows = sum(one["rows"] for one in undone["evidence"])
        mean = sum(one["rows"] * one["worse"] for one in undone["evidence"]) / rows
        lines.append(f"  - in all: worse (+) by {signed(mean)}, mean of {counted(rows, 'row')}")
    return "\n".join(lines)


def _forgotten(facts: dict[str, Any]) -> str:
    who = facts["version"] or "What it trained"
    return f"{who} {since_sentence(facts['forgotten'])}."


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d at %H:%M:%S")
