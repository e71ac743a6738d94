"""Challenger, champion and a naive baseline on the same held-out rows, and the gate's verdict: what the evaluate stage
and a replay ask alike."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from drift.notation import counted
from retrain.metrics.losses import row_losses
from retrain.metrics.metric import Metric, weighted
from retrain.metrics.resampling import Resampled
from retrain.model.deployment import LoadedDeployment, fair_decision
from retrain.model.threshold import decision_on
from retrain.model.version import LoadedVersion
from retrain.monitoring.assessor import decided
from retrain.monitoring.baseline import constant_answer, gain_over_baseline
from retrain.monitoring.cache import Memory
from retrain.monitoring.paired import covered, metric_range, paired_difference, resampled_difference
from retrain.monitoring.twins import window_twin
from retrain.monitoring.unseen import Unseen
from retrain.planning import gate
from retrain.planning.forecast import NEXT_FILES, Forecast, forecast
from retrain.planning.gate import Opening, PairedGain, Verdict
from retrain.planning.twin_windows import WINDOWS
from retrain.records.predictions import Labels, Predictions
from retrain.records.settings import ModelSettings
from retrain.rows.answered import row_weights
from retrain.rows.history import History
from retrain.rows.targets import target_values

MAX_SLICES = 50
OUT_OF_FOLD_SE = 1.5
"""Times the standard error of rows that were predicted out of fold: the folds' models share most of their rows, so that
their errors go together (Nadeau and Bengio 2003: (1/5 + 1/4) / (1/5) times the variance for five folds)."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Labels (n,) of the held-out rows, the challenger's predictions of them, and the verdict as JSON values."""

    y: Labels
    said: Predictions
    result: dict[str, Any]


def judge(
    challenger: LoadedVersion,
    champion: LoadedDeployment | None,
    holdout: pa.Table,
    history: History,
    settings: ModelSettings,
    window: str,
    opening: Opening,
    unseen: Callable[[], Unseen],
) -> Judged:
    """The stage's decision on held-out rows; `window` is the twin's whose handicap is told, `unseen` makes what the
    challenger says of all rows that it was not trained on."""
    y = target_values(holdout, challenger.schema)
    said = challenger.predict_table(holdout)
    result = compare(challenger, champion, said, holdout, y, settings, history, opening, unseen)
    result["handicap"] = twin_handicap(history, challenger, said, holdout, y, settings, window)
    return Judged(y, said, result)


def compare(
    challenger: LoadedVersion,
    champion: LoadedDeployment | None,
    said: Predictions,
    holdout: pa.Table,
    y: Labels,
    settings: ModelSettings,
    history: History,
    opening: Opening,
    unseen: Callable[[], Unseen],
) -> dict[str, Any]:
    """Challenger (who said `said`), champion and the naive baseline on the held-out rows, and the gate's verdict. Where
    the metric rewards a decision by the classes' shares, challenger and champion are both judged with it."""
    weights, seed, undecided = row_weights(holdout), settings.estimator.seed, said
    metric = weighted(challenger.metric, weights)
    before = None if champion is None else champion.predict_table(holdout)
    rule = decision_on(challenger, said, y, metric, settings)
    recorded = champion is not None and champion.version.is_recorded
    other = None if before is None or recorded else decision_on(challenger, before, y, metric, settings)
    said, before = decided(said, rule), None if before is None else decided(before, other)
    configured = rule if settings.decision.configured else None
    naive = constant_answer(challenger, len(y), configured)
    scores = {"challenger": said, "champion": before, "baseline": naive}
    resampled = Resampled(metric, y, [one for one in scores.values() if one is not None], seed)
    told = {who: _scored(resampled, one) for who, one in scores.items() if one is not None}
    differences: tuple[PairedGain, ...] = ()
    over_baseline = resampled_difference(resampled, said, naive)
    foretold: Forecast | None = None
    if champion is None and not opening.incomparable:
        over_baseline = gain_over_baseline(challenger, undecided, y, weights, settings)
        over_baseline = _over_baseline(challenger, over_baseline, opening, settings, unseen)
    elif champion is not None and before is not None:
        told["champion"]["version"] = champion.newest
        differences = tuple(_differences(challenger.metric, resampled, said, before, holdout, settings))
        foretold = _foretold(metric, told["baseline"]["value"], differences, history, opening)
        incomparable = "" if told["champion"]["value"] is not None else _undefined(told["champion"], champion.newest)
        covers = covered(challenger, champion.version, holdout)
        opening = replace(opening, covers=covers, incomparable=incomparable)
    if champion is not None and before is not None and _is_same(challenger, champion.version, said, before):
        verdict = Verdict(False, f"it answers all {counted(len(y), 'held-out row')} exactly as {champion.newest} does")
    else:
        verdict = gate.decide(
            _judged(metric, len(y), told, over_baseline, champion, differences, foretold), opening, settings.gate
        )
    overall = differences[0] if differences else None
    return {
        "verdict": "promote" if verdict.promote else "keep",
        "reason": verdict.reason,
        "decision": None if configured is None else configured.to_json(),
        "metric": metric.name,
        "greater_is_better": metric.greater_is_better,
        "rows": len(y),
        "challenger": told["challenger"],
        "champion": told.get("champion"),
        "baseline": told["baseline"],
        "difference": None if overall is None else overall.gain,
        "difference_se": None if overall is None else overall.se,
        "slices": [{"where": d.where, "rows": d.rows, "difference": d.gain, "se": d.se} for d in differences[1:]],
        "forecast": None if foretold is None else foretold.to_json(),
    }


