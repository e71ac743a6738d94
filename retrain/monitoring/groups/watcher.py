"""What the watch of groups reads: rows with what was answered to them, and what of the configuration counts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from retrain.metrics.metric import Metric
from retrain.model.version import LoadedVersion
from retrain.monitoring.groups.counts import AnsweredGroups, Settled, answered_groups
from retrain.monitoring.groups.figures import Figures
from retrain.monitoring.groups.judging import DropTest
from retrain.operations import AnsweredFile
from retrain.records.groups import Group
from retrain.records.settings import ModelSettings
from retrain.rows.history import History

SLICE_SHARE, DISPARITY_SHARE = 0.5, 0.25
"""Of `drift.false_alarms`, in a file: the tests of all groups, and of all differences between them. The rest is left
for files that differ by more than is known of them."""


@dataclass(eq=False)
class Watcher:
    """Rows and their labels, the metric, and what of the configuration counts; `era` is the number of the deployment
    whose files are watched, `version` its name, `positive` the class that is compared ("" without one)."""

    history: History
    metric: Metric
    settings: ModelSettings
    era: int
    version: str
    positive: str
    _waiting: dict[int, Mapping[Group, Settled]] = field(default_factory=dict)

    @cached_property
    def there(self) -> frozenset[int]:
        """The files whose rows are there."""
        return frozenset(self.history.seqs)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose values are groups."""
        return self.settings.gate.slices

    @property
    def figures(self) -> Figures:
        """How figures are made."""
        gate, groups, rate = self.settings.gate, self.settings.groups, self.settings.drift.false_alarms
        return Figures(self.positive, gate.min_slice_rows, DISPARITY_SHARE * rate, groups.max_difference)

    @property
    def test(self) -> DropTest:
        """How a group is judged."""
        sign = 1.0 if self.metric.greater_is_better else -1.0
        return DropTest(sign, SLICE_SHARE * self.settings.drift.false_alarms, self.settings.triggers.min_drop)

    def rows(self, file: AnsweredFile) -> AnsweredGroups | None:
        """The groups of a file's rows; None where what was answered is not there any more."""
        return answered_groups(self.history, file, self.columns, self.positive)

    def waiting(self, file: AnsweredFile, groups: Collection[Group]) -> Mapping[Group, Settled]:
        """The settled rows of these groups of a file, and of no others, read once while they are kept."""
        if file.seq not in self._waiting:
            rows = self.rows(file)
            self.hold(file.seq, {} if rows is None else rows.some(groups))
        return self._waiting[file.seq]

    def hold(self, seq: int, rows: Mapping[Group, Settled]) -> None:
        """Keep settled rows of groups of a file, which wait to be enough."""
        self._waiting[seq] = rows

    def keep(self, files: Collection[int]) -> None:
        """Let the rows of other files go."""
        for seq in self._waiting.keys() - set(files):
            del self._waiting[seq]


def positive_class(version: LoadedVersion, settings: ModelSettings) -> str:
    """The class whose share is compared between groups: the configured one; of two classes the one that silence does
    not mean, else the rarer one in training; "" where there is none."""
    named = settings.groups.positive or settings.decision.positive
    if named or version.classes is None or len(version.classes) != 2:
        return named or ""
    if settings.labels.negative in version.classes:
        return next(name for name in version.classes if name != settings.labels.negative)
    shares = dict(zip(version.baseline.classes or (), version.baseline.probabilities or (), strict=True))
    return min(version.classes, key=lambda name: (shares.get(name, 0.0), name))
