"""Why another mixture, recalibration or decision is served, in words. Pure."""

from collections.abc import Mapping
from typing import Any

from drift.notation import percent
from retrain.records.deployment import Champion, Deployment


def proposal_reason(proposal: Mapping[str, Any], champion: Champion) -> str:
    """What speaks for a proposal beside what is served."""
    if proposal.get("reason"):
        return str(proposal["reason"])
    favoured = Deployment.of(0, "", proposal["members"]).described
    moved = "" if proposal["recalibration"] is None else ", recalibrated"
    told = f"the newest labelled rows favour {favoured}{moved}"
    return f"{told}{_threshold_moved(proposal, champion)}{_shares_moved(proposal)}"


def _threshold_moved(proposal: Mapping[str, Any], champion: Champion) -> str:
    """From which probability on a class is answered, and was before, where that changes."""
    now, before = (
        (one or {}).get("rule") or {} for one in (proposal["recalibration"], champion.deployment.calibration)
    )
    threshold, was = now.get("threshold"), before.get("threshold")
    if threshold is None or threshold == was:
        return ""
    told = "" if was is None else f" (before: {was:.4g})"
    return f", {now['positive']!r} answered from a probability of {threshold:.4g} on{told}"


def _shares_moved(proposal: Mapping[str, Any]) -> str:
    """Which share of a class is decided for, where rows that are newer than their labels move it: of the class that
    moves most.

    >>> _shares_moved({"shares": {"labelled": {"no": 0.8, "yes": 0.2}, "newer": {"no": 0.69, "yes": 0.31}}})
    "; decided as for 31% 'yes', for newer rows without labels look like that (labelled ones have 20%)"
    """
    shares = proposal.get("shares")
    if not shares:
        return ""
    before, after = shares["labelled"], shares["newer"]
    name = max(sorted(after), key=lambda one: (round(abs(after[one] - before[one]), 6), -after[one]))
    told = f"decided as for {percent(after[name])} {name!r}, for newer rows without labels look like that"
    return f"; {told} (labelled ones have {percent(before[name])})"
