"""What the servers serve beside what is promoted: for `driftd status`."""

from collections.abc import Mapping
from typing import Any

from drift.notation import counted
from retrain.records.deployment import Champion

TROUBLE = ("standing in", "failed")
LOST_S = 30.0
"""The analyst gives a sign of life every five seconds."""


def served_now(serving: Mapping[str, Any], model: str, champion: Champion | None) -> list[dict[str, Any]]:
    """What each server serves of a model: `state` is "serving" where that is the champion, "unloaded" where that is
    loaded when it is asked for, else "swapping", "standing in", "failed" or, where it has said nothing of the model
    yet, "loading"."""
    if champion is None:
        return []
    return [
        {"server": server["pid"], **_state(server["models"].get(model), champion.promotion)}
        for server in serving["servers"]
    ]


def _state(said: Mapping[str, Any] | None, promotion: int) -> dict[str, Any]:
    if said is None:
        return {"state": "loading", "version": None, "reason": ""}
    found = {"version": said["version"], "reason": said["reason"]}
    if said["promotion"] == promotion and said["version"] is not None:
        return {"state": "serving" if said.get("is_loaded", True) else "unloaded", **found, "reason": ""}
    if said["reason"]:
        return {"state": "failed" if said["version"] is None else "standing in", **found}
    return {"state": "swapping", **found}


def serving_sentences(served: list[dict[str, Any]]) -> list[tuple[bool, str]]:
    """Of the servers that do not serve the champion, alike ones together: whether it is trouble, and what."""
    groups: dict[tuple[str, str | None, str], int] = {}
    for one in served:
        if one["state"] != "serving":
            key = one["state"], one["version"], one["reason"]
            groups[key] = groups.get(key, 0) + 1
    return [(key[0] in TROUBLE, _sentence(*key, count, len(served))) for key, count in groups.items()]


def _sentence(state: str, version: str | None, reason: str, count: int, of: int) -> str:
    who = f"{count} of {counted(of, 'server')}"
    because = f": {reason}" if reason else ""
    match state:
        case "standing in":
            return f"{version} stands in for it in {who}{because}"
        case "failed":
            return f"{who} cannot serve it{because}"
        case "swapping":
            return f"{who} still {'serves' if count == 1 else 'serve'} {version} and {_is_are(count)} loading it"
        case "unloaded":
            return f"{who} {'loads' if count == 1 else 'load'} it when it is asked for"
    return f"{who} {_is_are(count)} loading it"


def _is_are(count: int) -> str:
    return "is" if count == 1 else "are"


def analyst_sentence(analyst: Mapping[str, Any] | None, now_s: float) -> str:
    """That files wait because the analyst works on something for long, or stands still; "" where it does not."""
    if analyst is None:
        return ""
    minutes, silent_s = (now_s - analyst["since"]) / 60, now_s - analyst["heard"]
    busy = f"the analyst has been at one {analyst['work']} for {minutes:.1f} min; other files and checks wait for it"
    if silent_s < LOST_S:
        return busy
    return f"{busy}. It has given no sign of life for {silent_s:.0f} s, and is ended and started again after 5 min"
