"""Says of a new file's rows whether they look like poison: what to hold before it teaches anything.

Arrays in, frozen doubts out; no files, no clock."""

from collections.abc import Sequence
from dataclasses import replace

from retrain.suspicion.duplicates import duplicated_rows
from retrain.suspicion.labels import label_noise
from retrain.suspicion.leaks import leaked_target
from retrain.suspicion.relations import broken_relation
from retrain.suspicion.rows import Columns, Doubt, Rows
from retrain.suspicion.units import rescaled_target, unit_bug

__all__ = ["LEAST_FILES", "Columns", "Doubt", "Rows", "doubts"]

LEAST_FILES = 3
JUDGES = (
    ("duplicated_rows", duplicated_rows),
    ("unit_bug", unit_bug),
    ("unit_bug", broken_relation),
    ("leaked_target", leaked_target),
    ("label_noise", rescaled_target),
    ("label_noise", label_noise),
)


def doubts(file: Rows, recent: Sequence[Rows], columns: Columns, kinds: Sequence[str]) -> tuple[Doubt, ...]:
    """What speaks against a file, given the newest accepted ones, oldest first; of each kind at most one. Fewer than
    three recent files cannot tell what is usual: then nothing does."""
    if len(recent) < LEAST_FILES or not len(file.X):
        return ()
    found: dict[str, Doubt] = {}
    for kind, judge in JUDGES:
        if kind in kinds and kind not in found and (doubt := judge(file, recent, columns)) is not None:
            found[kind] = replace(doubt, kind=kind)
    return tuple(found.values())
