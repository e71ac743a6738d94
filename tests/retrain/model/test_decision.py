"""Which class is answered, where that is configured."""

import json

import numpy as np
import pytest

from retrain.metrics.metric import Metric
from retrain.metrics.registry import MetricContext, get_metric, mean_cost
from retrain.model.decision import Decision, configured_decision, neutral_threshold, refuse_unfit
from retrain.model.recalibration import Recalibration, fit_offsets
from retrain.model.threshold import chosen
from retrain.records.errors import Refused
from retrain.records.predictions import Floats, Labels, Predictions
from retrain.records.settings import DecisionSettings

TWO = ("no", "yes")
COSTS = (("yes", "", 4.0),)


def of_two(given: Floats) -> Predictions:
    """Predictions with these probabilities of "yes"."""
    return Predictions(np.array(TWO)[(given > 0.5).astype(int)], np.column_stack([1 - given, given]), TWO)


def test_a_threshold_includes_its_own_value_and_leaves_probabilities_as_they_are() -> None:
    """Forests give few different probabilities: one that is just as large as the threshold counts."""
    said = of_two(np.array([0.29, 0.3, 0.31]))
    answered = Recalibration(TWO, rule=Decision((), "yes", 0.3)).apply(said)
    assert answered.values.tolist() == ["no", "yes", "yes"] and answered.probabilities is said.probabilities


@pytest.mark.parametrize("cost", [0.25, 1.0, 9.0])
def test_of_two_classes_the_least_expected_cost_is_a_threshold(cost: float) -> None:
    """1 / (1 + cost of a missed one) (Elkan 2001)."""
    costs = (("yes", "", cost),)
    given: Floats = np.linspace(0.001, 0.999, 500)
    least = Decision(costs).choose(of_two(given).probabilities, TWO)  # type: ignore[arg-type]
    threshold = Decision(costs, "yes", neutral_threshold(costs, "yes", TWO))
    assert threshold.threshold == pytest.approx(1 / (1 + cost))
    assert least.tolist() == threshold.choose(of_two(given).probabilities, TWO).tolist()  # type: ignore[arg-type]


def test_of_three_classes_no_answer_costs_less() -> None:
    """For any probabilities the expected cost of the answer is the least of the three."""
    costs, names = (("a", "b", 7.0), ("b", "", 3.0), ("c", "a", 0.5)), ("a", "b", "c")
    given = np.random.default_rng(0).dirichlet(np.ones(3), 200)
    matrix = np.array([[0, 7, 1], [3, 0, 3], [0.5, 1, 0]])
    answer = Decision(costs).choose(given, names)
    assert np.allclose((given @ matrix)[np.arange(200), answer], (given @ matrix).min(axis=1))


def test_what_is_recorded_comes_back_and_older_records_stay_as_they_were() -> None:
    """Through JSON; a recalibration without a rule is written as before, so that what is served keeps its digest."""
    made = Recalibration(TWO, (0.1, -0.1), (), Decision((*COSTS, ("yes", "no", 5.0)), "yes", 0.2, chosen=True))
    assert Recalibration.from_json(json.loads(json.dumps(made.to_json()))) == made
    assert set(Recalibration(TWO, (0.1, -0.1)).to_json()) == {"classes", "offset", "decision"}


def test_an_offset_moves_the_probabilities_by_which_the_rule_decides() -> None:
    """Fitted to the probabilities, not to the decision: it keeps the rule."""
    rng, given = np.random.default_rng(1), np.full(400, 0.2)
    y = np.where(rng.random(400) < 0.6, "yes", "no")
    fitted = fit_offsets(of_two(given), y, Recalibration(TWO, rule=Decision(COSTS, "yes", 0.4)))
    answered = fitted.apply(of_two(given))
    assert fitted.rule == Decision(COSTS, "yes", 0.4) and fitted.offset and set(answered.values) == {"yes"}
    assert answered.probabilities is not None and answered.probabilities[0, 1] > 0.4


def test_costs_of_two_classes_and_auto_begin_with_the_neutral_threshold() -> None:
    """A fixed threshold stays; more classes have no threshold; what is of other classes is none."""
    assert configured_decision(DecisionSettings(), TWO) is None
    costly = DecisionSettings(costs={"yes": 4})
    assert configured_decision(costly, TWO) == Decision(COSTS, "yes", 0.2, chosen=True)
    assert configured_decision(costly, (*TWO, "z")) == Decision(COSTS)
    fixed = DecisionSettings(costs={"yes": 4}, threshold=0.7, positive="no")
    assert configured_decision(fixed, TWO) == Decision(COSTS, "no", 0.7)
    other = DecisionSettings(threshold="auto", positive="maybe")
    assert configured_decision(other, TWO) is None
    with pytest.raises(Refused, match="'maybe' and one other class; the classes are 'no', 'yes'"):
        refuse_unfit(other, TWO)


def overconfident(seed: int, rows: int, share: float = 0.4) -> tuple[Predictions, Labels]:
    """Probabilities of a model that is far too sure, and labels."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(0, 1, rows) + np.log(share / (1 - share))
    y = np.where(rng.random(rows) < 1 / (1 + np.exp(-signal)), "yes", "no")
    return of_two(1 / (1 + np.exp(-6 * (signal + rng.normal(0, 0.5, rows))))), y


def cost_of(rule: Decision, said: Predictions, y: Labels, metric: Metric) -> float:
    """Of what the rule answers."""
    value = metric.score(y, Recalibration(TWO, rule=rule).apply(said))
    assert value is not None
    return value


def test_a_chosen_threshold_costs_less_where_probabilities_are_too_sure() -> None:
    """On rows that it was not chosen on, mean of ten draws; the neutral one believes the probabilities."""
    metric, before = mean_cost(COSTS), Decision(COSTS, "yes", 0.2, chosen=True)
    gains = []
    for seed in range(10):
        rule = chosen(before, *overconfident(seed, 400), metric)
        fresh = overconfident(100 + seed, 4000)
        gains.append(cost_of(before, *fresh, metric) - cost_of(rule, *fresh, metric))
    assert np.mean(gains) > 0.05 and min(gains) > -0.02


def test_a_threshold_is_kept_where_rows_are_few_or_nothing_is_surely_better() -> None:
    """Fewer than ten rows of a class tell nothing; nor does one that differs by chance."""
    metric, before = mean_cost(COSTS), Decision(COSTS, "yes", 0.2, chosen=True)
    said, y = overconfident(3, 400)
    few = np.flatnonzero(np.cumsum(y == "yes") < 10)
    assert chosen(before, said.take(few), y[few], metric) == before
    rng = np.random.default_rng(5)
    given = rng.uniform(0, 1, 4000)
    right = np.where(rng.random(4000) < given, "yes", "no")
    kept = chosen(before, of_two(given), right, metric)
    assert kept.threshold == pytest.approx(0.2, abs=0.06)


def test_without_costs_the_metric_chooses() -> None:
    """F1 of a rare class asks for another threshold than a half."""
    metric = get_metric("f1_macro", MetricContext("classification"))
    said, y = overconfident(7, 3000, share=0.05)
    soft = of_two(np.asarray(said.probabilities)[:, 1] ** 3)
    before = Decision((), "yes", 0.5, chosen=True)
    rule = chosen(before, soft, y, metric)
    assert rule.threshold is not None and rule.threshold < 0.5
    assert cost_of(rule, soft, y, metric) > cost_of(before, soft, y, metric) + 0.02
