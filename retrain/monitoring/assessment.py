"""The operation that says how far labels are in, assesses the files that have some, and proposes what to serve. Numbers
for the planner; it changes nothing.

Evidence is folded: the assessment of a file is a function of the labels of the files up to it, and so is what would
have been served for it (the proposal of the labels before it). Labels that come late, in another order, or corrected,
give the same in the end; what does not change is not made again."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from msgspec import convert, structs

from retrain.labels.words import SELECTED
from retrain.model.deployment import LoadedDeployment, fair_decision, load_deployment
from retrain.model.recalibration import Recalibration
from retrain.model.version import LoadedVersion
from retrain.monitoring.assessor import Assessor
from retrain.monitoring.cache import Memory, loaded_version
from retrain.monitoring.drop import Evaluated
from retrain.monitoring.evaluated import evaluated_before
from retrain.monitoring.file_assessment import assess_pool
from retrain.monitoring.groups.watch import watch_groups
from retrain.monitoring.groups.watcher import Watcher, positive_class
from retrain.monitoring.label_trust import judge_labels
from retrain.monitoring.newer_rows import following
from retrain.monitoring.proposal import harm, propose
from retrain.monitoring.realised import realised
from retrain.monitoring.scoring import Scorer, score_answers
from retrain.operations import AcceptedFile, AssessRequest, AssessResult, Foretold, StoredDeployment
from retrain.planning import regret
from retrain.planning.forecast import NEXT_FILES
from retrain.records.assessment import Assessment
from retrain.records.errors import Refused
from retrain.records.groups import read_file_groups
from retrain.records.planner_state import Regret
from retrain.records.settings import ModelSettings
from retrain.rows.history import History
from retrain.rows.seen import was_seen
from retrain.store.versions import load_staged

MOST_POOLS = 300
"""The newest files, small ones together, that evidence is kept of."""


def assess(request: AssessRequest) -> AssessResult:
    """The operation: how far labels are in, what the files with labels say, and what to serve."""
    started = time.process_time()
    settings, challenger = request.settings, request.challenger
    served = _loaded(request.deployment, settings)
    folder, trusted = request.deployment.folder, settings.estimator.trusted_types
    archive = {name: loaded_version(folder / name, trusted) for name in request.archive}
    state = judge_labels(request.files, request.schema, served, settings, request.now, _MEMORY)
    assessor = Assessor(
        history=History(trusting(request.files, state.trust), request.schema, settings.labels, request.now),
        served=served,
        archive=archive,
        settings=settings,
        before=request.before or {},
        memory=_MEMORY,
        predecessor=None if request.predecessor is None else _loaded(request.predecessor, settings),
        challenger=None if challenger is None else LoadedDeployment(
            {challenger: loaded_version(folder / challenger, trusted)}, {challenger: 1.0}, challenger
        ),
    )  # fmt: skip
    base = Regret() if request.base is None else convert(request.base, Regret)
    found = assess_files(assessor, request.known, request.after, base, request.fixed)
    came_to = [one for one in (_realised(cycle, assessor) for cycle in request.foretold) if one is not None]
    scored = score_answers(_scorer(request, assessor.history, served), request.answered)
    watcher = _watcher(request, assessor.history, served)
    watched = watch_groups(watcher, request.answered, read_file_groups(request.groups))
    return AssessResult(
        **found, labels=state.to_json(), scored=list(scored.checks),
        stream=None if scored.stream is None else dict(scored.stream), realised=came_to, groups=watched,
        seconds=time.process_time() - started,
    )  # fmt: skip


def _scorer(request: AssessRequest, history: History, served: LoadedDeployment) -> Scorer:
    """What answers are scored with; of versions that are there no more nothing is known."""
    settings, folder = request.settings, request.deployment.folder

    def evaluated(name: str) -> Evaluated | None:
        try:
            return evaluated_before(loaded_version(folder / name, settings.estimator.trusted_types), settings)
        except Refused:
            return None

    span = 1.0 if settings.task == "classification" else served.version.evaluation.get("error_span")
    return Scorer(history, served.version.metric, settings, evaluated, request.era, request.stream, span)


def _watcher(request: AssessRequest, history: History, served: LoadedDeployment) -> Watcher:
    version, settings = served.version, request.settings
    positive = positive_class(version, settings)
    return Watcher(history, version.metric, settings, request.era, version.name, positive)


def _realised(foretold: Foretold, assessor: Assessor) -> dict[str, Any] | None:
    """What a cycle's forecast came to; None as long as its files are not there, or where a version is there no more."""
    settings, path, cycle = assessor.settings, foretold.challenger, foretold.cycle
    if len(assessor.history.pools_after(foretold.after)) < NEXT_FILES:
        return None
    try:
        champion = _loaded(foretold.champion, settings)
        trusted = settings.estimator.trusted_types
        challenger = load_staged(path, trusted) if foretold.staged else loaded_version(path, trusted)
    except Refused:
        return None
    named = replace(challenger, name=f"challenger of cycle {cycle}") if foretold.staged else challenger
    after, memory = foretold.after, assessor.memory
    found = realised(assessor.history, named, champion, after, foretold.forecast, settings, memory)
    return None if found is None else found | {"cycle": cycle}


