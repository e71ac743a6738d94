"""The groups of a model watched file by file: counted, scored, judged, and what that comes to.

A fold over the files that what is served answered, oldest first. The counts of a file are a function of its labels and
answers, what holds after it also of those of the files before; both have a key of what they were made of. Labels that
come late, in another order or corrected give the same in the end; what does not change is not made again."""

from collections.abc import Mapping, Sequence

from retrain.monitoring.groups.figures import all_rows, column_figures, disparities, group_figures, trails
from retrain.monitoring.groups.fold import Fold
from retrain.monitoring.groups.watcher import Watcher
from retrain.operations import AnsweredFile
from retrain.records.groups import ALL_ROWS, FileGroups, GroupSummary, GroupWatch

MOST_FILES = 300
"""The newest files of what is served whose counts are kept; where there were more, the oldest MOST_WAITING of them stay
as they are."""


def watch_groups(watcher: Watcher, answered: Sequence[AnsweredFile], known: Sequence[FileGroups]) -> GroupWatch | None:
    """What is known of groups after these files, oldest first, of which some are `known`; None where no column is
    watched."""
    if not watcher.columns:
        return None
    of_era = [file for file in answered if file.deployment == watcher.era]
    old = {one.check: one for one in known}
    first = _first(of_era, old)
    fold = Fold(watcher, {file.seq: file for file in of_era}, first > 0)
    for file in of_era[first:]:
        fold.take(file, old.get(file.check))
    records = fold.records[-MOST_FILES:]
    changed = tuple(one for one in records if old.get(one.check) != one)
    kept = tuple(one.check for one in records)
    return GroupWatch(changed=changed, kept=kept, summary=_summary(watcher, records))


def _first(files: Sequence[AnsweredFile], old: Mapping[int, FileGroups]) -> int:
    """Where the fold begins: with the oldest file that is known, so that those that came since go on from it; at the
    latest with the newest MOST_FILES."""
    latest = max(0, len(files) - MOST_FILES)
    return next((place for place, file in enumerate(files[:latest]) if file.check in old), latest)


def _summary(watcher: Watcher, records: Sequence[FileGroups]) -> GroupSummary | None:
    """What the newest files come to; None before the first."""
    if not records:
        return None
    window, figures, newest = records[-watcher.settings.groups.window :], watcher.figures, records[-1]
    scores = trails(records)
    degraded, found = {one.name: one for one in newest.degraded}, disparities(window, watcher.columns, figures)
    return GroupSummary(
        era=watcher.era, version=watcher.version, seq=newest.seq, files=len(window), metric=watcher.metric.name,
        greater_is_better=watcher.metric.greater_is_better, positive=watcher.positive, least=figures.least,
        all_rows=group_figures(scores, all_rows(window), ALL_ROWS, figures, {}),
        columns=tuple(
            column_figures(scores, window, column, figures, degraded, found) for column in watcher.columns
        ),
        degraded=newest.degraded, exceeded=newest.exceeded,
    )  # fmt: skip
