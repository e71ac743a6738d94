"""May the challenger replace the champion? Pure: numbers in, a verdict with its reason out."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from drift.notation import amount, counted, score, shown_difference, signed
from retrain.planning.forecast import MEASURED, Forecast
from retrain.planning.forecast_words import OVER, expected_words
from retrain.records.settings.decisions import GateSettings

ALL_ALIKE = "the labels are all"
"""How a metric says that labels do not differ, of one class or one number: more of them may."""
FALSE_FIRST = 0.02
"""How often a first model of columns that tell nothing may be served, of all tries together."""
LOOKS = 2
SLICE_Z = 2.5
"""Standard errors by which a slice must be worse to be worse: of fifty slices none by chance, as a rule."""
REASONS = {
    "regret": "evidence: by labels fresh models save more than a retrain costs, and earlier challengers of this model "
    "did better in service than on held-out rows",
    "performance": "evidence: the metric fell on newer files",
    "drift": "evidence: the data drifted (triggers.on_drift)",
    "growth": "growth: it learned from much more than the champion",
    "age": "age: the champion is older than triggers.max_age",
    "schema": "columns: it answers by the schema as it is configured now",
    "prepare": "columns: it prepares its rows as configured now",
    "environment": "environment: the champion cannot be loaded here",
    "manual": "it was asked for by hand",
}
"""By the kind of trigger; evidence is one as far as the model's own past bears it out. A schedule and a number of new
rows are no reason: of 20 challengers that a clock had asked for and that did not look better, seven did harm and two
helped (`make gate`)."""


@dataclass(frozen=True)
class PairedGain:
    """How much better the challenger is than another, in the metric's unit (negative: worse), and the standard error of
    that paired difference; `where` names a slice, "" means all rows."""

    gain: float
    se: float | None
    where: str = ""
    rows: int = 0


@dataclass(frozen=True)
class Opening:
    """Why a challenger is judged: the kind of the cycle's `trigger`; `past`, the standardised surprises of the model's
    earlier cycles (see `retrain.planning.forecast.surprise`); how many `tries` at a first model were kept before; what
    it `covers` that the champion does not know, in words; and where there is a champion that it cannot be compared
    with, why, in words (`incomparable`)."""

    trigger: str = "manual"
    past: tuple[float, ...] = ()
    tries: int = 0
    covers: str = ""
    incomparable: str = ""

    @property
    def reason(self) -> str:
        """Why a challenger may be promoted that is not better; "": nothing speaks for it."""
        return " and ".join(one for one in (REASONS.get(self.trigger, ""), self.covers) if one)


@dataclass(frozen=True)
class Verdict:
    """`promote` or not, and why."""

    promote: bool
    reason: str


@dataclass(frozen=True)
class Judged:
    """What the gate looks at: the `metric` on `rows` held-out rows of challenger, naive baseline and champion (its name
    and the value), None where it is undefined, `why` for the challenger; the challenger's gain over the `naive`
    baseline; its `slices` against the champion; and what is `foretold` of its gain over the champion (None: nothing can
    be). `unit` is what is judged one by one."""

    metric: str
    rows: int
    challenger: float | None
    baseline: float | None
    over_baseline: PairedGain | None
    champion: tuple[str, float] | None = None
    overall: PairedGain | None = None
    foretold: Forecast | None = None
    slices: Sequence[PairedGain] = ()
    unit: str = "held-out row"
    naive: str = "the naive baseline"
    why: str = ""

    @property
    def evaluated(self) -> str:
        """The challenger's value, in words."""
        return f"{self.metric} {score(self.challenger)} on {counted(self.rows, self.unit)}"


def decide(judged: Judged, opening: Opening, settings: GateSettings) -> Verdict:
    """Promote a first model that is better than the naive baseline beyond chance, or on `serve_anyway`; one that
    cannot be compared with the champion if it is better than the naive baseline. Promote another unless it is expected
    to be worse than the champion over the files that come by more than `tolerance` says, or clearly worse in a slice;
    and if it is not better on held-out rows, only for a reason that is told. One that a person brought is promoted
    whatever is seen of it."""
    if opening.trigger == "adopt":
        return Verdict(True, _adopted(judged))
    if judged.challenger is None:
        return Verdict(False, _undefined(judged))
    gain = judged.over_baseline
    if judged.champion is None and not opening.incomparable:
        return _first(judged, opening, settings)
    if gain is not None and gain.gain <= 0 and not settings.serve_anyway:
        value = "undefined" if judged.baseline is None else score(judged.baseline)
        own = f"{judged.metric} {score(judged.challenger)}"
        return Verdict(False, f"{own} is not better than {value} of {judged.naive}")
    if judged.champion is None:
        better = "" if gain is None or gain.gain <= 0 else f", better than {judged.naive}{_by(gain)}"
        return Verdict(True, f"{judged.evaluated}{better}; {opening.incomparable}")
    worse = next((one for one in judged.slices if _clearly_worse(one)), None)
    if worse is not None:
        return Verdict(False, _worse_slice(judged, worse))
    return _against_champion(judged, opening, settings)


def _adopted(judged: Judged) -> str:
    if judged.challenger is None:
        return f"adopted by hand; {_undefined(judged)}"
    beside = "" if judged.baseline is None else f", {judged.naive} {score(judged.baseline)}"
    before = "" if judged.champion is None else f", {judged.champion[0]} {score(judged.champion[1])}"
    return f"adopted by hand; {judged.evaluated}{beside}{before}"


