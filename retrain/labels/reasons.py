"""What is waited for, in words, where labels are not believed yet."""

from collections.abc import Mapping

from drift.notation import counted
from retrain.labels.evidence import Evidence
from retrain.labels.words import WAITING

WAY_OUT = "set [models.M.labels] maturity, and negative where silence means a class"


def reason(
    evidence: Evidence, by_seq: Mapping[int, str], by_class: bool, one_class: str | None, class_wise: bool
) -> str:
    """One sentence, "" where nothing is waited for."""
    waiting = sum(by_seq[file.seq] == WAITING for file in evidence.files)
    if one_class is not None:
        return f'all recent labels are "{one_class}": none is believed until others come, or {WAY_OUT}'
    if class_wise:
        return f"rows of some classes are labelled more often than others: not believed; {WAY_OUT}"
    if not waiting:
        return ""
    if by_class:
        return f"labels {_lags(evidence)}: files wait for the slowest, or {WAY_OUT}"
    if evidence.missing:
        names = ", ".join(f'"{name}"' for name in evidence.missing)
        return f"no label {names} came yet, though some should have: waiting for them, or {WAY_OUT}"
    if not evidence.whole:
        return "too few labels to tell whether more will come, and whether that depends on the class: waiting for more"
    return f"files wait for labels: {_lags(evidence)}"


def _lags(evidence: Evidence) -> str:
    """How late classes come, of many the slowest, the quickest of them first."""
    slow = sorted((curve.quantile(0.9), name) for name, curve in evidence.curves.items())[-5:]
    return ", ".join(f'"{name}" come {_after(round(lag))}' for lag, name in slow)


def _after(files: int) -> str:
    return "with their rows" if files < 1 else f"{counted(files, 'file')} later"
