"""What deciding and retraining cost, in CPU seconds of workers: of a model, and of one cycle."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection

from daemon.ledger import cpu, cycles
from drift.notation import counted, seconds

SHOWN_DAYS = 30
TOLD_STAGES = ("prepare", "train", "evaluate", "promote")


def cpu_json(by_cycle: Mapping[int, Mapping[str, float]], without_gain: Collection[int]) -> dict[str, Any]:
    """Of the last 30 days, given CPU seconds by cycle and purpose: those of `probes`, `checks`, and `retrains`, of
    which there were `cycles`; and what of these was `lost` on `lost_cycles` that were not promoted."""
    sums = {purpose: sum(one[purpose] for one in by_cycle.values()) for purpose in cpu.PURPOSES}
    trained = [cycle for cycle, one in by_cycle.items() if one["retrains"] > 0]
    lost = [cycle for cycle in trained if cycle in without_gain]
    spent = {"lost": sum(by_cycle[cycle]["retrains"] for cycle in lost), "lost_cycles": len(lost)}
    return {"days": SHOWN_DAYS, **sums, "cycles": len(trained), **spent}


def cpu_sentence(spent: Mapping[str, Any]) -> str:
    """The same in words; empty where nothing was spent.

    >>> spent = {"days": 30, "probes": 2.5, "checks": 8.0, "retrains": 40.0, "cycles": 5, "lost": 9.0, "lost_cycles": 1}
    >>> cpu_sentence(spent)
    'in 30 days 2.5 s of probes, 8 s of checks, 40 s of 5 retrains (9 s of 1 that was not promoted)'
    """
    if not any(spent[purpose] for purpose in cpu.PURPOSES):
        return ""
    which = "that was not promoted" if spent["lost_cycles"] == 1 else "that were not promoted"
    lost = f" ({seconds(spent['lost'])} of {spent['lost_cycles']:,} {which})" if spent["lost_cycles"] else ""
    retrains = (
        f", {seconds(spent['retrains'])} of {counted(spent['cycles'], 'retrain')}{lost}" if spent["cycles"] else ""
    )
    deciding = f"{seconds(spent['probes'])} of probes, {seconds(spent['checks'])} of checks"
    return f"in {spent['days']} days {deciding}{retrains}"


def cpu_of_cycle(conn: Connection, cycle: Any, results: Mapping[str, Any]) -> dict[str, Any]:
    """CPU seconds of a cycle, all attempts together, as far as they are known, and of the `stages` that succeeded; and
    what `probes` and `checks` took since the cycle before was opened."""
    before = cpu.before(conn, cycle.model, cycle.id)
    since = cycles.get(conn, before).opened_at if before else 0.0
    by_cycle = cpu.by_cycle(conn, cycle.model, since)
    leading = by_cycle.get(before, {})
    known = {stage: results[stage].get("cpu_s", 0.0) for stage in TOLD_STAGES if stage in results}
    return {
        "cycle": by_cycle.get(cycle.id, {}).get("retrains", 0.0),
        "stages": {stage: spent for stage, spent in known.items() if spent},
        "probes": leading.get("probes", 0.0),
        "checks": leading.get("checks", 0.0),
    }


def cycle_sentence(spent: Mapping[str, Any]) -> str:
    """The same in words; empty where nothing is known.

    >>> cycle_sentence({"cycle": 5.0, "stages": {"train": 3.0, "evaluate": 1.5}, "probes": 2.0, "checks": 0.5})
    'CPU: 5 s (train 3 s, evaluate 1.5 s); to come to it 2 s of probes and 0.5 s of checks.'
    """
    if not spent["cycle"]:
        return ""
    stages = ", ".join(f"{stage} {seconds(value)}" for stage, value in spent["stages"].items())
    shown = f"{seconds(spent['cycle'])} ({stages})" if stages else seconds(spent["cycle"])
    return f"CPU: {shown}; to come to it {seconds(spent['probes'])} of probes and {seconds(spent['checks'])} of checks."
