"""Labels in a replay: each batch is assessed once its labels are there, and what to serve is proposed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from daemon.tools.replay.deployments import Deployments
from retrain.monitoring.assessment import assess_files
from retrain.monitoring.assessor import Assessor
from retrain.monitoring.cache import Memory
from retrain.records.assessment import Assessment
from retrain.records.settings import ModelSettings
from retrain.rows.history import History


@dataclass
class Labels:
    """The newest proposal and how many there were, assessments that the planner has not seen, and the batches that were
    assessed, by seq."""

    settings: ModelSettings
    memory: Memory = field(default_factory=Memory)
    proposal: dict[str, Any] | None = None
    proposals: int = 0
    pending: list[Assessment] = field(default_factory=list)
    assessed: set[int] = field(default_factory=set)

    def assess(self, history: History, deployments: Deployments, twin: str, seqs: Sequence[int]) -> None:
        """Assess these batches, and propose anew; `twin` names the planner's window of twins."""
        assessor = Assessor(
            history, deployments.current, deployments.archive(self.settings.adaptation.archive), self.settings,
            self.proposal or {}, self.memory, twin, deployments.predecessor,
        )  # fmt: skip
        result = assess_files(assessor, seqs)
        for one in result["assessments"]:
            self.pending.append(Assessment.from_json(len(self.assessed) + 1, one))
            self.assessed.add(one["seq"])
        self.assessed.update(result["skipped"])
        self.proposal, self.proposals = result["proposal"], self.proposals + 1
