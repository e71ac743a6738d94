"""What is known after a batch was served: labels come `delay` batches late, held batches teach nothing."""

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass

from daemon.tools.replay.source import BatchFile, Source
from retrain.operations import AcceptedFile
from retrain.records.settings import LabelSettings
from retrain.rows.history import History
from retrain.rows.targets import target_values


@dataclass(frozen=True)
class Past:
    """The batches up to `place` (from 0), of which the first `labelled` have their labels; `held` by seq."""

    source: Source
    place: int
    labelled: int
    held: Set[int]
    labels: LabelSettings

    @property
    def known(self) -> list[BatchFile]:
        """The batches that have labels and may teach."""
        return [batch for batch in self.source.batches[: self.labelled] if batch.seq not in self.held]

    @property
    def rows(self) -> int:
        """Labelled rows."""
        return sum(batch.labelled_rows for batch in self.known)

    def files(self) -> list[AcceptedFile]:
        """As the stages are given them."""
        batches = enumerate(self.source.batches[: self.place + 1])
        return [batch.accepted(number < self.labelled) for number, batch in batches if batch.seq not in self.held]

    def history(self) -> History:
        """As the stages read them."""
        return History(self.files(), self.source.schema, self.labels)

    def class_rows(self) -> dict[str, int]:
        """Labelled rows by class."""
        history, counts = self.history(), Counter[str]()
        for batch in self.known:
            whole = history.whole(batch.seq)
            counts.update(map(str, target_values(whole.table, self.source.schema)[whole.known].tolist()))
        return counts
