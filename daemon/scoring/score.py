"""A file of rows scored by a deployment: read, answered and written in batches, in flat memory.

The user's file is only read. What is written has no lasting name yet: who asks gives it one when all of it is there."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from daemon.reading.formats import OpenedFile
from daemon.reading.open_file import open_file, require_file
from daemon.reading.rejects import Reject, Rejects
from daemon.reading.sql import release
from daemon.scoring.answers import Answered, How, answer_names, answered, refuse_unfit
from daemon.scoring.rows import RawBatch, expected_rows, read_rows, refuse_nested
from daemon.scoring.written import writer
from daemon.server.served import ServedDeployment
from drift.notation import counted
from retrain import durable
from retrain.records.errors import Refused
from retrain.records.settings import IntakeSettings

See = Callable[[Answered], None]
Progress = Callable[[int, int], None]
"""Called with the rows that are done and about how many there are, 0 where that is not known."""
SHOWN = 3


@dataclass
class Scored:
    """What a file came to: `rows` that were answered, `rejected` ones that could not be, the `first` of these, the
    names of the answers' columns, and what is to be told of how the file was read."""

    rows: int = 0
    rejected: int = 0
    first: list[Reject] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scorer:
    """Scores files by a deployment; `work` is a folder for what has to be rewritten to be read."""

    served: ServedDeployment
    how: How
    intake: IntakeSettings
    work: Path
    begin: Callable[[], See] = lambda: lambda _: None
    """Called when the rows are gone through, which may be once more from the beginning: gives what sees each batch."""
    most_cells: int = 0
    """A file with more is refused, as is one with columns of lists; 0: any."""

    def score(
        self, path: Path, name: str, out: IO[bytes], rejected: IO[bytes], progress: Progress = lambda _done, _all: None
    ) -> Scored:
        """Write the rows of `path` with their answers to the open file `out` in the format that `name` says, and those
        that cannot be answered to `rejected` as JSON lines. Refused where the file cannot be read, lacks columns of the
        model, has one that is called as an answer is, or none of its rows can be answered."""
        require_file(path)
        copy = self.work / "copy"
        names = [column.name for column in self.how.schema.features]
        try:
            file = open_file(path, self.intake, copy, names)
            if self.most_cells:
                refuse_nested(file)
            answers = answer_names(self.served, self.how)
            refuse_unfit(file.names, self.how, answers)
            return self._written(file, name, (out, rejected), answers, progress)
        finally:
            copy.unlink(missing_ok=True)
            release()

    def _written(
        self, file: OpenedFile, name: str, sinks: tuple[IO[bytes], IO[bytes]], answers: list[str], progress: Progress
    ) -> Scored:
        scored, total = Scored(), expected_rows(file)
        out, rejected = sinks
        is_json = file.kind.format in ("json", "jsonl")

        def use(batches: Iterator[RawBatch], rejects: Rejects) -> None:
            nonlocal scored
            scored = Scored(answers=answers, notes=file.notes)
            for sink in sinks:
                sink.seek(0)
                sink.truncate()
            durable.crash_point("score.answers.before_write")
            written = writer(out, name, self.how, file.kind.format != "parquet", is_json)
            see, cells = self.begin(), 0
            for batch in batches:
                cells += batch.columns.num_rows * batch.columns.num_columns
                if 0 < self.most_cells < cells:
                    reason = f"the file has more than {self.most_cells:,} cells, which limits.max_cells is"
                    raise Refused(reason, "raise it, or split the file")
                found = answered(batch, self.served, self.how, answers, rejects)
                if len(found.predictions):
                    written.write(found)
                    see(found)
                    scored.rows += len(found.predictions)
                _list(rejects, rejected, scored)
                progress(scored.rows + scored.rejected, total)
            _list(rejects, rejected, scored)
            if not scored.rows:
                self._refuse_empty(scored)
            written.close()

        read_rows(file, self.how.schema.formats.na_values, self.work, use)
        return scored

    def _refuse_empty(self, scored: Scored) -> None:
        if not scored.rejected:
            raise Refused("the file has no rows", "expected at least one")
        (first, *_) = scored.first
        raise Refused(f"none of {counted(scored.rejected, 'row')} can be answered; the first: {where(first)}")


def where(reject: Reject) -> str:
    """A row that cannot be answered, in words.

    >>> where(Reject(7, "x", "'a' is not a number"))
    "line 7, column x: 'a' is not a number"
    """
    column = f", column {reject.column}" if reject.column else ""
    return f"line {reject.line}{column}: {reject.reason}"


def _list(rejects: Rejects, sink: IO[bytes], scored: Scored) -> None:
    """Write the rejects of a batch, and count them."""
    drained = rejects.drain()
    scored.rejected += len(drained)
    scored.first += drained[: SHOWN - len(scored.first)]
    for reject in drained:
        sink.write(json.dumps(asdict(reject), ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
