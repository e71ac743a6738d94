"""A played engine as plain JSON values."""

from typing import Any

from daemon.tools.replay.engine import Engine
from daemon.tools.replay.evidence import mean_of


def as_json(engine: Engine, trigger: str | None = None) -> dict[str, Any]:
    """Scores, cycles and costs of one run; `trigger` renames that of every cycle."""
    run, initial = engine.run, engine.initial
    cycles = [cycle | ({"trigger": trigger} if trigger else {}) for cycle in run.cycles]
    served = len(run.scores) - initial
    spent, budget = run.clock.spent, engine.settings.triggers.retrains
    return {
        "scores": run.scores,
        "mean": mean_of(run.scores),
        "retrains": len(cycles),
        "retrain_share": len(cycles) / served if served else 0.0,
        "promotions": sum(cycle["promoted"] for cycle in cycles),
        "rollbacks": sum(one["kind"] == "rollback" for one in run.deployments),
        "cpu_seconds": spent["retrains"] + spent["probes"],
        "cpu_seconds_by_purpose": dict(spent),
        "cpu_seconds_lost": sum(cycle["cpu_seconds"] for cycle in cycles if not cycle["promoted"]),
        "cycles": cycles,
        "deployments": run.deployments,
        "drifts": run.drifts,
        "held": run.suspects.holds,
        "labels": engine.labels.to_json(),
        "budget": {"allowed": str(budget or "any"), "credit": engine.state.regret.credit},
    }