def trusting(files: Sequence[AcceptedFile], trust: Mapping[int, str]) -> list[AcceptedFile]:
    """The files, each with how far its labels may be believed; those that are not named are complete."""
    return [structs.replace(file, trust=trust.get(file.seq, "complete")) for file in files]


def _loaded(deployment: StoredDeployment, settings: ModelSettings) -> LoadedDeployment:
    return load_deployment(deployment, lambda path: loaded_version(path, settings.estimator.trusted_types))


def assess_files(
    assessor: Assessor, known: Mapping[int, Mapping[str, Any]], after: int, base: Regret, fixed: bool = False
) -> dict[str, Any]:
    """The evidence of the files after one, as far as it is not `known`, the keys of all that holds, and what to serve
    from now on. `base` is the planner's regret when the evidence begins."""
    fold = _begun(assessor, after, base, fixed)
    found, keys = [], {}
    for pool in _to_assess(assessor, after):
        key = fold.key_with(assessor, pool)
        stored = known.get(pool[-1])
        if stored is not None and stored.get("key") == key:
            one: dict[str, Any] | None = dict(stored)
        else:
            one = assess_pool(fold.serving(assessor), pool)
            if one is not None:
                one |= {"key": key, "files": list(pool), "proposal": fold.proposed(assessor, pool[-1])}
                found.append(one)
        if one is not None:
            keys[pool[-1]] = key
        fold = fold.after(assessor, pool[-1], key, one)
    return {"assessments": found, "skipped": [], "keys": keys, "proposal": _final(assessor, fold)}


@dataclass(frozen=True)
class _Fold:
    """Where the fold over files stands: the proposal by their labels, `up_to` which file, and the planner's regret;
    what tells all this from other labels. `fixed`: nothing is adjusted."""

    proposal: dict[str, Any]
    up_to: int
    regret: Regret
    key: str
    fixed: bool

    def key_with(self, assessor: Assessor, pool: Sequence[int]) -> str:
        """The key of the next file's evidence."""
        return _digest(self.key, assessor.history.labels_key(pool))

    def serving(self, assessor: Assessor) -> Assessor:
        """With what would have been served for the next file, and the window that the planner watched."""
        served = assessor.served if self.fixed else _served(assessor, self.proposal)
        twin, calm, usual = self.regret.twin, self.regret.sum == 0, self.regret.loss
        return replace(assessor, served=served, before=self.proposal, twin_window=twin, calm=calm, usual_loss=usual)

    def proposed(self, assessor: Assessor, up_to: int) -> dict[str, Any]:
        """What the labels up to a file propose."""
        return propose(replace(assessor, before=self.proposal), up_to) | {"up_to": up_to}

    def after(self, assessor: Assessor, up_to: int, key: str, one: Mapping[str, Any] | None) -> "_Fold":
        """After one more file, whose evidence may be None."""
        if one is None:
            return replace(self, proposal=self.proposed(assessor, up_to), up_to=up_to, key=key)
        went = regret.assessed(self.regret, Assessment.from_json(0, dict(one)))
        return replace(self, proposal=dict(one["proposal"]), up_to=up_to, regret=went, key=key)


