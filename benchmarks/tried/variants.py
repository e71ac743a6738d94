"""Each thing that was tried: other functions in the place of the product's while a replay runs, or other settings."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from benchmarks.tried import ahead
from benchmarks.tried.disagreement import Alarm
from benchmarks.tried.placing import replaced
from benchmarks.tried.shares import em_following
from daemon.tools.replay.engine import Engine
from retrain.monitoring import assessment, newer_rows, proposal
from retrain.monitoring.assessor import Assessor
from retrain.planning import triggers
from retrain.records.observation import Observation

AS_IT_IS = "as it is"


@dataclass(frozen=True)
class Variant:
    """What is in place while a replay runs, and settings by section; `checks`: batches are checked for drift, too;
    `late`: it is the product where labels are not late."""

    of: str
    place: Callable[[], AbstractContextManager[Any]] = nullcontext
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    checks: bool = False
    late: bool = False


def weighing(weigh: ahead.Weigh) -> AbstractContextManager[None]:
    """Members by other weights while labels of newer files are out, with the recalibration and the decision that fit
    them. The fold over labelled files stays as it is: there labels are not late."""
    usual = assessment._final

    def final(assessor: Assessor, fold: Any) -> dict[str, Any]:
        found, lag = usual(assessor, fold), _unlabelled(assessor, fold)
        if not lag or fold.fixed:
            return found
        with replaced(proposal, "_weights", ahead.weights(weigh, lag)):
            made = proposal.propose(replace(assessor, before=fold.proposal), fold.up_to)
        found |= {"members": made["members"], "recalibration": made["recalibration"]}
        return found | newer_rows.following(assessor, made, fold.up_to)

    return replaced(assessment, "_final", final)


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


VARIANTS: dict[str, Variant] = {
    AS_IT_IS: Variant("what the product does, without checks of drift"),
    "labels alone": Variant(
        "the decision by the classes' shares in labelled files, whatever newer rows look like",
        partial(replaced, assessment, "following", lambda *_: {}), late=True,
    ),
    "em shares": Variant(
        "these shares by expectation maximisation on the two newest files (Saerens et al. 2002)",
        partial(replaced, assessment, "following", partial(em_following, False)), late=True,
    ),
    "em ratio": Variant(
        "the same, as the ratio to such shares of the labelled files",
        partial(replaced, assessment, "following", partial(em_following, True)), late=True,
    ),
    "trend": Variant(
        "weights of earlier versions by losses moved ahead as far as labels are late, by their shrunk trend",
        partial(weighing, ahead.by_trend), late=True,
    ),
    "less sure": Variant(
        "weights of earlier versions the more alike, the longer labels are out",
        partial(weighing, ahead.less_sure), late=True,
    ),
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
