"""The daemon over history, in memory: each batch is served, then its labels are shown, then the planner decides.

The same functions as in the daemon do the work: `retrain.planning.planner.plan` decides, the cores of the stages
prepare, train and evaluate, `retrain.monitoring.assessment` tells what labels say and `retrain.monitoring.check`
whether data drifted. One day passes a batch."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import pyarrow as pa

from daemon.tools.replay.source import BatchFile, Source
from daemon.tools.replay.suspects import Suspects
from drift import Reference, build_reference, output_columns
from retrain.model.deployment import LoadedDeployment
from retrain.model.recalibration import Recalibration
from retrain.model.version import LoadedVersion
from retrain.monitoring.assessment import assess_files
from retrain.monitoring.assessor import Assessor, version_predictions
from retrain.monitoring.cache import Memory
from retrain.monitoring.champion import MonitoredDeployment, predict_snapshots, write_predictions
from retrain.monitoring.check import drift_report
from retrain.operations import AcceptedFile
from retrain.planning.planner import plan
from retrain.records.action import Idle, ObserveOnly, OpenCycle, Reweigh, RollBack, Wait
from retrain.records.assessment import Assessment
from retrain.records.deployment import Champion, Deployment
from retrain.records.errors import Refused
from retrain.records.finished_check import FinishedCheck
from retrain.records.observation import CycleResult, Observation
from retrain.records.planner_state import PlannerState
from retrain.records.settings import ModelSettings
from retrain.records.trigger import Trigger
from retrain.rows.columns import column_values
from retrain.rows.held_out import of_newest_file
from retrain.rows.history import History
from retrain.rows.targets import target_values
from retrain.stages.evaluate import compare, twin_handicap
from retrain.stages.prepare import Prepared, prepare_rows
from retrain.stages.train import fit_version

DAY_S = 86_400.0
MOST_STEPS = 20


@dataclass
class Clock:
    """CPU seconds by purpose: "first" (model), "retrains", "probes" (twins, archive, recalibration), "checks" (drift)
    and "serving"."""

    spent: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("first", "retrains", "probes", "checks", "serving"), 0.0)
    )

    @contextmanager
    def during(self, purpose: str) -> Iterator[None]:
        """Count what happens within."""
        started = time.process_time()
        try:
            yield
        finally:
            self.spent[purpose] += time.process_time() - started


@dataclass(frozen=True)
class ReplayedCycle:
    """A cycle of the replay, opened after `batch` (from 0) was served."""

    batch: int
    trigger: str
    reason: str
    window: str
    promoted: bool
    outcome: str
    champion: float | None = None
    challenger: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return dict(self.__dict__)


@dataclass
class Run:
    """What came of one replay: a score a batch (None before there is a model, or undefined)."""

    metric: str = ""
    scores: list[float | None] = field(default_factory=list)
    cycles: list[ReplayedCycle] = field(default_factory=list)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    drifts: list[int] = field(default_factory=list)
    suspects: Suspects = field(default_factory=Suspects)
    clock: Clock = field(default_factory=Clock)

    @property
    def mean(self) -> float | None:
        """Over the batches that have a score."""
        known = [score for score in self.scores if score is not None]
        return float(np.mean(known)) if known else None


@dataclass
class Engine:
    """One model's daemon over the batches of a source. `period` retrains every so many batches in place of the
    planner's triggers; `layers` off and `plan` off serve the first model for good."""

    source: Source
    settings: ModelSettings
    config_dir: Path
    initial: int
    delay: int = 0
    period: int | None = None
    checks: bool = True
    run: Run = field(default_factory=Run)
    state: PlannerState = field(default_factory=PlannerState)
    versions: dict[str, LoadedVersion] = field(default_factory=dict)
    known_rows: dict[str, int] = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)
    served: LoadedDeployment | None = None
    predecessor: LoadedDeployment | None = None
    champion: Champion | None = None
    _memory: Memory = field(default_factory=Memory)
    _proposal: dict[str, Any] | None = None
    _proposals: int = 0
    _pending: list[Assessment] = field(default_factory=list)
    _assessed: set[int] = field(default_factory=set)
    _retrained: CycleResult | None = None
    _evidence: list[FinishedCheck] = field(default_factory=list)
    _drifting: bool = False
    _labelled_at_open: int = 0
    _cycle: int = 0

    def play(self, progress: Callable[[int], None] | None = None) -> Run:
        """All batches; Refused where the first batches cannot give a model."""
        self._first()
        for place in range(self.initial, len(self.source.batches)):
            batch = self.source.batches[place]
            self._serve(batch)
            if place + 1 < len(self.source.batches):
                if self.checks:
                    self._check(batch)
                self._learn(place)
                self._decide(place)
            if progress is not None:
                progress(place + 1)
        return self.run

    # --- a batch ----------------------------------------------------------------------------------------------

    def _first(self) -> None:
        """The first model, from the first batches."""
        self.run.scores = [None] * self.initial
        for batch in self.source.batches[: self.initial] if self.checks else ():
            self.run.suspects.judge(batch, None, self.source.schema, self.settings, labelled=True)
        now = self.initial * DAY_S
        wanted = {"first_rows": 10, "first_class_rows": 2, "cooldown": self.settings.triggers.cooldown}
        first = self.settings.model_copy(update={"triggers": self.settings.triggers.model_copy(update=wanted)})
        self.state, action = plan(self.state, self._observe(self.initial - 1), now, first)
        if not isinstance(action, OpenCycle):
            raise Refused(
                f"the first {self.initial} batches give no model: {action.reason}", "give more --initial batches"
            )
        self._cycle_of(action.trigger, self.initial - 1)
        if self.served is None:
            raise Refused(f"the first {self.initial} batches give no model: {self.run.cycles[-1].outcome}")
        self.run.cycles.clear()
        self.run.metric = self.served.version.metric.name

    def _serve(self, batch: BatchFile) -> None:
        assert self.served is not None
        with self.run.clock.during("serving"):
            judged = History([batch.served()], self.source.schema).whole(batch.seq)
            members = {name: self.served.versions[name] for name in self.served.weights}
            said = self.served.answer(version_predictions(members, judged, self._memory))
        y = target_values(judged.table, self.source.schema)
        known = judged.known
        score = self.served.version.metric.score(y[known], said.take(known))
        self.run.scores.append(score)

    def _check(self, batch: BatchFile) -> None:
        """The drift check of an arriving batch."""
        assert self.served is not None and self.champion is not None
        reference = self.references.get(self.served.newest)
        if reference is None:
            return
        with self.run.clock.during("checks"):
            judged = MonitoredDeployment(self.served, reference, {})
            notes: list[str] = []
            predicted = predict_snapshots(judged, [batch.unlabelled], notes)
            report = drift_report(judged, [batch.unlabelled], self.settings, predicted, notes)
            if predicted is not None:
                said = write_predictions(predicted, batch.unlabelled.with_suffix(f".{self.served.newest}.predictions"))
                self.run.suspects.judge(batch, said, self.source.schema, self.settings, labelled=self.delay == 0)
        if report.drift and not self._drifting:
            self.run.drifts.append(batch.seq - 1)
        self._drifting = report.drift
        self._evidence.append(FinishedCheck(len(self.run.scores), batch.seq, report.drift, tuple(report.drifted)))

    def _learn(self, place: int) -> None:
        """Assess what became labelled."""
        up_to = place + 1 - self.delay
        done = self._assessed | self.run.suspects.held
        candidates = [b.seq for b in self.source.batches[self.initial : up_to] if b.seq not in done]
        self._assess(place, candidates)

    def _assess(self, place: int, candidates: list[int]) -> None:
        assert self.served is not None
        with self.run.clock.during("probes"):
            names = list(self.versions)[-self.settings.layers.archive :]
            archive = {name: self.versions[name] for name in {**dict.fromkeys(names), **self.served.weights}}
            history = History(self._files(place), self.source.schema)
            assessor = Assessor(
                history,
                self.served,
                archive,
                self.settings,
                self._proposal or {},
                self._memory,
                self.state.regret.twin,
                self.predecessor,
            )
            found = assess_files(assessor, candidates)
        for one in found["assessments"]:
            self._pending.append(Assessment.from_json(len(self._assessed) + 1, one))
            self._assessed.add(one["seq"])
        self._assessed.update(found["skipped"])
        self._proposal, self._proposals = found["proposal"], self._proposals + 1

    def _decide(self, place: int) -> None:
        """Ask the planner until it is content."""
        period = self.period is not None and (place + 1 - self.initial) % self.period == 0
        for _ in range(MOST_STEPS):
            observation = self._observe(place)
            if period:
                observation = replace(observation, manual=(1,))
            now = (place + 1) * DAY_S
            self.state, action = plan(self.state, observation, now, self.settings)
            self._pending.clear()
            period = False
            match action:
                case OpenCycle(trigger):
                    self._cycle_of(trigger, place)
                    self._assess(place, [])
                case Reweigh():
                    self._reweigh(action, place)
                case RollBack():
                    self._roll_back(action, place)
                case Wait() | Idle() | ObserveOnly():
                    return
                case _:
                    assert_never(action)

    # --- what the planner sees -----------------------------------------------------------------------------------

    def _observe(self, place: int) -> Observation:
        known = self.source.batches[: place + 1 - self.delay]
        if self.champion is None:
            known = self.source.batches[: place + 1]
        known = tuple(batch for batch in known if batch.seq not in self.run.suspects.held)
        labelled = sum(batch.labelled_rows for batch in known)
        return Observation(
            labelled_rows=labelled,
            new_labelled_rows=labelled - self._labelled_at_open if self.champion is not None else labelled,
            class_rows={} if self.champion is not None else self._class_rows(known),
            newest_seq=place + 1,
            champion=self.champion,
            open_cycle=None,
            evidence=tuple(one for one in self._evidence if one.check > self.state.handled_check),
            assessments=tuple(self._pending),
            proposal=self._proposal,
            proposal_id=self._proposals,
            drifting=self._drifting,
            retrained=self._retrained,
        )

    def _class_rows(self, batches: tuple[BatchFile, ...]) -> dict[str, int]:
        if self.settings.task != "classification":
            return {}
        history = self._history(len(self.source.batches), {batch.seq for batch in batches})
        counts: dict[str, int] = {}
        for batch in batches:
            whole = history.whole(batch.seq)
            for name in target_values(whole.table, self.source.schema)[whole.known].tolist():
                counts[str(name)] = counts.get(str(name), 0) + 1
        return counts

    def _files(self, place: int) -> list[AcceptedFile]:
        """What there is after a batch was served: labels of the newest `delay` batches are still out."""
        known = place + 1 - self.delay if self.champion is not None else place + 1
        batches = enumerate(self.source.batches[: place + 1])
        return [batch.accepted(number < known) for number, batch in batches if batch.seq not in self.run.suspects.held]

    def _history(self, place: int, seqs: set[int]) -> History:
        return History([b.accepted(True) for b in self.source.batches[:place] if b.seq in seqs], self.source.schema)

    # --- what the planner asks for ---------------------------------------------------------------------------------

    def _cycle_of(self, trigger: Trigger, place: int) -> None:
        """Prepare, train, evaluate and promote."""
        self._cycle += 1
        self._labelled_at_open = self._observe(place).labelled_rows
        self.run.decisions.append({"trigger": trigger.kind, "reason": trigger.reason})
        number = self.state.next_number - 1
        evidence = trigger.evidence
        try:
            with self.run.clock.during("retrains" if self.champion else "first"):
                version, prepared, result = self._train(place, number, evidence)
        except Refused as error:
            self._note(place, trigger, False, f"failed: {error}", None)
            return
        promoted = result["verdict"] == "promote"
        self._note(place, trigger, promoted, result["reason"], result)
        self.run.decisions.append({"promoted" if promoted else "version_kept": result["reason"]})
        spread = result["difference_se"]
        z = None if not spread else result["difference"] / spread
        self._retrained = CycleResult(self._cycle, promoted, z, result["handicap"])
        if promoted and self.settings.mode == "auto":
            self._promote(version, prepared, place)

    def _train(
        self, place: int, number: int, evidence: Mapping[str, Any]
    ) -> tuple[LoadedVersion, Prepared, dict[str, Any]]:
        files, schema = self._files(place), self.source.schema
        before = None if self.served is None else self.served.version.training
        prepared = prepare_rows(files, schema, self.settings, before, evidence.get("window"))
        first = None if before is None else before["metric"]
        version = fit_version(
            prepared.train, prepared.rows, schema, self.settings, first, "replay", number, self.config_dir
        )
        version = replace(version, name=f"v{number:04d}")
        y = target_values(prepared.holdout, schema)
        said = version.predict_table(prepared.holdout)
        result = compare(version, self.served, said, prepared.holdout, y, self.settings)
        history = History(files, schema)
        twin = str(evidence.get("twin") or "all")
        result["handicap"] = twin_handicap(history, version, said, prepared.holdout, y, self.settings, twin)
        return version, prepared, result

    def _promote(self, version: LoadedVersion, prepared: Prepared, place: int) -> None:
        self.versions[version.name] = version
        self.known_rows[version.name] = prepared.rows.known_rows
        self.predecessor = self.served
        self._deploy({version.name: 1.0}, version.name, None, place, "promote")
        self._drifting, self._evidence = False, []
        if self.checks:
            with self.run.clock.during("checks"):
                least = self.settings.window.holdout_min_rows
                self.references[version.name] = _reference(version, prepared, least)

    def _roll_back(self, action: RollBack, place: int) -> None:
        """Serve what was served before."""
        self.run.decisions.append({"version_rolled_back": action.reason})
        before, self.predecessor = self.predecessor, None
        if before is not None:
            recalibration = None if before.recalibration is None else before.recalibration.to_json()
            self._deploy(dict(before.weights), before.newest, recalibration, place, "rollback")

    def _reweigh(self, action: Reweigh, place: int) -> None:
        """Serve other weights."""
        self.run.decisions.append({"deployment_reweighed": action.reason})
        proposal = action.proposal
        self._deploy(proposal["members"], proposal["newest"], proposal["recalibration"], place, "reweigh")

    def _deploy(
        self, members: Mapping[str, float], newest: str, recalibration: dict[str, Any] | None, place: int, kind: str
    ) -> None:
        weights = dict(sorted(members.items(), key=lambda member: -member[1]))
        versions = {name: self.versions[name] for name in {**weights, newest: 1.0}}
        self.served = LoadedDeployment(versions, weights, newest, Recalibration.from_json(recalibration))
        self.run.deployments.append(
            {"batch": place, "kind": kind, "members": weights, "recalibrated": bool(recalibration)}
        )
        number = len(self.run.deployments)
        self.champion = Champion(
            Deployment.of(number, "", weights, recalibration), number, (place + 1) * DAY_S, kind, newest,
            number, fixed=kind == "rollback", seen_seq=place + 1, known_rows=self.known_rows[newest],
        )  # fmt: skip

    def _note(self, place: int, trigger: Trigger, promoted: bool, why: str, result: Any) -> None:
        window = trigger.evidence.get("window") or {}
        told = f"last{window['files']}" if window.get("kind") == "files" else str(window.get("kind", "decay"))
        values = {who: (result or {}).get(who) or {} for who in ("champion", "challenger")}
        self.run.cycles.append(
            ReplayedCycle(
                place, trigger.kind, trigger.reason, told, promoted, why,
                values["champion"].get("value"), values["challenger"].get("value"),
            )
        )  # fmt: skip


def _reference(version: LoadedVersion, prepared: Prepared, least: int) -> Reference:
    """What checks compare with: as the evaluate stage makes it."""
    newest = of_newest_file(prepared.holdout.column("__seq").to_numpy(), least)
    lately = prepared.holdout.filter(pa.array(newest))
    said = version.predict_table(lately)
    outputs = output_columns(said.values, said.probabilities, said.classes)
    train, recent = (list(_columns(version, table)) for table in (prepared.train, lately))
    return build_reference(train, outputs, recent)


def _columns(version: LoadedVersion, table: pa.Table) -> Iterator[tuple[str, Any]]:
    for column in version.schema.features:
        if column.name in table.column_names:
            yield column.name, column_values(table.column(column.name), column.kind)