def _begun(assessor: Assessor, after: int, base: Regret, fixed: bool) -> _Fold:
    """Before the first file of the evidence."""
    first = next(iter(_to_assess(assessor, after)), None)
    pools = [pool for pool in assessor.history.pools() if first is None or pool[-1] < first[-1]]
    up_to = pools[-1][-1] if pools else 0
    served, rival, tried = assessor.served, assessor.predecessor, assessor.challenger
    others = [None if one is None else [one.newest, dict(one.weights)] for one in (rival, tried)]
    files = [seq for pool in pools for seq in pool]
    what: list[Any] = [
        served.newest,
        sorted(assessor.archive),
        others,
        dict(assessor.before),
        list(base.recent),
        base.twin,
    ]
    what += [base.sum, base.loss, fixed]
    what += [assessor.settings.decision.model_dump()] if assessor.settings.decision.configured else []
    key = _digest(json.dumps(what, sort_keys=True, default=str), assessor.history.labels_key(files))
    fold = _Fold(dict(assessor.before), 0, base, key, fixed)
    unlike = tuple(seq for seq in assessor.history.seqs if assessor.history.file(seq).trust == SELECTED)
    known = ("begun", key, up_to, unlike, assessor.settings.adaptation.model_dump_json())
    proposal = assessor.memory.get(known, lambda: fold.proposed(assessor, up_to))
    return replace(fold, proposal=dict(proposal), up_to=up_to)


def _to_assess(assessor: Assessor, after: int) -> list[list[int]]:
    """The files after one, small ones together, but those that the newest version knew whole."""
    version, history = assessor.served.version, assessor.history
    pools = [pool for pool in history.pools() if pool[-1] > after]
    return [pool for pool in pools if not all(_knew(version, history, seq) for seq in pool)][-MOST_POOLS:]


def _knew(version: LoadedVersion, history: History, seq: int) -> bool:
    """Whether a version knew all labelled rows of a file when it was trained, those that it held out included."""
    prepared, digest = version.training["prepare"], history.file(seq).digest
    if digest not in version.training["snapshots"] and digest not in prepared.get("reserved_snapshots", ()):
        return False
    packed = (prepared.get("seen") or {}).get(digest)
    if packed is None:
        return True
    numbers = history.batch(seq).labelled().table.column("__row").to_numpy()
    return bool(was_seen(packed, numbers).all())


def _served(assessor: Assessor, proposal: Mapping[str, Any]) -> LoadedDeployment:
    """The deployment that a proposal describes, as far as its versions are there."""
    newest = assessor.served.newest
    versions = {**assessor.archive, newest: assessor.served.version}
    weights = {name: share for name, share in proposal["members"].items() if name in versions} or {newest: 1.0}
    ordered = dict(sorted(weights.items(), key=lambda member: -member[1]))
    chosen = {name: versions[name] for name in {**ordered, newest: 1.0}}
    return LoadedDeployment(chosen, ordered, newest, Recalibration.from_json(proposal.get("recalibration")))


def _final(assessor: Assessor, fold: _Fold) -> dict[str, Any]:
    """What to serve from now on, by how much it costs more than what is served on the newest labelled rows (before it
    follows rows that are newer than their labels), and what the newest version is alone, without adjustments."""
    proposal, version = fold.proposal, assessor.served.version
    rule = fair_decision(version, assessor.settings)
    recalibration = None if rule is None else rule.to_json()
    plain = {"members": {version.name: 1.0}, "newest": version.name, "recalibration": recalibration}
    found = proposal | {"harm": harm(assessor, _served(assessor, proposal)), "plain": plain}
    return found if fold.fixed else found | following(assessor, proposal, fold.up_to)


def _digest(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:24]


_MEMORY = Memory(1024)
