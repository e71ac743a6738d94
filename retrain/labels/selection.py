"""Whether being labelled depends on the answer, in files that get no more labels: selective labels (Lakkaraju 2017).

It goes with the answers of then: the newest files tell it best, older ones only that something like it is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from drift.statistics.scores import Floats
from retrain.labels.association import Association, class_association, rank_association
from retrain.labels.coverage import Shift
from retrain.labels.file_labels import NEARLY, NEVER, FileLabels, pooled_scores

EFFECT, P, PER_FILE_P = 0.05, 1e-3, 1e-4
"""Somers' D of score and being labelled that is surely exceeded, and the p-value."""
NEWEST, OLDER = 10, 30
"""Files."""
IN_BLOCKS = 0.1
"""A correlation of neighbouring rows in being labelled, from which on orders within a file are not equally likely."""
SHIFTED = float(np.log(2.0))
"""Log odds of a class beyond which labels are surely not those that the probabilities make expect."""


@dataclass(frozen=True)
class Selection:
    """`found`: being labelled depends on the answer; `class_wise`: as far as it does because it depends on the class,
    so that the labelled rows of an answer are not like its others."""

    found: bool = False
    class_wise: bool = False


def selection_of(files: Sequence[FileLabels], names: Sequence[str] = (), shift: Mapping[str, Shift] = {}) -> Selection:
    """Of files that get no more labels, oldest first; `names` are the classes of the columns of their probabilities,
    `shift` by class what its labels exceed what these make expect by."""
    partly = [file for file in files if 0 < file.share < NEARLY]
    for some in (partly[-NEWEST:], partly):
        found = answer_association(some)
        if any(one.p < P and one.surely_beyond(EFFECT) for one in found):
            return Selection(True, _class_wise(some, found, names, shift))
    return Selection(_differs_by_file(partly[-OLDER:]))


def answer_association(files: Sequence[FileLabels]) -> list[Association]:
    """Whether rows with a label have other scores than those without, a column of scores each; empty without
    scores."""
    found = pooled_scores(files)
    if found is None:
        return []
    scores, lags, seqs = found
    columns = [class_association(column, lags < NEVER, seqs).by_class for column in scores.T]
    return [column[True] for column in columns if True in column]


def answer_arrival(files: Sequence[FileLabels]) -> list[Association]:
    """Whether labels of some scores come earlier, those that are missing last; a column of scores each."""
    found = pooled_scores(files)
    if found is None:
        return []
    scores, lags, seqs = found
    return [rank_association(lags, column, seqs) for column in scores.T]


def _class_wise(
    files: Sequence[FileLabels], found: Sequence[Association], names: Sequence[str], shift: Mapping[str, Shift]
) -> bool:
    """Labels are of some class surely more often than the probabilities of just these rows say, in the direction in
    which labelled rows have other scores; and these differ no more than by which class they are of: with shares π of
    the class among rows with and without a label, Somers' D of score and label is that of score and class times the
    difference of both π. Where labels go by the score itself it is larger."""
    columns = names[1:] if len(names) == 2 else names
    if len(columns) != len(found):
        return False
    return any(
        name in shift and shift[name].surely_beyond(SHIFTED)
        and shift[name].value * one.effect * skill.effect > 0
        and abs(one.effect) - 2.0 * one.error < abs(skill.effect) + 2.0 * skill.error
        for name, one, skill in zip(columns, found, _skills(files, columns), strict=True)
    )  # fmt: skip


def _skills(files: Sequence[FileLabels], columns: Sequence[Any]) -> list[Association]:
    """How the scores of the labelled rows go with their class, a column of scores each."""
    scored = [file for file in files if file.scores is not None]
    scores = np.concatenate([_labelled_scores(file) for file in scored])
    classes = np.concatenate([file.classes for file in scored])
    seqs = np.repeat([file.seq for file in scored], [file.known for file in scored])
    unknown = Association(0.0, np.inf, 1.0, 0)
    return [
        class_association(scores[:, place], classes == name, seqs).by_class.get(True, unknown)
        for place, name in enumerate(columns)
    ]


def _labelled_scores(file: FileLabels) -> Floats:
    assert file.scores is not None
    chosen: Floats = file.scores[file.labelled]
    return chosen


def _differs_by_file(files: Sequence[FileLabels]) -> bool:
    """Labels go with the scores in each file, though not in one direction in all: versions of then scored otherwise.
    The squares of the files' z together, if orders of rows are equally likely."""
    each = [answer_association([file]) for file in files]
    told = [found for found in each if found and all(one.rows for one in found)]
    if len(told) < NEWEST or len({len(found) for found in told}) > 1 or _in_blocks(files):
        return False
    for column in zip(*told, strict=True):
        squares = np.array([one.z**2 for one in column])
        excess = float(np.mean([one.effect**2 - one.error**2 for one in column]))
        if excess > (2 * EFFECT) ** 2 and stats.chi2.sf(squares.sum(), len(squares)) < PER_FILE_P:
            return True
    return False


def _in_blocks(files: Sequence[FileLabels]) -> bool:
    """Neighbouring rows have labels together."""
    before = np.concatenate([file.labelled[:-1] for file in files]).astype(np.float64)
    after: NDArray[Any] = np.concatenate([file.labelled[1:] for file in files]).astype(np.float64)
    seqs = np.repeat([file.seq for file in files], [max(0, len(file.labelled) - 1) for file in files])
    return rank_association(before, after, seqs).surely_beyond(IN_BLOCKS)
