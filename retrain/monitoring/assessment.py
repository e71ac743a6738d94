"""The operation that assesses newly labelled files and proposes what to serve. Numbers for the planner; it changes
nothing."""

import time
from collections.abc import Sequence
from typing import Any

from retrain.model.deployment import LoadedDeployment, load_deployment
from retrain.monitoring.assessor import Assessor
from retrain.monitoring.cache import Memory, loaded_version
from retrain.monitoring.file_assessment import assess_file
from retrain.monitoring.proposal import propose
from retrain.operations import AssessRequest, AssessResult, StoredDeployment
from retrain.records.settings import ModelSettings
from retrain.rows.history import History

READY_SHARE = 0.9
"""Of a file's rows that have a label."""
LATER_FILES = 3
"""Of live traffic with labels, after which a file's missing ones are no longer waited for."""


def assess(request: AssessRequest) -> AssessResult:
    """The operation: assess the files that became labelled, and propose what to serve."""
    started = time.process_time()
    settings, challenger = request.settings, request.challenger
    served = _loaded(request.deployment, settings)
    folder, trusted = request.deployment.folder, settings.estimator.trusted_types
    assessor = Assessor(
        history=History(request.files, request.schema),
        served=served,
        archive={name: loaded_version(folder / name, trusted) for name in request.archive},
        settings=settings,
        before=request.before or {},
        memory=_MEMORY,
        twin_window=request.twin,
        predecessor=None if request.predecessor is None else _loaded(request.predecessor, settings),
        challenger=None if challenger is None else LoadedDeployment(
            {challenger: loaded_version(folder / challenger, trusted)}, {challenger: 1.0}, challenger
        ),
    )  # fmt: skip
    found = assess_files(assessor, request.candidates)
    return AssessResult(**found, seconds=time.process_time() - started)


def _loaded(deployment: StoredDeployment, settings: ModelSettings) -> LoadedDeployment:
    return load_deployment(deployment, lambda path: loaded_version(path, settings.estimator.trusted_types))


def assess_files(assessor: Assessor, candidates: Sequence[int]) -> dict[str, Any]:
    """Assess those of the candidates whose labels are there, then propose what to serve from now on."""
    ready = ready_files(assessor.history, candidates)
    found = {seq: assess_file(assessor, seq) for seq in ready}
    up_to = max(assessor.history.newest_labelled(1), default=0)
    proposal = propose(assessor, up_to) | {"up_to": up_to}
    return {
        "assessments": [one for one in found.values() if one is not None],
        "skipped": [seq for seq, one in found.items() if one is None],
        "proposal": proposal,
    }


def ready_files(history: History, candidates: Sequence[int]) -> list[int]:
    """The candidates of whose rows 90 % have labels, and those with any that are older than such a one. Of live traffic
    often only some rows ever get a label: such a file is also ready once three newer ones have any."""
    shares = {seq: float(history.batch(seq).known.mean()) if history.batch(seq).rows else 0.0 for seq in candidates}
    newest = max((seq for seq, share in shares.items() if share >= READY_SHARE), default=-1)
    begun = sorted(seq for seq in candidates if seq in history.traffic and shares[seq] > 0)
    old = set(begun[:-LATER_FILES])
    return [
        seq for seq in candidates if shares[seq] >= READY_SHARE or (shares[seq] > 0 and (seq < newest or seq in old))
    ]


_MEMORY = Memory()
