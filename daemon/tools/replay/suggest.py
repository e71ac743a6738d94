"""Which thresholds and budget suit a history? A small grid, chosen on its first half, confirmed on the other.

The best of several is best partly by luck, so what was chosen is judged on batches that did not choose it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from daemon.tools.replay.evidence import LEVEL, Difference, mean_of, paired
from daemon.tools.replay.subject import Subject
from drift.notation import counted
from retrain.records.settings import ModelSettings

TOLERATED = 0.005
"""A suggestion that only saves retrains may cost at most this much of the metric."""
FEWER = 0.8
Play = Callable[[Subject, str], dict[str, Any]]


@dataclass(frozen=True)
class Candidate:
    """One change of the configuration: which section's keys, as TOML and as settings."""

    name: str
    section: str
    keys: dict[str, Any]
    toml: dict[str, str]

    def applied(self, settings: ModelSettings) -> ModelSettings:
        """The settings with this change."""
        return settings.model_copy(update={self.section: getattr(settings, self.section).model_copy(update=self.keys)})


def candidates(settings: ModelSettings) -> list[Candidate]:
    """The grid around a configuration: price and budget halved and doubled, growth earlier and never, no adaptation."""
    triggers = settings.triggers
    price, growth = triggers.regret or 0.5, triggers.growth or 2.0
    prices = {"a lower price of a retrain": price / 2, "a higher price of a retrain": price * 2}
    grid = [Candidate(name, "triggers", {"regret": one}, {"regret": f"{one:g}"}) for name, one in prices.items()]
    budget = triggers.retrains
    if budget is not None and budget.files is not None:
        for name, factor in (("half the budget", 0.5), ("twice the budget", 2.0)):
            changed = replace(budget, retrains=budget.retrains * factor)
            toml = {"retrains": f'"{changed}"'}
            grid.append(Candidate(name, "triggers", {"retrains": changed}, toml))
    earlier = round(1 + (growth - 1) / 2, 2)
    grid.append(Candidate("growth earlier", "triggers", {"growth": earlier}, {"growth": f"{earlier:g}"}))
    if triggers.growth is not None:
        grid.append(Candidate("no growth rule", "triggers", {"growth": None}, {"growth": "false"}))
    if settings.adaptation.archive > 1 or settings.adaptation.recalibration:
        off = {"archive": 1, "recalibration": False}
        grid.append(Candidate("no adaptation", "adaptation", off, {"archive": "1", "recalibration": "false"}))
    return grid


def suggest(subject: Subject, policy: dict[str, Any], greater: bool, initial: int, play: Play) -> dict[str, Any]:
    """Run the grid and suggest what to configure, with the evidence; `policy` is the result of the present settings."""
    tried: dict[str, tuple[Candidate | None, dict[str, Any]]] = {"as it is": (None, policy)}
    for candidate in candidates(subject.settings):
        settings = candidate.applied(subject.settings)
        changed = replace(subject, name=candidate.name, settings=settings)
        tried[candidate.name] = candidate, play(changed, f"trying {candidate.name}")
    half = initial + (len(policy["scores"]) - initial) // 2
    first = {name: _half(run, initial, half) for name, (_, run) in tried.items()}
    chosen = _choose(first, greater)
    best, run = tried[chosen]
    second, before = _half(run, half, None), _half(policy, half, None)
    gain = paired(second["scores"], before["scores"], greater)
    verdict, reason = _verdict(chosen, gain, second["retrains"], before["retrains"])
    return {
        "verdict": verdict, "reason": reason, "chosen": chosen, "gain": asdict(gain),
        "chosen_on_batches": [initial, half - 1], "confirmed_on_batches": [half, len(policy["scores"]) - 1],
        "toml": _fragment(subject.model, best) if verdict != "keep" and best is not None else None,
        "tried": [
            {
                "name": name, "toml": None if one is None else {one.section: one.toml}, "mean": run["mean"],
                "mean_first_half": first[name]["mean"], "mean_second_half": _half(run, half, None)["mean"],
                "retrains": run["retrains"], "cpu_seconds": run["cpu_seconds"],
            }
            for name, (one, run) in tried.items()
        ],
    }  # fmt: skip


def _half(run: dict[str, Any], start: int, stop: int | None) -> dict[str, Any]:
    """The scores and retrains of some batches."""
    end = len(run["scores"]) if stop is None else stop
    scores = run["scores"][start:end]
    retrains = sum(start <= cycle["batch"] < end for cycle in run["cycles"])
    return {"scores": scores, "mean": mean_of(scores), "retrains": retrains}


def _choose(halves: dict[str, dict[str, Any]], greater: bool) -> str:
    """Of those within one standard error of the best mean, the one with the fewest retrains; the present settings
    where they tie."""
    known = {name: half for name, half in halves.items() if half["mean"] is not None}
    if not known:
        return "as it is"
    best = max(known, key=lambda name: known[name]["mean"] if greater else -known[name]["mean"])

    def as_good(name: str) -> bool:
        loss = paired(known[best]["scores"], known[name]["scores"], greater)
        return name == best or (loss.mean is not None and loss.mean <= (loss.se or 0.0))

    return min((name for name in known if as_good(name)), key=lambda name: known[name]["retrains"])


def _verdict(chosen: str, gain: Difference, retrains: int, before: int) -> tuple[str, str]:
    if chosen == "as it is":
        return "keep", "nothing in the grid did better on the first half of the history: keep the present settings"
    if gain.low is None or gain.mean is None:
        return "keep", "the second half has too few batches with a score to confirm anything"
    shown = f"{gain.mean:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}, {LEVEL:.0%} interval)"
    used = f"{counted(retrains, 'retrain')} against {before}"
    if gain.low > 0:
        return "better", f"{chosen} is better on the half that did not choose it: {shown}; {used}"
    if gain.low > -TOLERATED and retrains <= FEWER * before:
        return "cheaper", f"{chosen} is as good on the half that did not choose it, for less: {shown}; {used}"
    return "keep", f"{chosen} was best on the first half, which the second does not confirm: {shown}; {used}"


def _fragment(model: str, candidate: Candidate) -> str:
    lines = "\n".join(f"{key} = {value}" for key, value in candidate.toml.items())
    return f"[models.{model}.{candidate.section}]\n{lines}\n"
