"""What holds after each file of those that what is served answered: counted, scored, judged, one after the other."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from msgspec import structs

from retrain.monitoring.groups.counts import AnsweredGroups, Settled, counted, scored
from retrain.monitoring.groups.figures import disparities, exceeded
from retrain.monitoring.groups.judging import Series, judged
from retrain.monitoring.groups.watcher import Watcher
from retrain.operations import AnsweredFile
from retrain.records.groups import FileGroups, Group, GroupCounts

MOST_WAITING = 30
"""The newest files that a group's rows wait in for more of them, until they are enough for a score: what holds after so
many files is told by them alone, but for episodes that last and older scores."""
Pending = dict[Group, dict[int, int]]
"""By group, the files whose settled rows wait to be enough for a score, each with how many."""


@dataclass(eq=False)
class Fold:
    """Where the fold stands. `is_cut`: there were files before the first, whose counts are gone."""

    watcher: Watcher
    files: Mapping[int, AnsweredFile]
    is_cut: bool
    records: list[FileGroups] = field(default_factory=list)
    pending: Pending = field(default_factory=dict)
    series: Series = field(default_factory=Series)
    _file_keys: dict[int, str | None] = field(default_factory=dict)
    _rows: AnsweredGroups | None = None

    def take(self, file: AnsweredFile, old: FileGroups | None) -> None:
        """One more file; nothing of one whose answers are gone and that was not counted before."""
        record = old if old is not None and self._stays(old) else self._made(file, old)
        if record is None:
            return
        self.records.append(record)
        self.series.add(record.seq, record.groups, record.degraded)
        self._wait(record)
        self._rows = None

    def _stays(self, old: FileGroups) -> bool:
        """Whether a file is among the oldest, made of some that are gone, and is as it was whatever its labels are."""
        is_old = self.is_cut and len(self.records) < MOST_WAITING
        return is_old and (old.own.startswith(self._settings_key) or self._file_key(old.seq) is None)

    def _made(self, file: AnsweredFile, old: FileGroups | None) -> FileGroups | None:
        """A file's record, as it was where all it is made of is as it was."""
        own = self._own_key(file, old)
        if own is None:
            return None
        key = _digest(self.records[-1].key if self.records else "", own)
        if old is not None and old.key == key:
            return old
        groups = old.groups if old is not None and own == old.own else self._counted(file)
        return self._judged(file, own, key, groups)

    def _own_key(self, file: AnsweredFile, old: FileGroups | None) -> str | None:
        """Of which labels, answers and settings a file's counts and scores are made; as it was counted, where some are
        there no more; None where nothing can be counted."""
        waited = sorted({seq for files in self.pending.values() for seq in files})
        keys = [self._file_key(seq) for seq in (*waited, file.seq)]
        if old is not None and None in keys:
            return old.own
        if keys[-1] is None:
            return None
        waits = sorted((*name, *files) for name, files in self.pending.items())
        return self._settings_key + _digest(json.dumps(waits), *map(str, keys))

    def _file_key(self, seq: int) -> str | None:
        """Of which labels and answers a file is; None where they are not there, or not any more."""
        if seq not in self._file_keys:
            self._file_keys[seq] = self._new_file_key(seq)
        return self._file_keys[seq]

    def _new_file_key(self, seq: int) -> str | None:
        file = self.files.get(seq)
        if file is None or seq not in self.watcher.there or not (file.answers or file.logs):
            return None
        answers = [str(path.name) for path in (file.answers, *file.logs) if path is not None]
        return "|".join([self.watcher.history.labels_key([seq]), *answers])

    @cached_property
    def _settings_key(self) -> str:
        """What all that is made by these settings begins with."""
        gate, groups, test = self.watcher.settings.gate, self.watcher.settings.groups, self.watcher.test
        counted_by = self.watcher.metric.name, list(gate.slices), gate.min_slice_rows, self.watcher.positive
        return _digest(json.dumps([*counted_by, groups.window, groups.max_difference, test.level, test.min_drop]))

    def _counted(self, file: AnsweredFile) -> tuple[GroupCounts, ...]:
        rows = self._rows = self.watcher.rows(file)
        return () if rows is None else tuple(self._scored(file.seq, counted(rows, name)) for name in rows.groups)

    def _scored(self, seq: int, one: GroupCounts) -> GroupCounts:
        """With the metric of the group's settled rows, of those that waited for them too, where they are enough."""
        waited = self.pending.get(one.name, {})
        files = waited | ({seq: one.settled} if one.settled else {})
        one = structs.replace(one, files=tuple(files)[-MOST_WAITING:])
        if not one.settled or sum(files[seq] for seq in one.files) < self.watcher.settings.gate.min_slice_rows:
            return one
        parts = [part for other in one.files if (part := self._settled(other, one.name, seq)) is not None]
        found = scored(self.watcher.metric, parts, self.watcher.settings.estimator.seed) if parts else None
        if found is None:
            return one
        return structs.replace(one, score=found[0], se=found[1], scored_rows=sum(len(part.y) for part in parts))

    def _settled(self, seq: int, name: Group, newest: int) -> Settled | None:
        """The settled rows of a group of a file, the newest one or one that its rows wait in."""
        if seq == newest:
            return None if self._rows is None else self._rows.of(name)
        if self._file_key(seq) is None:
            return None
        return self.watcher.waiting(self.files[seq], self._waiting_in(seq)).get(name)

    def _waiting_in(self, seq: int) -> list[Group]:
        return [name for name, files in self.pending.items() if seq in files]

    def _judged(self, file: AnsweredFile, own: str, key: str, groups: Sequence[GroupCounts]) -> FileGroups:
        """With what holds after the file."""
        watcher = self.watcher
        marked, degraded = judged(self.series, file.seq, groups, watcher.test)
        record = FileGroups(seq=file.seq, check=file.check, own=own, key=key, groups=marked, degraded=degraded)
        most = watcher.settings.groups.max_difference
        if most is None:
            return record
        window = [*self.records, record][-watcher.settings.groups.window :]
        before = self.records[-1].exceeded if self.records else ()
        found = disparities(window, watcher.columns, watcher.figures)
        return structs.replace(record, exceeded=exceeded(found, before, most))

    def _wait(self, record: FileGroups) -> None:
        """Rows of groups without a score wait for those of the next files, but for so long only."""
        for one in record.groups:
            if one.score is not None:
                self.pending.pop(one.name, None)
                continue
            known = self.pending.get(one.name, {}) | {record.seq: one.settled}
            self.pending[one.name] = {seq: known[seq] for seq in one.files if seq in known}
        newest = {one.seq for one in self.records[-MOST_WAITING + 1 :]}
        still = {
            name: {seq: rows for seq, rows in files.items() if seq in newest} for name, files in self.pending.items()
        }
        self.pending = {name: files for name, files in still.items() if files}
        self.watcher.keep({seq for files in self.pending.values() for seq in files})
        if self._rows is not None:
            self.watcher.hold(record.seq, self._rows.some(self._waiting_in(record.seq)))


def _digest(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:24]
