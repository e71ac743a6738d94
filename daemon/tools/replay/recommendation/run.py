"""One replay of interactions from files to its result: the policy, its baselines, and each part alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from daemon.tools.replay.evidence import mean_of, recovered
from daemon.tools.replay.recommendation.engine import POPULARITIES, Engine, planner_settings
from daemon.tools.replay.recommendation.source import EventColumns, read_stream
from retrain.metrics.ranking import clustered_error, coverage, gini
from retrain.recommendation.contest import METRIC
from retrain.recommendation.parts import HALF_LIVES
from retrain.recommendation.scene import CLOCKS, LIVE, START
from retrain.records.predictions import Floats
from retrain.records.settings import ModelSettings

Z_90 = 1.645
"""Standard errors on either side of a 90 % interval."""
FEW_MOMENTS = 50
"""Moments of a batch, below which its score is mostly chance."""
Progress = Callable[[str, int, int], None]
"""Called after each batch: what runs, how many batches are done, of how many."""


@dataclass(frozen=True)
class Request:
    """What to replay. The files' events together are cut into `batches`; `initial` of them train the first version."""

    files: Sequence[Path]
    columns: EventColumns
    batches: int = 30
    initial: int = 6
    baselines: Sequence[str] = ("never", "every", "popularity")
    seed: int = 0


def replay(request: Request, work: Path, progress: Progress | None = None) -> dict[str, Any]:
    """The result as plain JSON values (see docs/recommendation.md). Refused where the files cannot be replayed."""
    stream = read_stream(request.files, request.columns, request.batches, work)
    rivals = [name for name in ("never", "every") if name in request.baselines]
    settings = ModelSettings(data_dir=".", task="classification", target=request.columns.item)
    planned = settings.model_copy(update={"task": "recommendation", "triggers": planner_settings()})
    engine = Engine(stream, request.initial, planned, rivals, request.seed)
    engine.play(None if progress is None else lambda done: progress("policy and baselines", done, request.batches))
    runs = {name: {clock: player.tracks[clock].moments for clock in CLOCKS} for name, player in engine.players.items()}
    if "popularity" in request.baselines:
        runs["popularity"] = {clock: engine.popularity(clock) for clock in CLOCKS}
    told = {name: _run(request.initial, clocks) for name, clocks in runs.items()}
    policy = told.pop("policy") | _policy(engine)
    users = np.concatenate(engine.users)
    for name, baseline in told.items():
        baseline["policy_gain"] = gain(runs["policy"][START], runs[name][START], users)
        baseline["live"]["policy_gain"] = gain(runs["policy"][LIVE], runs[name][LIVE], users)
        baseline.update(_cost(name, engine))
    parts = _parts(engine)
    means = {name: one["mean"] for name, one in told.items()}
    return {
        "task": "recommendation", "metric": METRIC, "greater_is_better": True, "delay": 0,
        "files": [file.name for file in request.files], "columns": _columns(request.columns), "rows": stream.rows,
        "events": len(stream.events), "users": len(stream.events.users), "items": len(stream.events.items),
        "first_ms": stream.starts_ms[0], "newest_ms": stream.events.newest_ms, "batch_ms": stream.typical_ms,
        "batches": request.batches, "initial": request.initial, "policy": policy, "baselines": told, "parts": parts,
        "best_part": _best_part(parts), "recovered": recovered(policy["mean"], means.get("never"), means.get("every")),
        "ratios": _ratios(policy, told, parts), "notes": [*stream.notes, *_notes(engine)],
    }  # fmt: skip


def gain(policy: Sequence[Floats], other: Sequence[Floats], users: np.ndarray) -> dict[str, Any]:
    """How much more the policy scores, paired by moment; the standard error by user, and a 90 % interval."""
    difference = np.concatenate([one - its for one, its in zip(policy, other, strict=True)])
    mean, error = float(difference.mean()), clustered_error(difference, users)
    low, high = (None, None) if error is None else (mean - Z_90 * error, mean + Z_90 * error)
    return {"mean": mean, "se": error, "low": low, "high": high, "moments": len(difference)}


def _run(initial: int, clocks: Mapping[str, Sequence[Floats]]) -> dict[str, Any]:
    """Scores by batch with counters as of its start, and with live ones."""
    scores = {clock: [*[None] * initial, *(float(one.mean()) for one in found)] for clock, found in clocks.items()}
    told = {clock: {"scores": one, "mean": mean_of(one)} for clock, one in scores.items()}
    return {**told[START], "live": told[LIVE]}


