"""Labels in a replay: each batch is assessed once its labels are there, and what to serve is proposed."""

from dataclasses import dataclass, field
from typing import Any

from daemon.tools.replay.deployments import Deployments
from daemon.tools.replay.past import Past
from retrain.monitoring.assessment import assess_files, trusting
from retrain.monitoring.assessor import Assessor
from retrain.monitoring.cache import Memory
from retrain.monitoring.label_trust import judge_labels
from retrain.records.assessment import Assessment
from retrain.records.label_state import LabelState
from retrain.records.planner_state import PlannerState
from retrain.records.settings import ModelSettings
from retrain.rows.history import History


@dataclass
class Labels:
    """The newest proposal and how many there were, the assessments that hold now, as they were found, by seq, and how
    far labels are in."""

    settings: ModelSettings
    memory: Memory = field(default_factory=lambda: Memory(2048))
    proposal: dict[str, Any] | None = None
    proposals: int = 0
    found: dict[int, dict[str, Any]] = field(default_factory=dict)
    state: LabelState = field(default_factory=LabelState)

    def assess(self, past: Past, deployments: Deployments, planner: PlannerState, now: float) -> None:
        """Assess the files with labels that hold at `now`, and propose anew; as `daemon.cycles.assessments` asks."""
        served, settings, files, after = deployments.current, self.settings, past.files(), planner.evidence_after
        self.state = judge_labels(files, past.schema, served, settings, now, self.memory)
        until = [seq for seq in self.found if seq <= after]
        history = History(trusting(files, self.state.trust), past.schema, settings.labels, now)
        assessor = Assessor(
            history, served, deployments.archive(settings.adaptation.archive), settings,
            self.found[max(until)]["proposal"] if until else {}, self.memory, predecessor=deployments.predecessor,
        )  # fmt: skip
        known = {seq: one for seq, one in self.found.items() if seq > after}
        fixed = deployments.champion is not None and deployments.champion.fixed
        result = assess_files(assessor, known, after, planner.base, fixed)
        keys = result["keys"]
        self.found = {seq: one for seq, one in self.found.items() if seq <= after or keys.get(seq) == one["key"]}
        self.found |= {one["seq"]: one for one in result["assessments"]}
        self.proposal, self.proposals = result["proposal"], self.proposals + 1

    def since(self, seq: int) -> tuple[Assessment, ...]:
        """The assessments of files after one that hold now."""
        return tuple(Assessment.from_json(one, self.found[one]) for one in sorted(self.found) if one > seq)
