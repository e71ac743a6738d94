"""Assess newly labelled files: what the served deployment cost, what a fresh model would have saved, and how earlier
versions and a recalibration would do now. Numbers for the planner; it changes nothing."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.metrics.losses import row_losses
from retrain.metrics.registry import Metric
from retrain.model.blend import blend
from retrain.model.deployment import LoadedDeployment, load_deployment
from retrain.model.recalibration import Recalibration, class_shares, decision_for, fit_line, fit_offsets
from retrain.model.version import LoadedVersion
from retrain.monitoring.blend_weights import blend_weights
from retrain.monitoring.cache import Memory, loaded_version
from retrain.monitoring.twins import Twin, window_twin
from retrain.operations import AssessRequest, AssessResult, StoredDeployment
from retrain.planning.twin_windows import WINDOWS
from retrain.records.predictions import Floats, Labels, Predictions
from retrain.records.settings import ModelSettings
from retrain.rows.history import Batch, History

Mask = NDArray[np.bool_]
READY_SHARE = 0.9
LATER_FILES = 3
FEWEST_ROWS, FEWEST_RESERVED = 20, 8
RECENT_FILES, SHARE_FILES = 2, 4
TWINS_EVERY = 2
MEMORY_DECAY, NEW_CHAMPION_DECAY = 0.5, 0.3


@dataclass(frozen=True, eq=False)
class Assessor:
    """Everything that assessing needs: rows, what is served, the archive (versions by name), and what was found last.
    `before` is the last proposal for this model, {} at first; `twin_window` is the window that the planner
    watches, whose twins are made for each file, the others' for every second; `rival` was served before the last
    promotion, `challenger` is on trial beside what is served now."""

    history: History
    served: LoadedDeployment
    archive: Mapping[str, LoadedVersion]
    settings: ModelSettings
    before: Mapping[str, Any]
    memory: Memory
    twin_window: str = "all"
    rival: LoadedDeployment | None = None
    challenger: LoadedDeployment | None = None

    @property
    def metric(self) -> Metric:
        """The model's metric."""
        return self.served.version.metric

    @property
    def balanced(self) -> bool:
        """Whether the decision follows the classes' shares, as the metric rewards."""
        wanted = self.metric.name == "balanced_accuracy" and self.settings.task == "classification"
        return wanted and self.settings.layers.recalibration

    # --- one file -------------------------------------------------------------------------------------------

    def assess(self, seq: int) -> dict[str, Any] | None:
        """The evidence of one labelled file as JSON; None where nothing can be told from it."""
        batch = self.history.batch(seq).labelled()
        valid = self._unseen(list(self.served.versions.values()), batch)
        if valid is None or int(valid.sum()) < FEWEST_ROWS:
            return None
        y = batch.labels(self.history.schema)
        said = self.said(self.served.versions, batch)
        answered = self.served.answer(said)
        rule = self._decision(seq)
        losses = self._losses(self._ruled(answered, rule), y, valid)
        if losses is None:
            return None
        found: dict[str, Any] = {
            "seq": seq,
            "rows": int(valid.sum()),
            "newest": self.served.newest,
            "metric": self.metric.name,
            "score": self.metric.score(y[valid], answered.take(valid)),
            "loss": float(losses.mean()),
            "rival": self._rival(batch, y, valid, answered),
            "challenger": self._challenger(batch, y, valid, answered, rule),
        }
        return found | self._fresh(batch, y, valid, losses, rule)

    def _rival(self, batch: Batch, y: Labels, valid: Mask, answered: Predictions) -> list[float] | None:
        """Moments of what the deployment costs more than its predecessor, as each answers."""
        if self.rival is None:
            return None
        known = self._unseen(list(self.rival.versions.values()), batch)
        before = self.rival.answer(self.said(self.rival.versions, batch))
        rows = valid if known is None else valid & known
        costs, others = self._losses(answered, y, rows), self._losses(before, y, rows)
        return None if costs is None or others is None or known is None else _moments(costs - others)

    def _challenger(
        self, batch: Batch, y: Labels, valid: Mask, answered: Predictions, rule: Recalibration | None
    ) -> dict[str, Any] | None:
        """Moments of what the challenger on trial costs more than the deployment, with the same decision: the
        challenger's own is fitted only once it is served."""
        if self.challenger is None:
            return None
        known = self._unseen(list(self.challenger.versions.values()), batch)
        if known is None:
            return None
        other = self.challenger.answer(self.said(self.challenger.versions, batch))
        rows = valid & known
        costs, others = (self._losses(self._ruled(said, rule), y, rows) for said in (answered, other))
        if costs is None or others is None:
            return None
        return {"version": self.challenger.newest, "costs": _moments(others - costs)}

    def _fresh(
        self, batch: Batch, y: Labels, valid: Mask, losses: Floats, rule: Recalibration | None
    ) -> dict[str, Any]:
        """What twins of each window, trained before this file, cost on it; and trained with it, on its reservoir."""
        watched = {self.twin_window: WINDOWS[self.twin_window]}
        every = dict(WINDOWS) if batch.seq % TWINS_EVERY == 0 else watched
        ahead, with_it = self._twin_losses(every, batch, y, valid, rule, batch.seq - 1), {}
        held = valid & batch.reserved
        if int(held.sum()) >= FEWEST_RESERVED:
            with_it = self._twin_losses(watched, batch, y, held, rule, batch.seq)
        inner = losses[batch.reserved[valid]]
        names = list(ahead)
        pairs = {f"{a}|{b}": _moments(ahead[a] - ahead[b]) for i, a in enumerate(names) for b in names[i + 1 :]}
        return {
            "twins": {name: float(found.mean()) for name, found in ahead.items()},
            "pairs": pairs,
            "gains": {name: _mean_error(losses - found) for name, found in ahead.items()},
            "fresh": {name: _mean_error(inner - found) for name, found in with_it.items() if len(found) == len(inner)},
        }

    def _twin_losses(
        self,
        windows: Mapping[str, int | None],
        batch: Batch,
        y: Labels,
        rows: Mask,
        rule: Recalibration | None,
        up_to: int,
    ) -> dict[str, Floats]:
        found = {}
        for window, count in windows.items():
            twin = self._twin(window, count, up_to)
            if twin is None:
                continue
            losses = self._losses(self._ruled(twin.predict(self._matrix(batch)), rule), y, rows)
            if losses is not None:
                found[window] = losses
        return found

    def _twin(self, window: str, count: int | None, up_to: int) -> Twin | None:
        """The twin of the newest version on a window of the labelled files up to one."""
        version, seed = self.served.version, self.settings.estimator.seed
        twin: Twin | None = self.memory.get(
            ("twin", version.name, window, up_to),
            lambda: window_twin(self.history, version, count, up_to, seed, self.memory),
        )
        return twin

    def _matrix(self, batch: Batch) -> Floats:
        version = self.served.version
        key = ("matrix", version.name, batch.digest, batch.table.num_rows)
        matrix: Floats = self.memory.get(key, lambda: version.matrix(batch.table))
        return matrix

    # --- what to serve ----------------------------------------------------------------------------------------

    def propose(self, up_to: int) -> dict[str, Any]:
        """Weights of the archive and a recalibration, from the newest labelled files up to one: JSON with `members`,
        `recalibration` (None: none), and what the next proposal needs (`candidate`, `gain`)."""
        recent = [self.history.batch(seq).labelled() for seq in self._recent(up_to, RECENT_FILES)]
        weights = self._weights(recent, self._decision(up_to))
        proposal: dict[str, Any] = {"members": weights, "newest": self.served.newest, "recalibration": None}
        if not self.settings.layers.recalibration:
            return proposal
        rule = self._decision(up_to)
        gain = self._recalibration_gain(recent, rule)
        candidate = self._recalibrate(recent, weights, rule)
        applied = candidate if candidate is not None and gain > 0 else rule
        return proposal | {
            "recalibration": None if applied is None else applied.to_json(),
            "candidate": None if candidate is None else candidate.to_json(),
            "gain": gain,
        }

    def _recent(self, up_to: int, count: int) -> list[int]:
        return self.history.newest_labelled(count, up_to)

    def _weights(self, recent: Sequence[Batch], rule: Recalibration | None) -> dict[str, float]:
        if self.settings.layers.archive < 2 or len(self.archive) < 2:
            return {self.served.newest: 1.0}
        parts: dict[str, list[Floats]] = {name: [] for name in self.archive}
        for batch in recent:
            valid = self._unseen(list(self.archive.values()), batch)
            if valid is None or int(valid.sum()) < 3:
                continue
            y = batch.labels(self.history.schema)
            said = self.said(self.archive, batch)
            losses = {name: self._losses(self._ruled(one, rule), y, valid) for name, one in said.items()}
            if all(found is not None for found in losses.values()):
                for name, found in losses.items():
                    assert found is not None
                    parts[name].append(found)
        whole = {name: np.concatenate(found) for name, found in parts.items() if found}
        return blend_weights(whole, self.served.newest, self.settings.layers.members)

    def _recalibrate(
        self, recent: Sequence[Batch], weights: Mapping[str, float], rule: Recalibration | None
    ) -> Recalibration | None:
        versions = {name: self.archive[name] for name in weights}
        said, labels = [], []
        for batch in recent:
            valid = self._unseen(list(versions.values()), batch)
            if valid is None or not valid.any():
                continue
            spoken = self.said(versions, batch)
            said.append(blend([spoken[name] for name in weights], list(weights.values())).take(valid))
            labels.append(batch.labels(self.history.schema)[valid])
        if sum(map(len, labels)) < FEWEST_ROWS:
            return None
        y = np.concatenate(labels)
        if said[0].classes is None:
            return fit_line(np.concatenate([one.values for one in said]), np.asarray(y, dtype=np.float64))
        if any(one.probabilities is None or one.classes != said[0].classes for one in said):
            return None
        probabilities = np.concatenate([one.probabilities for one in said if one.probabilities is not None])
        values = np.concatenate([one.values for one in said])
        return fit_offsets(Predictions(values, probabilities, said[0].classes), y, rule)

    def _recalibration_gain(self, recent: Sequence[Batch], rule: Recalibration | None) -> float:
        """The smoothed gain of the last candidate, one file ahead; positive: it would have helped."""
        candidate = Recalibration.from_json(self.before.get("candidate"))
        gain = float(self.before.get("gain") or 0.0)
        if self.before.get("newest") not in (None, self.served.newest):
            gain *= NEW_CHAMPION_DECAY
        fresh = [batch for batch in recent if batch.seq > int(self.before.get("up_to") or 0)]
        if candidate is None:
            return gain
        members = {name: self.archive[name] for name in self.before.get("members", {}) if name in self.archive}
        for batch in fresh:
            valid = self._unseen(list(members.values()), batch) if members else None
            if valid is None or int(valid.sum()) < FEWEST_ROWS:
                continue
            y, said = batch.labels(self.history.schema), self.said(members, batch)
            raw = blend([said[name] for name in members], [self.before["members"][name] for name in members])
            plain, moved = self._smooth(self._ruled(raw, rule), y, valid), self._smooth(candidate.apply(raw), y, valid)
            if plain is not None and moved is not None:
                gain = MEMORY_DECAY * gain + float((plain - moved).mean())
        return gain

    def _smooth(self, said: Predictions, y: Labels, rows: Mask) -> Floats | None:
        """Losses that a recalibration moves even where the metric ranks: Brier's, but the metric's own where the
        decision is what counts or numbers are predicted."""
        if said.classes is None or self.balanced or said.probabilities is None:
            return self._losses(said, y, rows)
        from retrain.metrics.classification import brier_losses

        return brier_losses(y[rows], said.take(rows))

    # --- pieces ---------------------------------------------------------------------------------------------

    def said(self, versions: Mapping[str, LoadedVersion], batch: Batch) -> dict[str, Predictions]:
        """What each version says of a batch's rows."""
        return said_by(versions, batch, self.memory)

    def _unseen(self, versions: Sequence[LoadedVersion], batch: Batch) -> Mask | None:
        """The rows that none of these versions was trained on; None where one knows them all."""
        valid = np.ones(batch.table.num_rows, dtype=bool)
        for version in versions:
            rows = unseen_rows(version, batch)
            if rows is None:
                return None
            valid &= rows
        return valid

    def _losses(self, said: Predictions, y: Labels, rows: Mask) -> Floats | None:
        return row_losses(self.metric, y[rows], said.take(rows))

    def _decision(self, up_to: int) -> Recalibration | None:
        """Where the metric rewards it, the decision by the classes' shares in the newest labelled files."""
        version = self.served.version
        if not self.balanced or version.classes is None:
            return None
        files = self._recent(up_to, SHARE_FILES)
        labels = [self.history.batch(seq).labelled().labels(self.history.schema) for seq in files]
        shares = dict(zip(version.baseline.classes or (), version.baseline.probabilities or (), strict=True))
        return decision_for(class_shares(np.concatenate(labels), shares) if labels else shares, version.classes)

    def _ruled(self, said: Predictions, rule: Recalibration | None) -> Predictions:
        """With the decision that the metric rewards: so that versions are compared by what they know, not by where they
        happen to put the threshold."""
        return said if rule is None else rule.apply(said)


