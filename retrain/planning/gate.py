"""May the challenger replace the champion? Pure: numbers in, a verdict with its reason out."""

from dataclasses import dataclass


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
) -> Verdict:
    """Promote unless worse than the champion (its name and the metric's value) by more than `max_worse_se` standard
    errors, over all rows and in each slice, and only if better than the naive baseline (`baseline_gain` > 0, in the
    metric's unit). Values are of the holdout, None where the metric is undefined."""
    if challenger is None:
        return Verdict(False, f"{metric} is undefined for the challenger on the {rows:,} held-out rows")
    if baseline_gain is not None and baseline_gain <= 0:
        value = "undefined" if baseline is None else f"{baseline:.4f}"
        return Verdict(False, f"{metric} {challenger:.4f} is not better than {value} of the naive baseline")
    score = f"{metric} {challenger:.4f} on {rows:,} held-out rows"
    if champion is None:
        return Verdict(True, f"{score}, better than the naive baseline")
    name, value = champion[0], f"{champion[1]:.4f} of {champion[0]}"
    for difference in differences:
        if _worse(difference, max_worse_se):
            beyond = _beyond(difference, max_worse_se)
            if difference.where:
                where = f"where {difference.where} ({difference.rows:,} rows)"
                return Verdict(False, f"{metric} is worse than that of {name} by {beyond[0]} {where}, {beyond[1]}")
            return Verdict(False, f"{score} is worse than {value} by {', '.join(beyond)}")
    return Verdict(True, f"{score} against {value}{_difference(differences)}")


def _worse(difference: PairedGain, max_worse_se: float) -> bool:
    if difference.gain >= 0:
        return False
    return difference.se is None or -difference.gain > max_worse_se * difference.se


def _beyond(difference: PairedGain, max_worse_se: float) -> tuple[str, str]:
    """By how much it is worse, and how sure that is."""
    if difference.se is None:
        return f"{-difference.gain:.4f}", "and how sure that is cannot be told"
    return f"{-difference.gain:.4f}", f"more than {max_worse_se:g} standard errors of {difference.se:.4f}"


def _difference(differences: tuple[PairedGain, ...]) -> str:
    overall = next((d for d in differences if not d.where), None)
    if overall is None:
        return ""
    error = "" if overall.se is None else f" ± {overall.se:.4f}"
    how, also = ("better", "") if overall.gain >= 0 else ("worse", ", within chance")
    return f": {how} by {abs(overall.gain):.4f}{error}{also}"
