"""The daemon over history, in memory: each batch is served, then its labels are shown, then the planner decides.

The same functions as in the daemon do the work: `retrain.planning.planner.plan` decides, the cores of the stages
prepare, train and evaluate make and judge versions, `retrain.monitoring.assessment` assesses by labels and
`retrain.monitoring.check` whether data drifted. One day passes a batch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, assert_never

from daemon.cycles.checks import MOST_LEARNED
from daemon.tools.replay.checks import Checks
from daemon.tools.replay.deployments import DAY_S, Deployments
from daemon.tools.replay.foretold import Foretold
from daemon.tools.replay.label_files import LabelFiles
from daemon.tools.replay.label_times import LabelTimes
from daemon.tools.replay.labels import Labels
from daemon.tools.replay.past import Past
from daemon.tools.replay.record import Run
from daemon.tools.replay.source import BatchFile, Source
from daemon.tools.replay.training import trained
from drift.notation import counted
from retrain.monitoring.assessor import version_predictions
from retrain.operations import AcceptedFile
from retrain.planning.gate import Opening
from retrain.planning.planner import plan
from retrain.records.action import Adjust, Idle, ObserveOnly, OpenCycle, RollBack, Wait
from retrain.records.errors import Refused
from retrain.records.label_state import LabelState
from retrain.records.observation import CycleResult, Observation
from retrain.records.planner_state import PlannerState
from retrain.records.predictions import Predictions
from retrain.records.settings import ModelSettings
from retrain.records.trigger import Trigger
from retrain.rows.history import History
from retrain.rows.targets import target_values

MOST_STEPS = 20
LABELS_S = 1.0
"""After a batch, when the labels come that came since the one before."""


@dataclass
class Engine:
    """One model's daemon over the batches of a source. `period` retrains every so many batches in place of the
    planner's triggers; without `checks` no batch is checked for drift or held."""

    source: Source
    settings: ModelSettings
    config_dir: Path
    initial: int
    times: LabelTimes = field(default_factory=LabelTimes)
    period: int | None = None
    checks: bool = True
    run: Run = field(default_factory=Run)
    state: PlannerState = field(default_factory=PlannerState)
    _retrained: CycleResult | None = None
    _cycle: int = 0
    _kept_first: int = 0
    _tried_rows: int = 0

    def __post_init__(self) -> None:
        self.deployments = Deployments(self.run.deployments)
        self._labels = Labels(self.settings)
        self.drift_checks = Checks(self.source.schema, self.settings, self.run)
        self._past = Past(self.source.schema, self.settings.labels, self.run.suspects.held)
        work = Path(mkdtemp(prefix="labels-", dir=self.source.batches[0].labelled.parent))
        self._label_files = LabelFiles(self.source, self.times, self.initial, work)
        self._foretold = Foretold(self.settings)

    def play(self, progress: Callable[[int], None] | None = None) -> Run:
        """All batches; Refused where the first batches cannot give a model."""
        self._first()
        last = len(self.source.batches) - 1
        for place in range(self.initial, len(self.source.batches)):
            batch = self.source.batches[place]
            predictions = self._serve(batch)
            if place < last:
                self._take_in(batch, predictions)
            if progress is not None:
                progress(place + 1)
        return self.run

    @property
    def labels(self) -> LabelState:
        """How far labels were in after the last decision."""
        return self._labels.state or LabelState()

    @property
    def evidence(self) -> Mapping[int, dict[str, Any]]:
        """By file (seq), the assessments that hold now, as they were found."""
        return self._labels.found

    def _first(self) -> None:
        """The first model, from the first batches; of more of them where the gate keeps it, as the service tries again
        with more rows."""
        last = len(self.source.batches) - 1
        for batch in self.source.batches[:last]:
            self.run.scores.append(None)
            file = self._take_rows(batch, None)
            if self.checks:
                self.drift_checks.suspect(file, batch.place, None)
            if batch.place >= self.initial and (labels := self._label_files.due(batch.place)) is not None:
                self._take_labels(batch.place, *labels)
            if batch.place + 1 >= self.initial and self._try_first(batch.place):
                self.initial = batch.place + 1
                break
        if self.deployments.served is None:
            raise Refused(
                f"{counted(last, 'batch', 'give')} no first model: {self.run.cycles[-1]['outcome']}",
                "`gate.serve_anyway = true` in the configuration serves it all the same",
            )
        self.run.cycles.clear()
        self.run.metric = self.deployments.served.version.metric.name

    def _try_first(self, place: int) -> bool:
        """Whether there is a first model now; Refused where no later batch would give one."""
        wanted = {"first_rows": 10, "first_class_rows": 2, "cooldown": self.settings.triggers.cooldown}
        first = self.settings.model_copy(update={"triggers": self.settings.triggers.model_copy(update=wanted)})
        self.deployments.newest_seq = self._past.newest_seq
        self.state, action = plan(self.state, self._observe(), self._past.now, first)
        if not isinstance(action, OpenCycle):
            if self._kept_first:
                return False
            reason, hint = action.reason, "give more --initial batches"
            raise Refused(f"the first {counted(self.initial, 'batch')} give no model: {reason}", hint)
        self._cycle_of(action.trigger, place)
        tried = self.run.cycles[-1]
        if self.deployments.served is None and tried["challenger"] is None:
            raise Refused(
                f"the first {counted(self.initial, 'batch')} give no model: {tried['outcome']}",
                "give more --initial batches, or fewer and longer --batches",
            )
        self._kept_first += self.deployments.served is None
        return self.deployments.served is not None

    def _serve(self, batch: BatchFile) -> Predictions:
        served = self.deployments.current
        with self.run.clock.during("serving"):
            judged = History([batch.served()], self.source.schema).whole(batch.seq)
            members = {name: served.versions[name] for name in served.weights}
            predictions = served.answer(version_predictions(members, judged, self._labels.memory))
        y, known = target_values(judged.table, self.source.schema), judged.known
        self.run.scores.append(served.version.metric.score(y[known], predictions.take(known)))
        return predictions

    def _take_in(self, batch: BatchFile, predictions: Predictions) -> None:
        """A served batch, then the labels that came after it: what is decided after each."""
        file, place = self._take_rows(batch, predictions), batch.place
        if self.checks:
            self.drift_checks.check(file, batch, self.deployments.current, self._learned())
        due = (place + 1 - self.initial) % self.period == 0 if self.period is not None else False
        labels = self._label_files.due(place)
        self._look(place, due and labels is None)
        if labels is not None:
            self._take_labels(place, *labels)
            self._look(place, due)

    def _learned(self) -> list[AcceptedFile]:
        """The files that the newest version could learn from, as `daemon.cycles.checks.learned_files` has them."""
        champion = self.deployments.champion
        seen = 0 if champion is None else champion.seen_seq
        return [file for file in self._past.files() if file.kind == "rows" and seen - MOST_LEARNED <= file.seq <= seen]

    def _take_rows(self, batch: BatchFile, predictions: Predictions | None) -> AcceptedFile:
        path, labels = self._label_files.arriving(batch, predictions)
        return self._past.add(path, f"batch{batch.seq}", batch.rows, labels, (batch.place + 1) * DAY_S)

    def _take_labels(self, place: int, path: Path, rows: int) -> None:
        before, source = self._past.files(), self.source
        file = self._past.add(path, f"labels{place + 1}", rows, rows, (place + 1) * DAY_S + LABELS_S, "labels")
        if self.checks:
            self.run.suspects.judge_labels(file, place, before, source.schema, self.settings)

    def _look(self, place: int, due: bool) -> None:
        """Assess and decide; `due` retrains by the clock of a baseline."""
        self.deployments.newest_seq = self._past.newest_seq
        self._assess()
        self._decide(place, due)

    def _assess(self) -> None:
        with self.run.clock.during("probes"):
            self._labels.assess(self._past, self.deployments, self.state)
            if self._labels.history is not None:
                self._foretold.settle(self._labels.history, self._labels.memory)

    def _decide(self, place: int, period: bool) -> None:
        """Ask the planner until it is content."""
        for _ in range(MOST_STEPS):
            observation = self._observe()
            if period:
                observation = replace(observation, due=(1,))
            self.state, action = plan(self.state, observation, self._past.now, self.settings)
            period = False
            match action:
                case OpenCycle(trigger):
                    self._cycle_of(trigger, place)
                    self._assess()
                case Adjust():
                    self.run.decisions.append({"deployment_adjusted": action.reason})
                    self.deployments.adjust(action.proposal, place)
                case RollBack():
                    self.run.decisions.append({"version_rolled_back": action.reason})
                    self.deployments.roll_back(place)
                    self._assess()
                case Wait() | Idle() | ObserveOnly():
                    return
                case _:
                    assert_never(action)

    def _observe(self) -> Observation:
        """What the planner sees; the daemon's is `daemon.ledger.observe`."""
        past, champion, labels, checks = self._past, self.deployments.champion, self._labels, self.drift_checks
        first_of_classes = champion is None and self.settings.task == "classification"
        return Observation(
            labelled_rows=past.rows if labels.state is None else labels.state.settled,
            new_labelled_rows=past.rows - self._tried_rows if labels.state is None else labels.new_rows,
            class_rows=past.class_rows() if first_of_classes else {},
            newest_seq=past.newest_seq,
            champion=champion,
            open_cycle=None,
            evidence=tuple(one for one in checks.evidence if one.check > self.state.handled_check),
            assessments=labels.since(self.state.evidence_after),
            batches=past.batches,
            proposal=labels.proposal,
            proposal_id=labels.proposals,
            drifting=checks.drifting,
            retrained=self._retrained,
        )

    def _cycle_of(self, trigger: Trigger, place: int) -> None:
        """Prepare, train, evaluate and promote."""
        self._cycle += 1
        self._labels.new_rows, self._tried_rows = 0, self._past.rows
        served = self.deployments.served
        opening = Opening(trigger.kind, self._foretold.past, self._kept_first)
        self.run.decisions.append({"trigger": trigger.kind, "reason": trigger.reason})
        try:
            with self.run.clock.during("retrains" if self.deployments.champion else "first"):
                number = self.state.next_number - 1
                version, prepared, result = trained(
                    trigger, self._past, self._labels, served, self.settings, number, self.config_dir, opening
                )
        except Refused as error:
            self.run.note_cycle(place, trigger, False, f"failed: {error}", {})
            return
        self.run.prepared = prepared.rows.notes
        promoted = result["verdict"] == "promote"
        noted = self.run.note_cycle(place, trigger, promoted, result["reason"], result)
        self._foretold.add(noted, version, served, self._past.newest_seq)
        self.run.decisions.append({"promoted" if promoted else "version_kept": result["reason"]})
        self._retrained = CycleResult.of(self._cycle, promoted, result)
        if promoted and self.settings.mode == "auto":
            self.deployments.promote(version, prepared.rows.known_rows, place)
            if self.checks:
                self.drift_checks.promoted(version, prepared)
