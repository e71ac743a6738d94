"""In what state a model is, in a word, and what waits for a person: from what `driftd status --json` says."""

from collections.abc import Mapping
from typing import Any

from daemon.reports.serving import TROUBLE
from drift.notation import counted

Model = Mapping[str, Any]
Need = dict[str, Any]
KINDS = {"held": "held", "approval": "warn", "classes": "warn", "labels": "warn"}
"""How needs are drawn, by what they are about; all others are trouble."""


def needs(name: str, model: Model, newest_held: Any = None) -> list[Need]:
    """What waits for a person, the most urgent first: `about` names it, `words` says it in a few words, `more` what it
    means, and `file` or `cycle` what a command is given. `newest_held` is the row of the newest held file."""
    found: list[tuple[str, str, str]] = [*_trouble(model)]
    if held := model["files"].get("held", 0):
        whose, it = ("Their", "they are") if held > 1 else ("Its", "it is")
        why = f"{sentence_of(newest_held.reason)} " if newest_held is not None and newest_held.reason else ""
        more = f"{why}{whose} rows teach nobody until {it} released."
        found.append(("held", counted(held, "file", "are") + " held", more))
    cycle = model["cycle"]
    if cycle is not None and cycle["state"] == "awaiting_approval":
        found.append(("approval", f"cycle {cycle['id']} waits for approval", f"Opened because {cycle['trigger']}."))
    if classes := model["new_classes"]:
        what = counted(len(classes), "new class", "wait")
        found.append(("classes", what, f"{classes[0]['reason']}: {classes[0]['way_out']}."))
    if model["labels"] and model["labels"]["wait"]:
        found.append(("labels", "labels are not used yet", f"{model['labels']['wait']}."))
    needed: list[Need] = [{"model": name, "about": about, "words": words, "more": more} for about, words, more in found]
    for need in needed:
        need["cycle"] = cycle["id"] if need["about"] == "approval" and cycle is not None else None
        need["file"] = newest_held.path if held == 1 and need["about"] == "held" and newest_held is not None else None
    return needed


def sentence_of(reason: str) -> str:
    """A reason as a sentence.

    >>> sentence_of("by hand")
    'By hand.'
    """
    return f"{reason[:1].upper()}{reason[1:].rstrip('.')}."


def _trouble(model: Model) -> list[tuple[str, str, str]]:
    """What keeps it from being served as it should, or its files from coming in."""
    found = []
    if model["unloadable"]:
        found.append(("unloadable", "what is served cannot be loaded", f"{model['unloadable']}."))
    bad = [one for one in model["served"] if one["state"] in TROUBLE]
    if bad:
        who = f"{len(bad)} of {counted(len(model['served']), 'server')}"
        what = "serve another version" if bad[0]["state"] == "standing in" else "cannot serve it"
        found.append(("serving", f"{who} {what}", f"{bad[0]['reason']}."))
    if (prefix := model["prefix"]) and prefix["failing"]:
        found.append(("prefix", "its object store cannot be asked", f"{prefix['uri']}: {prefix['failing']['reason']}."))
    if model["hung_folder"]:
        found.append(("folder", "its folder does not answer", f"{model['hung_folder']}, as on a dead mount."))
    if failed := model["failed_cycle"]:
        words = f"cycle {failed['id']} failed"
        found.append(("failed", words, f"{failed['reason']}. What is served did not change."))
    return found


def state(model: Model, needed: list[Need]) -> dict[str, str]:
    """`kind` is "ok", "warn", "held" or "bad", `word` says it in one or two words."""
    if needed:
        about = needed[0]["about"]
        return {"kind": KINDS.get(about, "bad"), "word": needed[0]["words"]}
    champion, cycle = model["champion"], model["cycle"]
    if champion is None:
        return {"kind": "warn", "word": "no model yet" if model["elsewhere"] is None else "no reference yet"}
    if model["paused"]:
        return {"kind": "warn", "word": "paused"}
    if cycle is not None:
        return {"kind": "ok", "word": "on trial" if cycle["state"] == "on_trial" else "retraining"}
    if champion["rolled_back"]:
        return {"kind": "warn", "word": "rolled back"}
    if (groups := model["groups"]) and groups["warnings"]:
        return {"kind": "warn", "word": "group worse" if groups["degraded"] else "groups differ"}
    if model["drift_episode"] is not None:
        return {"kind": "warn", "word": "drift, watched"}
    return {"kind": "ok", "word": "fine"}
