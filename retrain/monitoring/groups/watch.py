"""The groups of a model watched file by file: counted, scored, judged, and what that comes to.

A fold over the files that what is served answered, oldest first. The counts of a file are a function of its labels and
answers, what holds after it also of those of the files before; both have a key of what they were made of. Labels that
come late, in another order or corrected give the same in the end; what does not change is not made again."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from msgspec import structs

from retrain.metrics.metric import Metric
from retrain.model.version import LoadedVersion
from retrain.monitoring.groups.counts import AnsweredGroups, Settled, answered_groups, counted, scored
from retrain.monitoring.groups.figures import (
    Figures,
    all_rows,
    column_figures,
    disparities,
    exceeded,
    group_figures,
)
from retrain.monitoring.groups.judging import DropTest, Series, judged
from retrain.operations import AnsweredFile
from retrain.records.groups import ALL_ROWS, FileGroups, Group, GroupCounts, GroupSummary, GroupWatch
from retrain.records.settings import ModelSettings
from retrain.rows.history import History

MOST_FILES = 300
"""The newest files of what is served whose counts are kept; `daemon.cycles.groups` lists no others."""
MOST_WAITING = 30
"""Files that a group's rows wait in for more of them, until they are enough for a score."""
SLICE_SHARE, DISPARITY_SHARE = 0.5, 0.25
"""Of `drift.false_alarms`, in a file: the tests of all groups, and of all differences between them. The rest is left
for files that differ by more than is known of them."""
Pending = dict[Group, dict[int, int]]
"""By group, the files whose settled rows wait to be enough for a score, each with how many."""


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
    _rows: dict[int, AnsweredGroups | None] = field(default_factory=dict)

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
        """The groups of a file's rows, read once while they are kept."""
        if file.seq not in self._rows:
            self._rows[file.seq] = answered_groups(self.history, file, self.columns)
        return self._rows[file.seq]

    def keep(self, files: Collection[int]) -> None:
        """Let the rows of other files go."""
        for seq in self._rows.keys() - set(files):
            del self._rows[seq]


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


def watch_groups(watcher: Watcher, answered: Sequence[AnsweredFile], known: Sequence[FileGroups]) -> GroupWatch | None:
    """What is known of groups after these files, oldest first, of which some are `known`; None where no column is
    watched."""
    if not watcher.columns:
        return None
    of_era = [file for file in answered if file.deployment == watcher.era]
    files, old = of_era[-MOST_FILES:], {one.check: one for one in known}
    fold = _Fold(watcher, {file.seq: file for file in files}, len(of_era) > MOST_FILES)
    for file in files:
        fold.take(file, old.get(file.check))
    changed = tuple(one for one in fold.records if old.get(one.check) != one)
    kept = tuple(one.check for one in fold.records)
    return GroupWatch(changed=changed, kept=kept, summary=_summary(watcher, fold.records))