def _policy(engine: Engine) -> dict[str, Any]:
    spent, budget = engine.clock.spent, engine.settings.triggers.retrains
    served = len(engine.batches)
    shown, items = np.concatenate(engine.shown), int((engine.counters.support > 0).sum())
    codes = np.unique(shown, return_inverse=True)[1]
    blend = engine.players["policy"].tracks[LIVE].blend
    return {
        "retrains": len(engine.cycles), "retrain_share": len(engine.cycles) / served,
        "promotions": sum(cycle["promoted"] for cycle in engine.cycles),
        "cpu_seconds": spent["retrains"] + spent["probes"],
        "cpu_seconds_by_purpose": {name: value for name, value in spent.items() if name != "every"},
        "cycles": engine.cycles, "by_batch": engine.batches,
        "coverage": coverage(shown, items), "gini": gini(codes, max(items, 1)),
        "fallback_share": float(np.mean([one["without_history"] for one in engine.batches])),
        "exclude_seen": engine.exclude_seen, "weights": {"with_history": dict(blend.warm), "without": dict(blend.cold)},
        "budget": {"allowed": str(budget or "any"), "credit": engine.state.regret.credit},
    }  # fmt: skip


def _cost(name: str, engine: Engine) -> dict[str, Any]:
    served = len(engine.batches)
    if name == "every":
        return {"retrains": served - 1, "retrain_share": (served - 1) / served, "cpu_seconds": engine.clock.spent[name]}
    if name == "popularity":
        best = HALF_LIVES[engine.best_half_life(START)]
        half_life_s = None if best is None else best * engine.stream.typical_ms / 1000
        return {"retrains": 0, "retrain_share": 0.0, "cpu_seconds": 0.0, "half_life_s": half_life_s}
    return {"retrains": 0, "retrain_share": 0.0, "cpu_seconds": 0.0}


def _parts(engine: Engine) -> dict[str, dict[str, float]]:
    """What each part alone scores over the served batches, versions as fresh as any player's."""
    found: dict[str, dict[str, float]] = {}
    for (name, clock), judged in engine.parts.items():
        mean = float(np.mean([one.mean() for one in judged[engine.initial - 1 :]]))
        found.setdefault(name, {})["mean" if clock == START else "live_mean"] = mean
    return found


def _best_part(parts: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """The best single model in hindsight."""
    name = max(parts, key=lambda one: parts[one]["mean"])
    live = max((one for one in parts if one in POPULARITIES), key=lambda one: parts[one]["live_mean"])
    return {"name": name, **parts[name], "live_popularity": live}


def _ratios(
    policy: Mapping[str, Any], baselines: Mapping[str, Mapping[str, Any]], parts: Mapping[str, Mapping[str, float]]
) -> dict[str, float | None]:
    """NDCG over NDCG: the policy's over each baseline's and the best part's, and that of never over every."""
    means = {name: one["mean"] for name, one in baselines.items()}
    found = {f"policy_to_{name}": _ratio(policy["mean"], mean) for name, mean in means.items()}
    found["policy_to_best_part"] = _ratio(policy["mean"], parts[_best_part(parts)["name"]]["mean"])
    found["never_to_every"] = _ratio(means.get("never"), means.get("every"))
    if "popularity" in baselines:
        found["live_policy_to_popularity"] = _ratio(policy["live"]["mean"], baselines["popularity"]["live"]["mean"])
    return found


def _ratio(value: float | None, other: float | None) -> float | None:
    return value / other if value is not None and other else None


def _columns(columns: EventColumns) -> dict[str, Any]:
    return {
        "user": columns.user, "item": columns.item, "time": columns.time, "value": columns.value or None,
        "positive": columns.positive, "event": columns.event or None, "event_weights": dict(columns.weights),
    }  # fmt: skip


def _notes(engine: Engine) -> list[str]:
    seen = "left out of lists: they are hardly ever chosen again" if engine.exclude_seen else "kept in lists"
    notes = [f"items that a person had to do with before are {seen}"]
    few = min(one["moments"] for one in engine.batches)
    if few < FEW_MOMENTS:
        notes.append(f"a batch has only {few} moments to judge by: its score is noise; try fewer --batches")
    return notes