def first_z(tries: int) -> float:
    """Standard errors by which a first model must beat the baseline after so many that did not: the chance of all tries
    together stays below 2 %, as 1/1·2 + 1/2·3 + … = 1; each looks twice, at held-out rows and at all that it did not
    train on.

    >>> [round(first_z(tries), 2) for tries in (0, 1, 10)]
    [2.58, 2.94, 3.79]
    """
    return -NormalDist().inv_cdf(FALSE_FIRST / LOOKS / ((tries + 1) * (tries + 2)))


def beyond_chance(gain: PairedGain, tries: int) -> bool:
    """Whether a first model is surely better than the naive baseline."""
    return gain.gain > 0 and gain.se is not None and gain.gain > first_z(tries) * gain.se


def _first(judged: Judged, opening: Opening, settings: GateSettings) -> Verdict:
    gain, naive = judged.over_baseline, judged.naive
    if gain is None or beyond_chance(gain, opening.tries):
        return Verdict(True, f"{judged.evaluated}, better than {naive}{_sure(gain, opening.tries)}")
    lacking = f"{judged.evaluated} is not better than {naive} beyond chance: {_sure(gain, opening.tries).lstrip(' ,')}"
    if settings.serve_anyway:
        return Verdict(True, f"{lacking}; it is served all the same (gate.serve_anyway)")
    out = "more rows or other columns may tell more; `gate.serve_anyway = true` serves it all the same"
    return Verdict(False, f"{lacking}; {out}")


def _sure(gain: PairedGain | None, tries: int) -> str:
    if gain is None:
        return ""
    if gain.se is None:
        return f", by {signed(gain.gain)}, and how sure that is cannot be told"
    rows = f" on {counted(gain.rows, 'row')}, held out or predicted out of fold" if gain.rows else ""
    needed = f"{first_z(tries):.1f} standard errors are asked for"
    return f"{_by(gain)}{rows}; {needed}"


def _by(gain: PairedGain) -> str:
    error = "" if gain.se is None else f" (standard error {amount(gain.se)})"
    return f", by {signed(gain.gain)}{error}"


def _against_champion(judged: Judged, opening: Opening, settings: GateSettings) -> Verdict:
    assert judged.challenger is not None and judged.champion is not None
    name, value = judged.champion
    against = f"{judged.evaluated} against {score(value)} of {name}"
    overall, found = judged.overall, judged.foretold
    if overall is None:
        return Verdict(True, against)
    measured = f"{against}: {_measured(judged)}"
    if found is None:
        sure = "" if overall.gain >= 0 else ", and how sure that is cannot be told"
        return Verdict(overall.gain >= 0, f"{measured}{sure}")
    told = f"{measured}; {expected(found, judged.challenger)}"
    if found.mean < -settings.tolerance * found.sd:
        least = amount(settings.tolerance * found.sd, judged.challenger)
        return Verdict(False, f"{told}; worse by more than {least} is expected (gate.tolerance)")
    if overall.gain > 0:
        return Verdict(True, told)
    if not opening.reason:
        return Verdict(False, f"{told}; not better, and nothing else speaks for it")
    if opening.trigger in MEASURED and not opening.covers and found.mean <= 0:
        counts = f"why the cycle was opened ({opening.trigger}) and what earlier cycles of this model came to"
        return Verdict(False, f"{told}; not better, and {counts} do not outweigh that")
    return Verdict(True, f"{told}; not better, but promoted for a reason: {opening.reason}")


def expected(found: Forecast, scale: float | None = None) -> str:
    """What is foretold, in words; as exact as numbers of this `scale`.

    >>> from retrain.planning.forecast import forecast
    >>> expected(forecast(0.0365, 0.005, 400, 1600, "regret"))
    'expected over the next 2 files: +0.0265, between +0.0021 and +0.0510 at 90%'
    """
    return f"expected {OVER}: {expected_words(found.to_json(), scale)}"


def _measured(judged: Judged) -> str:
    assert judged.challenger is not None and judged.champion is not None and judged.overall is not None
    shown = amount(abs(shown_difference(judged.challenger, judged.champion[1])), judged.challenger)
    se = judged.overall.se
    error = "" if se is None else f" (standard error {amount(se, judged.challenger)})"
    if judged.overall.gain == 0:
        return f"no difference{error}"
    return f"{'better' if judged.overall.gain > 0 else 'worse'} by {shown}{error}"


def _undefined(judged: Judged) -> str:
    reason = f": {judged.why}" if judged.why else ""
    alike = judged.why.startswith(ALL_ALIKE)
    more = "; a larger window.holdout_min_rows takes them from more files" if alike else ""
    rows = counted(judged.rows, judged.unit)
    return f"{judged.metric} is undefined for the challenger on the {rows}{reason}{more}"


def _clearly_worse(slice_: PairedGain) -> bool:
    return slice_.gain < 0 and (slice_.se is None or -slice_.gain > SLICE_Z * slice_.se)


def _worse_slice(judged: Judged, worse: PairedGain) -> str:
    assert judged.champion is not None
    where = f"where {worse.where} ({counted(worse.rows, judged.unit)})"
    if worse.se is None:
        sure = "and how sure that is cannot be told"
    else:
        limit = amount(SLICE_Z * worse.se, worse.gain)
        sure = f"more than {limit}: {SLICE_Z:g} standard errors of {amount(worse.se)} each"
    by = amount(-worse.gain)
    return f"{judged.metric} is worse than that of {judged.champion[0]} by {by} {where}, {sure}"
