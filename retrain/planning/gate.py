"""May the challenger replace the champion? Pure: numbers in, a verdict with its reason out."""

from dataclasses import dataclass

from drift.notation import amount, counted, score, shown_difference

ALL_ALIKE = "the labels are all"
"""How a metric says that labels do not differ, of one class or one number: more of them may."""


@dataclass(frozen=True)
class PairedGain:
    """How much better the challenger is than the champion, in the metric's unit (negative: worse), and the
    standard error of that paired difference; `where` names a slice, "" means all rows."""

    gain: float
    se: float | None
    where: str = ""
    rows: int = 0


@dataclass(frozen=True)
class Verdict:
    """`promote` or not, and why."""

    promote: bool
    reason: str


def decide(
    metric: str,
    rows: int,
    challenger: float | None,
    baseline: float | None,
    baseline_gain: float | None,
    champion: tuple[str, float] | None,
    differences: tuple[PairedGain, ...],
    max_worse_se: float,
    unit: str = "held-out row",
    naive: str = "the naive baseline",
    why: str = "",
) -> Verdict:
    """Promote unless worse than the champion (its name and the metric's value) by more than `max_worse_se` standard
    errors, over all rows and in each slice, and only if better than the naive baseline (`baseline_gain` > 0, in the
    metric's unit). Values are of the holdout, None where the metric is undefined. `unit` is what is judged one by one,
    `naive` what the baseline is, `why` the reason why the challenger has no value."""
    if challenger is None:
        reason = f": {why}" if why else ""
        more = "; a larger window.holdout_min_rows takes them from more files" if why.startswith(ALL_ALIKE) else ""
        return Verdict(False, f"{metric} is undefined for the challenger on the {counted(rows, unit)}{reason}{more}")
    if baseline_gain is not None and baseline_gain <= 0:
        value = "undefined" if baseline is None else score(baseline)
        return Verdict(False, f"{metric} {score(challenger)} is not better than {value} of {naive}")
    evaluated = f"{metric} {score(challenger)} on {counted(rows, unit)}"
    if champion is None:
        return Verdict(True, f"{evaluated}, better than {naive}")
    name, value = champion[0], f"{score(champion[1])} of {champion[0]}"
    gap = abs(shown_difference(challenger, champion[1]))
    for difference in differences:
        if _worse(difference, max_worse_se):
            sure = _beyond(difference, max_worse_se)
            if difference.where:
                where = f"where {difference.where} ({counted(difference.rows, 'row')})"
                by = amount(-difference.gain)
                return Verdict(False, f"{metric} is worse than that of {name} by {by} {where}, {sure}")
            return Verdict(False, f"{evaluated} is worse than {value} by {amount(gap, challenger)}, {sure}")
    return Verdict(True, f"{evaluated} against {value}{_difference(differences, gap, challenger, max_worse_se)}")


def _worse(difference: PairedGain, max_worse_se: float) -> bool:
    if difference.gain >= 0:
        return False
    return difference.se is None or -difference.gain > max_worse_se * difference.se


def _beyond(difference: PairedGain, max_worse_se: float) -> str:
    """How sure it is that it is worse."""
    if difference.se is None:
        return "and how sure that is cannot be told"
    limit = amount(max_worse_se * difference.se, difference.gain)
    return f"more than {limit}: {max_worse_se:g} standard errors (gate.max_worse_se) of {amount(difference.se)} each"


def _difference(differences: tuple[PairedGain, ...], gap: float, challenger: float, max_worse_se: float) -> str:
    overall = next((d for d in differences if not d.where), None)
    if overall is None:
        return ""
    shown = amount(gap, challenger)
    error = "" if overall.se is None else f" (standard error {amount(overall.se, challenger)})"
    if overall.gain >= 0:
        return f": better by {shown}{error}"
    return f": worse by {shown}{error}, within the {max_worse_se:g} standard errors that gate.max_worse_se allows"
