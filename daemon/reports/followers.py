"""Hosts without control for `driftd status`: what each serves beside what is promoted, and when it was heard last."""

import json
from collections.abc import Mapping
from typing import Any

from daemon.config.paths import StatePaths
from daemon.runtime.fetching import Fetching, fetching_sentence
from drift.notation import counted

SILENT_S = 60.0
LAGGING_S = 60.0
"""A version that was promoted longer ago is served everywhere."""
SHOWN = 3


def followers_json(
    paths: StatePaths, promoted: Mapping[str, tuple[str, int, float]], now: float
) -> list[dict[str, Any]]:
    """What control heard of each, with the seconds since then, and `behind`: the models that it serves otherwise than
    they are promoted, given the name, the promotion and its time (Unix seconds) of each."""
    try:
        found = json.loads(paths.followers.read_bytes())
    except (OSError, ValueError):
        return []
    return [
        {**one, "silent_s": max(0.0, now - one["seen_at"]), "behind": _behind(one["models"], promoted, one["seen_at"])}
        for one in found
    ]


def _behind(
    models: Mapping[str, Any], promoted: Mapping[str, tuple[str, int, float]], seen_at: float
) -> list[dict[str, Any]]:
    """Of what it said at a moment, what was promoted before it."""
    behind = []
    for name, served in models.items():
        version, promotion, at = promoted.get(name, ("", 0, 0.0))
        if (0 if served is None else served["promotion"]) < promotion and at < seen_at:
            serves = None if served is None else served["version"]
            reason = "" if served is None else served["reason"]
            behind.append(
                {"model": name, "serves": serves, "promoted": version, "lag_s": seen_at - at, "reason": reason}
            )
    return behind


def follower_sentence(one: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether it is trouble, and what is known of it."""
    is_silent = one["silent_s"] > SILENT_S
    seen = f"heard {one['silent_s']:.0f} s ago" if not is_silent else f"SILENT for {one['silent_s'] / 60:.1f} min"
    told = [f"{one['host']} at {one['url']}: serves {counted(len(one['models']), 'model')}", seen]
    for late in one["behind"][:SHOWN]:
        serves = "nothing" if late["serves"] is None else late["serves"]
        why = f" ({late['reason']})" if late["reason"] else ""
        told.append(f"{late['model']} {late['lag_s']:.0f} s behind: {serves}, not {late['promoted']}{why}")
    if len(one["behind"]) > SHOWN:
        told.append(f"{len(one['behind']) - SHOWN} more behind")
    if one["waiting"]:
        told.append(f"{one['waiting']:,} bytes wait there to be uploaded")
    if one["fetching"] is not None:
        told.append(fetching_sentence(Fetching(**one["fetching"])))
    return is_silent or any(late["lag_s"] > LAGGING_S for late in one["behind"]), "; ".join(told)