@dataclass(eq=False)
class _Fold:
    """Where the fold stands. `is_cut`: there were files before the first, whose counts are gone."""

    watcher: Watcher
    files: Mapping[int, AnsweredFile]
    is_cut: bool
    records: list[FileGroups] = field(default_factory=list)
    pending: Pending = field(default_factory=dict)
    series: Series = field(default_factory=Series)

    def take(self, file: AnsweredFile, old: FileGroups | None) -> None:
        """One more file; nothing of one whose answers are gone and that was not counted before."""
        own = self._own_key(file, old)
        if own is None:
            return
        is_as_before = old is not None and own == old.own
        groups = old.groups if old is not None and is_as_before else self._counted(file)
        key = _digest(self.records[-1].key if self.records else "", own)
        if self.is_cut and not self.records and old is not None and is_as_before:
            key = old.key
        record = old if old is not None and old.key == key else self._judged(file, own, key, groups)
        self.records.append(record)
        self.series.add(record.seq, record.groups, record.degraded)
        self._wait(record)

    def _own_key(self, file: AnsweredFile, old: FileGroups | None) -> str | None:
        """Of which labels, answers and settings a file's counts and scores are made; as it was counted, where some are
        there no more; None where nothing can be counted."""
        waited = sorted({seq for files in self.pending.values() for seq in files})
        keys = [self._file_key(self.files[seq]) for seq in (*waited, file.seq)]
        if old is not None and None in keys:
            return old.own
        if keys[-1] is None:
            return None
        waits = sorted((*name, *files) for name, files in self.pending.items())
        return _digest(self._settings_key(), json.dumps(waits), *map(str, keys))

    def _file_key(self, file: AnsweredFile) -> str | None:
        history = self.watcher.history
        if file.seq not in self.watcher.there or not (file.answers or file.logs):
            return None
        answers = [str(path.name) for path in (file.answers, *file.logs) if path is not None]
        return "|".join([history.labels_key([file.seq]), *answers])

    def _settings_key(self) -> str:
        gate, groups, test = self.watcher.settings.gate, self.watcher.settings.groups, self.watcher.test
        counted_by = self.watcher.metric.name, list(gate.slices), gate.min_slice_rows, self.watcher.positive
        return json.dumps([*counted_by, groups.window, groups.max_difference, test.level, test.min_drop])

    def _counted(self, file: AnsweredFile) -> tuple[GroupCounts, ...]:
        rows = self.watcher.rows(file)
        if rows is None:
            return ()
        return tuple(self._scored(file.seq, counted(rows, name, self.watcher.positive)) for name in rows.groups)

    def _scored(self, seq: int, one: GroupCounts) -> GroupCounts:
        """With the metric of the group's settled rows, of those that waited for them too, where they are enough."""
        waited = self.pending.get(one.name, {})
        files = waited | ({seq: one.settled} if one.settled else {})
        one = structs.replace(one, files=tuple(files)[-MOST_WAITING:])
        if not one.settled or sum(files[seq] for seq in one.files) < self.watcher.settings.gate.min_slice_rows:
            return one
        parts = [part for seq in one.files if (part := self._settled(seq, one.name)) is not None]
        found = scored(self.watcher.metric, parts, self.watcher.settings.estimator.seed) if parts else None
        if found is None:
            return one
        return structs.replace(one, score=found[0], se=found[1], scored_rows=sum(len(part.y) for part in parts))

    def _settled(self, seq: int, name: Group) -> Settled | None:
        there = self._file_key(self.files[seq]) is not None
        rows = self.watcher.rows(self.files[seq]) if there else None
        return None if rows is None else rows.of(name)

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
        """Rows of groups without a score wait for the next file's."""
        for one in record.groups:
            if one.score is not None:
                self.pending.pop(one.name, None)
                continue
            known = self.pending.get(one.name, {}) | {record.seq: one.settled}
            files = {seq: known[seq] for seq in one.files if seq in known}
            if files:
                self.pending[one.name] = files
        self.watcher.keep({seq for files in self.pending.values() for seq in files})


def _summary(watcher: Watcher, records: Sequence[FileGroups]) -> GroupSummary | None:
    """What the newest files come to; None before the first."""
    if not records:
        return None
    window, figures, newest = records[-watcher.settings.groups.window :], watcher.figures, records[-1]
    degraded, found = {one.name: one for one in newest.degraded}, disparities(window, watcher.columns, figures)
    return GroupSummary(
        era=watcher.era, version=watcher.version, seq=newest.seq, files=len(window), metric=watcher.metric.name,
        greater_is_better=watcher.metric.greater_is_better, positive=watcher.positive, least=figures.least,
        all_rows=group_figures(records, all_rows(window), ALL_ROWS, figures, {}),
        columns=tuple(
            column_figures(records, window, column, figures, degraded, found) for column in watcher.columns
        ),
        degraded=newest.degraded, exceeded=newest.exceeded,
    )  # fmt: skip


def _digest(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:24]