def said_by(versions: Mapping[str, LoadedVersion], batch: Batch, memory: Memory) -> dict[str, Predictions]:
    """What each version says of a batch's rows, remembered."""

    def say(name: str, version: LoadedVersion) -> Predictions:
        key = ("says", name, batch.digest, batch.table.num_rows)
        said: Predictions = memory.get(key, lambda: version.predict_table(batch.table))
        return said

    return {name: say(name, version) for name, version in versions.items()}


def unseen_rows(version: LoadedVersion, batch: Batch) -> Mask | None:
    """Which rows of a batch a version was not trained on; None for none."""
    prepared = version.training["prepare"]
    if batch.digest in prepared.get("reserved_snapshots", ()):
        return batch.reserved
    if batch.digest in version.training["snapshots"]:
        return None
    return np.ones(batch.table.num_rows, dtype=bool)


def assess(request: AssessRequest) -> AssessResult:
    """The operation: assess the files that became labelled, and propose what to serve."""
    started = time.process_time()
    settings, tried = request.settings, request.challenger
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
        rival=None if request.predecessor is None else _loaded(request.predecessor, settings),
        challenger=None if tried is None else LoadedDeployment(
            {tried: loaded_version(folder / tried, trusted)}, {tried: 1.0}, tried
        ),
    )  # fmt: skip
    found = assess_files(assessor, request.candidates)
    return AssessResult(**found, seconds=time.process_time() - started)


def _loaded(deployment: StoredDeployment, settings: ModelSettings) -> LoadedDeployment:
    return load_deployment(deployment, lambda path: loaded_version(path, settings.estimator.trusted_types))


def assess_files(assessor: Assessor, candidates: Sequence[int]) -> dict[str, Any]:
    """Assess those of the candidates whose labels are there, then propose what to serve from now on."""
    ready = ready_files(assessor.history, candidates)
    found = {seq: assessor.assess(seq) for seq in ready}
    up_to = max(assessor.history.newest_labelled(1), default=0)
    proposal = assessor.propose(up_to) | {"up_to": up_to}
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


def _moments(differences: Floats) -> list[float]:
    return [float(differences.mean()), float(differences.var()), len(differences)]


def _mean_error(differences: Floats) -> list[float]:
    """Mean, its standard error, rows."""
    rows = len(differences)
    error = float(differences.std()) / math.sqrt(rows) if rows else 0.0
    return [float(differences.mean()) if rows else 0.0, error, rows]


_MEMORY = Memory()
