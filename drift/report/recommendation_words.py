"""A replay of interactions in sentences and cells, for its page and for terminals."""

from collections.abc import Iterator, Mapping
from typing import Any

from drift.notation import counted, percent, score, seconds, signed

Result = Mapping[str, Any]
HEADS = ("", "as of batch start", "live", "driftd gains", "retrains", "share", "CPU")
PART_HEADS = ("each part alone", "as of batch start", "live")
NAMES = {
    "never": "never retrained", "every": "retrained at every batch", "popularity": "popularity alone, best half-life",
}  # fmt: skip


def data_line(result: Result) -> str:
    """What was replayed."""
    return (
        f"{counted(result['events'], 'event')} of {counted(result['users'], 'user')} and "
        f"{counted(result['items'], 'item')} in {result['batches']} batches, {result['initial']} for the first version"
    )


def verdict(result: Result) -> Iterator[str]:
    """What the replay comes to."""
    policy, baselines = result["policy"], result["baselines"]
    retrains = counted(policy["retrains"], "retrain")
    popularity = baselines.get("popularity")
    if popularity is not None:
        found = popularity["live"]["policy_gain"]
        word = "better" if found["mean"] >= 0 else "worse"
        live = f"NDCG@10 {score(policy['live']['mean'])} with live counters"
        yield f"{live}: {score(abs(found['mean']))} {word} than popularity alone, with {retrains}."
        if found["low"] is not None:
            chance = "" if found["low"] > 0 or found["high"] < 0 else ", which holds 0: chance alone may give this"
            yield f"90% interval of the difference, by user: {signed(found['low'])} to {signed(found['high'])}{chance}."
    best = result["best_part"]
    ratio = result["ratios"]["policy_to_best_part"]
    if ratio is not None:
        yield f"{ratio:.2f} times the best single model in hindsight ({best['name']}, {score(best['mean'])})."
    every = result["ratios"].get("policy_to_every")
    if every is not None:
        spent = baselines["every"]["cpu_seconds"]
        cost = f", for {percent(policy['cpu_seconds'] / spent)} of its CPU time" if spent else ""
        yield f"{percent(every)} of what retraining at every batch reaches{cost}."


def run_lines(result: Result) -> Iterator[list[str]]:
    """A line of cells below HEADS for the policy and each baseline."""
    yield _line("driftd", result["policy"], "")
    for name, run in result["baselines"].items():
        yield _line(NAMES[name], run, signed(run["policy_gain"]["mean"]))


def _line(name: str, run: Result, gained: str) -> list[str]:
    cost = [f"{run['retrains']:,}", percent(run["retrain_share"]), seconds(run["cpu_seconds"])]
    return [name, score(run["mean"]), score(run["live"]["mean"]), gained, *cost]


def part_lines(result: Result) -> list[list[str]]:
    """A line of cells below PART_HEADS for each part, the best first."""
    parts = sorted(result["parts"].items(), key=lambda part: -part[1]["mean"])
    return [[name, score(part["mean"]), score(part.get("live_mean"))] for name, part in parts]


def cycle_words(cycle: Result) -> tuple[str, str]:
    """What became of a cycle in a word, and why it was opened and ended so."""
    return "promoted" if cycle["promoted"] else "kept", f"{cycle['reason']} → {cycle['outcome']}"


def beside(result: Result) -> str:
    """What accuracy does not say, and where CPU time went."""
    policy = result["policy"]
    spent = {purpose: seconds(value) for purpose, value in policy["cpu_seconds_by_purpose"].items()}
    return (
        f"Lists with live counters show {percent(policy['coverage'])} of the items (Gini of exposure "
        f"{policy['gini']:.2f}); {percent(policy['fallback_share'])} of the answers were popularity alone, for people "
        f"without history. CPU: {spent['retrains']} retrains, {spent['probes']} probes, {spent['live']} counters and "
        f"weights; apart from these {spent['serving']} answering and judging."
    )
