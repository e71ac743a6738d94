"""The daemon on the public bench lfmm: two classes, log loss, and a price λ for each retrain.

The bench states λ as ρ times what a retrain gains if there is one at every period. Its policies do not know λ; the
daemon is given it as its price (`triggers.regret`, a share of the loss that a replay with the default price came to)
without the growth rule and the budget, which know no price, or not at all. What it decides is judged twice: served by
the bench's models, as the bench judges its own policies, and as the daemon served: the same estimator, its own rows,
windows and layers. Regret is to its oracle, which knows all models of the bench, but not the daemon's layers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.field.cases import Case
from benchmarks.field.tools import BENCH, Tools

ESTIMATOR = {
    "type": "sklearn.ensemble.HistGradientBoostingClassifier",
    "params": {"max_iter": 300, "learning_rate": 0.08, "early_stopping": True, "validation_fraction": 0.1},
}
"""The bench's."""
RHOS = (0.25, 1.0, 4.0)
DECISIONS, SERVED, BLIND, DEFAULT = "driftd's decisions", "driftd", "driftd, price not told", "driftd, its own trees"
OWN = (DECISIONS, SERVED, BLIND, DEFAULT)
LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Cost:
    """Of a policy at a price: retrains, loss and retrains together, and the regret."""

    rho: float
    policy: str
    retrains: int
    cost: float
    regret: float


def costs(case: Case, tools: Tools) -> list[Cost]:
    """Of all policies of the bench and of the daemon; made where they are not kept yet."""
    bench = _bench(case, tools, "theirs", {})
    blind, default = _own(case, ESTIMATOR, {}), _own(case, {"type": "auto"}, {})
    usual = sum(blind["scores"][case.initial :]) / bench["periods"]
    runs = {rho: _priced(case, rho * bench["gain"] / usual) for rho in RHOS}
    after = {f"{rho:g}": _promotions(told) for rho, told in runs.items()}
    judged = {(one["rho"], one["policy"]): one for one in _bench(case, tools, "told", after)["rows"]}
    found = [Cost(one["rho"], one["policy"], one["retrains"], one["cost"], one["regret"]) for one in bench["rows"]]
    for rho, told in runs.items():
        price = rho * bench["gain"]
        oracle = judged[rho, "oracle"]["cost"]
        dropped = told["retrains"] - judged[rho, f"{rho:g}"]["retrains"]  # trained in vain: paid all the same
        cost = judged[rho, f"{rho:g}"]["cost"] + dropped * price
        found.append(Cost(rho, DECISIONS, told["retrains"], cost, cost - oracle))
        for name, own in {SERVED: told, BLIND: blind, DEFAULT: default}.items():
            cost = sum(own["scores"][case.initial :]) + own["retrains"] * price
            found.append(Cost(rho, name, own["retrains"], cost, cost - oracle))
    return found


def _bench(case: Case, tools: Tools, name: str, after: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """What the bench says of its policies, or of schedules: by name the periods after which another model serves."""
    place = case.kept_at(f"{BENCH}_{name}")
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.with_suffix(".told").write_text(json.dumps(after), "utf-8")
    models = case.out / "banks" / f"{case.stream.stem}_{case.batches}_{case.initial}_{case.delay}.joblib"
    where = (case.stream, case.batches, case.initial, case.delay, models, place.with_suffix(".told"))
    return tools.run_once(place, BENCH, *where)


def _priced(case: Case, share: float) -> dict[str, Any]:
    """The daemon with the price of a retrain as a share of its usual loss."""
    return _own(case, ESTIMATOR, {"regret": round(max(share, LEAST_SHARE), 6), "growth": False, "retrains": False})


def _own(case: Case, estimator: Mapping[str, Any], triggers: Mapping[str, Any]) -> dict[str, Any]:
    """The bench serves from the first period on, so a first model is served whether or not it beats the baseline."""
    changes = {
        "metric": "log_loss", "estimator": {**estimator, "seed": case.seed}, "triggers": triggers,
        "gate": {"serve_anyway": True},
    }  # fmt: skip
    return case.own(BENCH, changes=changes)


def _promotions(told: Mapping[str, Any]) -> list[int]:
    """The periods (from 0, the first served) after which the daemon served another version."""
    initial = len(told["scores"]) - sum(score is not None for score in told["scores"])
    return [one["batch"] - initial for one in told["cycles"] if one["promoted"]]


def markdown(found: Mapping[str, Sequence[Cost]]) -> Iterator[str]:
    """By stream and price the regrets of the daemon beside the best three policies of the bench, and each one's sum."""
    yield "| stream | ρ | " + " | ".join(OWN) + " | the bench's best three |"
    yield "|---|---|" + "---|" * len(OWN) + "---|"
    for stream, some in found.items():
        for rho in RHOS:
            at = {one.policy: one for one in some if one.rho == rho}
            theirs = sorted(
                (one for name, one in at.items() if name not in (*OWN, "oracle")), key=lambda one: one.regret
            )
            cells = [f"{at[name].regret:.2f} ({at[name].retrains})" for name in OWN]
            told = ", ".join(f"{one.policy} {one.regret:.2f} ({one.retrains})" for one in theirs[:3])
            yield f"| {stream} | {rho:g} | {' | '.join(cells)} | {told} |"
    yield ""
    yield "Sum of regrets, each as a share of the oracle's cost: " + ", ".join(
        f"{name} {total:.2f}" for name, total in _totals(found)
    )


def _totals(found: Mapping[str, Sequence[Cost]]) -> list[tuple[str, float]]:
    """Over streams and prices; each as a share of what the oracle costs, since losses differ in scale."""
    policies = dict.fromkeys(one.policy for some in found.values() for one in some if one.policy != "oracle")
    totals = dict.fromkeys(policies, 0.0)
    for some in found.values():
        oracle = {one.rho: one.cost for one in some if one.policy == "oracle"}
        for one in some:
            if one.policy in totals:
                totals[one.policy] += one.regret / oracle[one.rho]
    return sorted(totals.items(), key=lambda item: item[1])
