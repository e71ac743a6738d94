"""Labels in a replay: each batch is assessed once its labels are there, and what to serve is proposed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from daemon.tools.replay.deployments import Deployments
from daemon.tools.replay.past import Past
from retrain.monitoring.assessment import assess_files, trusting
from retrain.monitoring.assessor import Assessor
from retrain.monitoring.cache import Memory
from retrain.monitoring.label_trust import judge_labels
from retrain.operations import AcceptedFile
from retrain.records.assessment import Assessment
from retrain.records.label_state import LabelState
from retrain.records.planner_state import PlannerState
from retrain.records.settings import ModelSettings
from retrain.rows.history import History


@dataclass
class Labels:
    """The newest proposal and how many there were, the assessments that hold now, as they were found, by seq, and how
    far labels are in (None before the first model); `new_rows` settled since the last cycle was opened; `history`
    is what was assessed last."""

    settings: ModelSettings
    memory: Memory = field(default_factory=lambda: Memory(2048))
    proposal: dict[str, Any] | None = None
    proposals: int = 0
    found: dict[int, dict[str, Any]] = field(default_factory=dict)
    state: LabelState | None = None
    new_rows: int = 0
    history: History | None = None
    _most: dict[int, int] = field(default_factory=dict)

    def assess(self, past: Past, deployments: Deployments, planner: PlannerState) -> None:
        """Assess the files with labels that hold now, and propose anew; as `daemon.cycles.assessments` asks."""
        served, settings, files, now = deployments.current, self.settings, past.files(), past.now
        after = planner.base_seq
        self._settle(judge_labels(files, past.schema, served, settings, now, self.memory), planner.seen_seq)
        until = [seq for seq in self.found if seq <= after]
        self.history = History(self.trusting(files), past.schema, settings.labels, now)
        assessor = Assessor(
            self.history, served,
            deployments.archive(settings.adaptation.archive), settings,
            self.found[max(until)]["proposal"] if until else {}, self.memory, predecessor=deployments.predecessor,
        )  # fmt: skip
        known = {seq: one for seq, one in self.found.items() if seq > after}
        fixed = deployments.champion is not None and deployments.champion.fixed
        fixed = fixed or planner.unadjusted == served.newest
        result = assess_files(assessor, known, after, planner.base, fixed)
        keys = result["keys"]
        self.found = {seq: one for seq, one in self.found.items() if seq <= after or keys.get(seq) == one["key"]}
        self.found |= {one["seq"]: one for one in result["assessments"]}
        self.proposal, self.proposals = result["proposal"], self.proposals + 1

    def trusting(self, files: Sequence[AcceptedFile]) -> list[AcceptedFile]:
        """The files, each with how far its labels may be believed."""
        return trusting(files, {} if self.state is None else self.state.trust)

    def _settle(self, state: LabelState, seen_seq: int) -> None:
        """Count what a file has more than it ever had, as `daemon.ledger.labels` does; before the first assessment the
        rows of files after `seen_seq` are new."""
        if self.state is None:
            self._most = {seq: rows for seq, rows in state.by_file.items() if seq <= seen_seq}
        self.new_rows += sum(max(0, rows - self._most.get(seq, 0)) for seq, rows in state.by_file.items())
        self._most |= {seq: max(rows, self._most.get(seq, 0)) for seq, rows in state.by_file.items()}
        self.state = state

    def since(self, seq: int) -> tuple[Assessment, ...]:
        """The assessments of files after one that hold now."""
        return tuple(Assessment.from_json(one, self.found[one]) for one in sorted(self.found) if one > seq)
