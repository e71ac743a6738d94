"""May the challenger replace the champion? Pure: numbers in, a verdict with its reason out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scored:
    """A metric's value on the holdout; None where it is undefined."""

    name: str
    value: float | None


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
    challenger: Scored,
    baseline_gain: float | None,
    baseline: Scored,
    champion: Scored | None,
    differences: tuple[PairedGain, ...],
    max_worse_se: float,
) -> Verdict:
    """Promote unless worse than the champion by more than `max_worse_se` standard errors, over all rows and in
    each slice, and only if better than the naive baseline (`baseline_gain` > 0, in the metric's unit)."""
    if challenger.value is None:
        return Verdict(False, f"{metric} is undefined for the challenger on the {rows:,} held-out rows")
    if baseline_gain is not None and baseline_gain <= 0:
        value = "undefined" if baseline.value is None else f"{baseline.value:.4f}"
        return Verdict(False, f"{metric} {challenger.value:.4f} is not better than {value} of the naive baseline")
    if champion is None:
        return Verdict(True, f"{_score(metric, challenger, rows)}, better than the naive baseline")
    for difference in differences:
        if _worse(difference, max_worse_se):
            return Verdict(False, _reason_worse(metric, challenger, champion, difference, rows, max_worse_se))
    return Verdict(True, _reason_better(metric, challenger, champion, differences, rows))


def _worse(difference: PairedGain, max_worse_se: float) -> bool:
    if difference.gain >= 0:
        return False
    return difference.se is None or -difference.gain > max_worse_se * difference.se


def _score(metric: str, challenger: Scored, rows: int) -> str:
    return f"{metric} {challenger.value:.4f} on {rows:,} held-out rows"


def _reason_worse(
    metric: str, challenger: Scored, champion: Scored, difference: PairedGain, rows: int, max_worse_se: float
) -> str:
    size = f"{-difference.gain:.4f}"
    beyond = (
        "and how sure that is cannot be told"
        if difference.se is None
        else f"more than {max_worse_se:g} standard errors of {difference.se:.4f}"
    )
    if difference.where:
        where = f"where {difference.where} ({difference.rows:,} rows)"
        return f"{metric} is worse than that of {champion.name} by {size} {where}, {beyond}"
    against = _against(champion)
    return f"{_score(metric, challenger, rows)} is worse than {against} by {size}, {beyond}"


def _reason_better(
    metric: str, challenger: Scored, champion: Scored, differences: tuple[PairedGain, ...], rows: int
) -> str:
    overall = next((d for d in differences if not d.where), None)
    start = f"{_score(metric, challenger, rows)} against {_against(champion)}"
    if overall is None:
        return start
    error = "" if overall.se is None else f" ± {overall.se:.4f}"
    how = "better" if overall.gain >= 0 else "worse"
    also = "" if overall.gain >= 0 else ", within chance"
    return f"{start}: {how} by {abs(overall.gain):.4f}{error}{also}"


def _against(champion: Scored) -> str:
    value = "an undefined value" if champion.value is None else f"{champion.value:.4f}"
    return f"{value} of {champion.name}"
