"""Say of a new file of labels whether it contradicts labels already given, file of rows by file of rows."""

import time

from retrain.monitoring.given_labels import NO_ROW, GivenLabels
from retrain.operations import ContradictRequest, ContradictResult
from retrain.records.settings.decisions import CONTRADICTING
from retrain.suspicion.contradictions import Contradiction, are_exchanged, changes, contradiction, without_provisional


def contradict(request: ContradictRequest) -> ContradictResult:
    """The operation: compare a file of labels with what its ids were labelled before."""
    started = time.perf_counter()
    labels = GivenLabels(request)
    found = _found(labels, request) if labels.changed else None
    doubt = (
        None if found is None else {"kind": CONTRADICTING, "reason": found.doubt.reason, "numbers": found.doubt.numbers}
    )
    return ContradictResult(
        doubts=[] if doubt is None else [doubt],
        retold=labels.retold,
        changed=labels.changed,
        leaves=None if found is None else found.leaves,
        places=[] if found is None else labels.places(),
        seconds=time.perf_counter() - started,
    )


def _found(labels: GivenLabels, request: ContradictRequest) -> Contradiction | None:
    """What is found of the rows that it changes, and of the ids without one."""
    told = labels.told()
    others = labels.pools({seq: labels.usual(seq) for seq in labels.before()})
    of_files = labels.pools({seq: changes(one) for seq, one in told.items()})
    rowless = labels.of_no_row([*others, *of_files])
    told |= {} if rowless is None else {NO_ROW: rowless}
    judged = without_provisional(list(told.values()), request.settings.labels.negative)
    pools = labels.pools(dict(zip(told, map(changes, judged), strict=True)))
    return contradiction(pools, others, request.schema.target, are_exchanged(judged))