def _undefined(told: Mapping[str, Any], name: str) -> str:
    reason = f": {told['reason']}" if told["reason"] else ""
    return f"the champion {name} cannot be compared, its metric is undefined{reason}"


def _over_baseline(
    challenger: LoadedVersion,
    held_out: PairedGain | None,
    opening: Opening,
    settings: ModelSettings,
    unseen: Callable[[], Unseen],
) -> PairedGain | None:
    """A first model's gain over the baseline: on the held-out rows where these show it, else on all rows that it was
    not trained on, training rows out of fold among them, for few are held out of few files."""
    if held_out is None or gate.beyond_chance(held_out, opening.tries):
        return held_out
    rows = unseen()
    found = gain_over_baseline(challenger, rows.predictions, rows.y, None, settings)
    if found is None or found.se is None:
        return held_out
    return replace(found, se=OUT_OF_FOLD_SE * found.se)


def _foretold(
    metric: Metric, baseline: float | None, differences: tuple[PairedGain, ...], history: History, opening: Opening
) -> Forecast | None:
    """What the difference to the champion comes to over the next files; None where it has no error."""
    overall = next((one for one in differences if not one.where), None)
    if overall is None or overall.se is None:
        return None
    newest = [seq for pool in history.pools()[-NEXT_FILES:] for seq in pool]
    rows, scale = sum(history.labels_known(seq) for seq in newest), metric_range(metric, baseline)
    return forecast(overall.gain, overall.se, overall.rows, rows, opening.trigger, opening.past, scale)


def _is_same(challenger: LoadedVersion, newest: LoadedVersion, said: Predictions, before: Predictions) -> bool:
    """Whether a challenger of the newest version's schema answers what is served to the bit; classes alone, without
    probabilities, are too coarse to tell."""
    tells = said.classes is None or said.probabilities is not None
    return tells and challenger.schema == newest.schema and said.equals(before)


def twin_handicap(
    history: History,
    challenger: LoadedVersion,
    said: Predictions,
    holdout: pa.Table,
    y: Labels,
    settings: ModelSettings,
    window: str,
) -> float | None:
    """How much less the challenger costs a held-out row than its twin of that window; None where that cannot be
    told."""
    up_to = max(holdout.column("__seq").to_pylist(), default=0)
    twin = window_twin(history, challenger, WINDOWS[window], up_to, settings.estimator.seed, Memory())
    tiny_said = None if twin is None else twin(challenger.preprocessor.transform(holdout))
    if tiny_said is None:
        return None
    rule = fair_decision(challenger, settings)
    both = [said, tiny_said] if rule is None else [rule.apply(said), rule.apply(tiny_said)]
    full, tiny = (row_losses(weighted(challenger.metric, row_weights(holdout)), y, one) for one in both)
    return None if full is None or tiny is None else float((full - tiny).mean())


def _judged(
    metric: Metric,
    rows: int,
    told: Mapping[str, Any],
    over_baseline: PairedGain | None,
    champion: LoadedDeployment | None,
    differences: tuple[PairedGain, ...],
    foretold: Forecast | None,
) -> gate.Judged:
    before = None
    if champion is not None and told["champion"]["value"] is not None:
        before = champion.newest, told["champion"]["value"]
    return gate.Judged(
        metric.name, rows, told["challenger"]["value"], told["baseline"]["value"], over_baseline, before,
        next((one for one in differences if not one.where), None), foretold,
        [one for one in differences if one.where], why=told["challenger"].get("reason") or "",
    )  # fmt: skip


def _scored(resampled: Resampled, said: Predictions) -> dict[str, Any]:
    found = resampled.metric.evaluate(resampled.y, said)
    error = None if found.value is None else resampled.error(said)
    return {"value": found.value, "se": error, "reason": found.reason or None}


def _differences(
    metric: Metric,
    resampled: Resampled,
    said: Predictions,
    before: Predictions,
    holdout: pa.Table,
    settings: ModelSettings,
) -> Iterator[PairedGain]:
    """Over all rows first, which are `resampled`, then in each slice of enough rows."""
    seed, weights, y = settings.estimator.seed, row_weights(holdout), resampled.y
    overall = resampled_difference(resampled, said, before)
    if overall is not None:
        yield overall
    for column in settings.gate.slices:
        if column not in holdout.column_names:
            continue
        words = pc.cast(holdout.column(column), pa.string())
        counts = sorted(pc.value_counts(words).to_pylist(), key=lambda entry: -entry["counts"])
        for entry in counts[:MAX_SLICES]:
            if entry["values"] is None or entry["counts"] < settings.gate.min_slice_rows:
                continue
            mask = pc.equal(words, entry["values"]).fill_null(False).to_numpy()
            where = f"{column} is {entry['values']}"
            of_rows = weighted(metric, None if weights is None else weights[mask])
            found = paired_difference(of_rows, y[mask], said.take(mask), before.take(mask), seed, where)
            if found is not None:
                yield found
