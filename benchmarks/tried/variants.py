"""Each thing that was tried: other functions in the place of the product's while a replay runs, or other settings."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from benchmarks.tried import ahead
from benchmarks.tried.disagreement import Alarm
from benchmarks.tried.shares import by_newest_rows
from daemon.tools.replay.engine import Engine
from retrain.monitoring import assessment, proposal
from retrain.monitoring.assessor import Assessor
from retrain.planning import triggers
from retrain.records.observation import Observation

AS_IT_IS = "as it is"
Found = Mapping[str, Any]
Moved = Callable[[Assessor, Any, Found], dict[str, Any]]


@dataclass(frozen=True)
class Variant:
    """What is in place while a replay runs, and settings by section; `checks`: batches are checked for drift, too."""

    of: str
    place: Callable[[], AbstractContextManager[Any]] = nullcontext
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    checks: bool = False


@contextmanager
def replaced(where: Any, name: str, other: Any) -> Iterator[None]:
    """Another function of that name, until the end of the block."""
    before = getattr(where, name)
    setattr(where, name, other)
    try:
        yield
    finally:
        setattr(where, name, before)


def finally_moved(*moves: Moved) -> AbstractContextManager[None]:
    """What is served while labels of newer files are out: the usual proposal, with what each move changes. The fold
    over labelled files stays as it is: there labels are not late."""
    usual = assessment._final

    def final(assessor: Assessor, fold: Any) -> dict[str, Any]:
        found = usual(assessor, fold)
        for move in moves:
            found |= move(assessor, fold, found) if _unlabelled(assessor, fold) and not fold.fixed else {}
        return found

    return replaced(assessment, "_final", final)


def _shares(relative: bool, assessor: Assessor, _: Any, found: Found) -> dict[str, Any]:
    return by_newest_rows(assessor, found, relative)


def _weights(weigh: ahead.Weigh, assessor: Assessor, fold: Any, _: Found) -> dict[str, Any]:
    """Members by other weights, with the recalibration that fits them."""
    with replaced(proposal, "_weights", ahead.weights(weigh, _unlabelled(assessor, fold))):
        made = proposal.propose(replace(assessor, before=fold.proposal), fold.up_to)
    return {"members": made["members"], "recalibration": made["recalibration"]}


def _unlabelled(assessor: Assessor, fold: Any) -> int:
    """Files of rows after the newest labels; 0 where there are no labels."""
    return sum(seq > fold.up_to for seq in assessor.history.seqs) if fold.up_to else 0


@contextmanager
def alarming() -> Iterator[Alarm]:
    """Disagreement within the archive opens cycles, within the budget that all have."""
    usual, alarm = Engine._observe, Alarm()

    def observe(engine: Engine) -> Observation:
        seen = usual(engine)
        found = alarm.evidence(engine) if engine.deployments.champion is not None else None
        return seen if found is None else replace(seen, evidence=(*seen.evidence, found))

    with replaced(Engine, "_observe", observe):
        yield alarm


def patient(files: int) -> AbstractContextManager[None]:
    """No retrain for regret that began fewer files ago: too little of the new."""
    usual = triggers._by_regret

    def by_regret(state: Any, observation: Any, settings: Any) -> Any:
        return None if state.regret.span < files else usual(state, observation, settings)

    return replaced(triggers, "_by_regret", by_regret)


_EM, _RELATIVE = partial(_shares, False), partial(_shares, True)
_TREND, _SURE = partial(_weights, ahead.by_trend), partial(_weights, ahead.less_sure)
VARIANTS: dict[str, Variant] = {
    AS_IT_IS: Variant("what the product does, without checks of drift"),
    "em shares": Variant(
        "the decision's class shares by expectation maximisation on the two newest files (Saerens et al. 2002)",
        partial(finally_moved, _EM),
    ),
    "em ratio": Variant(
        "the same, as the ratio to such shares of the labelled files", partial(finally_moved, _RELATIVE)
    ),
    "trend": Variant(
        "weights of earlier versions by losses moved ahead as far as labels are late, by their shrunk trend",
        partial(finally_moved, _TREND),
    ),
    "less sure": Variant(
        "weights of earlier versions the more alike, the longer labels are out", partial(finally_moved, _SURE)
    ),
    "em ratio, trend": Variant("both", partial(finally_moved, _TREND, _RELATIVE)),
    "disagreement": Variant(
        "disagreement within the archive, beyond three standard deviations of the files before, opens a cycle",
        alarming, {"triggers": {"on_performance": True}},
    ),
    "checks": Variant("the product with checks of drift, by which the price falls to 0.8", checks=True),
    "strong prior": Variant(
        "the same, but to 0.4 (`triggers.drift_prior`)", changes={"triggers": {"drift_prior": 0.4}}, checks=True
    ),
    "two files": Variant("no retrain before the regret has lasted two files", partial(patient, 2)),
    "three files": Variant("no retrain before the regret has lasted three files", partial(patient, 3)),
}  # fmt: skip
