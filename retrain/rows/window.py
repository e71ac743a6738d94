"""Which rows train, which are held out, and with what weights. Pure: arrays about rows in, masks out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drift.notation import counted
from retrain.records.errors import Refused
from retrain.records.predictions import Floats
from retrain.records.settings import WindowSettings
from retrain.rows.held_out import NEWEST_FILES, describe
from retrain.rows.window_reach import SMALLEST_WEIGHT, chosen_window

Mask = NDArray[np.bool_]
FEWEST_NEWER = 20
"""Held-out rows that came after the champion was trained, of which so few are better than more with older ones: where
labels are rare, the older ones would be of another time."""


@dataclass(frozen=True, eq=False)
class Split:
    """`train` and `holdout` are masks (n,) over the rows; `weight` (n,) of the training rows; `cut` is the
    newest event time that trains; `description` and `held_out` say in words which rows these are."""

    train: Mask
    holdout: Mask
    weight: Floats
    cut: float
    description: str
    held_out: str


def weighted(times: Floats, sequence: NDArray[np.int64], settings: WindowSettings) -> tuple[Mask, Floats]:
    """Which of n rows a window has, and every row's weight, where nothing is held out."""
    age = ages(sequence)
    return _window(times, sequence, settings, age), weights_by_age(age, settings)


def ages(sequence: NDArray[np.int64], lengths: Mapping[int, float] | None = None) -> Floats:
    """How many files came after that of each of n rows, (n,); each counts as one, or as `lengths` say.

    >>> ages(np.array([1, 1, 2, 4])), ages(np.array([1, 1, 2, 4]), {1: 1.0, 2: 3.0, 4: 2.5})
    (array([2., 2., 1., 0.]), array([5.5, 5.5, 2.5, 0. ]))
    """
    files, position = np.unique(sequence, return_inverse=True)
    counts = np.array([1.0 if lengths is None else lengths[seq] for seq in files.tolist()])
    after: Floats = (counts.sum() - np.cumsum(counts))[position]
    return after


def split(
    times: Floats,
    sequence: NDArray[np.int64],
    seen: Mask,
    reserved: Mask,
    settings: WindowSettings,
    alone: bool = False,
    age: Floats | None = None,
    old: Mask | None = None,
) -> Split:
    """Split n labelled rows.

    `times` are event times, `sequence` each row's file by order of arrival (small ones together), `age` the files since
    as decaying weights count them (None: each as one), `seen` whether the champion was trained on
    the row, `reserved` whether it belongs to the reservoir of its file (see `retrain.rows.held_out`). Held out are the
    reserved rows of the two newest files, of more files where these have fewer than `holdout_min_rows`, but not of
    those that came before the champion (`old`) where the newer ones have 20; none that the champion knows. `alone` says
    that there is no champion yet."""
    settings = chosen_window(settings, None)
    age = ages(sequence) if age is None else age
    chosen = _window(times, sequence, settings, age)
    least = settings.holdout_min_rows
    if old is not None and int((reserved & ~seen & ~old).sum()) >= FEWEST_NEWER:
        least = min(least, int((reserved & ~seen & ~old).sum()))
    holdout, files = _holdout(sequence, seen, reserved, least)
    available = int(holdout.sum())
    if available < least:
        raise too_few(available, settings, alone)
    train = chosen & ~holdout & ~(reserved & np.isin(sequence, np.unique(sequence)[-NEWEST_FILES:]))
    if not train.any():
        raise Refused("no rows are left to train on", "drop more labelled files")
    weight = weights_by_age(age, settings)
    description = described(settings, int(train.sum()), available)
    return Split(train, holdout, weight, float(times[train].max()), description, describe(files, alone))


def too_few(available: int, settings: WindowSettings, alone: bool) -> Refused:
    """Why so few held-out rows do not suffice."""
    return Refused(
        f"{counted(available, 'held-out row', 'are')} new to the champion; "
        f"{settings.holdout_min_rows:,} are needed to compare"
        if not alone
        else f"{counted(available, 'labelled row')} can be held out; "
        f"{settings.holdout_min_rows:,} are needed to evaluate",
        "drop more labelled files, or lower window.holdout_min_rows",
    )


def _holdout(sequence: NDArray[np.int64], seen: Mask, reserved: Mask, least: int) -> tuple[Mask, int]:
    """Reserved rows that the champion does not know, of the newest files until there are enough; and of how many."""
    files = np.unique(sequence)[::-1]
    valid = reserved & ~seen
    counts = np.array([int((valid & (sequence == seq)).sum()) for seq in files[:100]])
    enough = np.flatnonzero(np.cumsum(counts) >= least)
    needed = max(NEWEST_FILES, int(enough[0]) + 1 if len(enough) else len(files))
    return valid & np.isin(sequence, files[:needed]), len(files[:needed])


def _window(times: Floats, sequence: NDArray[np.int64], settings: WindowSettings, age: Floats) -> Mask:
    chosen = np.ones(len(times), dtype=bool)
    if settings.kind == "last":
        assert settings.last is not None
        chosen = times > times.max() - settings.last
    elif settings.kind == "files":
        assert settings.files is not None
        chosen = sequence >= np.unique(sequence)[-settings.files :][0]
    elif settings.kind == "decay":
        chosen = weights_by_age(age, settings) >= SMALLEST_WEIGHT
    if chosen.sum() > settings.max_rows:
        kept = np.sort(times[chosen])[-settings.max_rows]
        chosen &= times >= kept
    return chosen


def weights_by_age(age: Floats, settings: WindowSettings) -> Floats:
    """1 for rows of the newest file, half of it every `half_life_files` files back; 1 for all other kinds."""
    if settings.kind != "decay":
        return np.ones(len(age))
    weights: Floats = np.power(0.5, age / settings.half_life_files)
    return weights


def described(settings: WindowSettings, train: int, holdout: int) -> str:
    """In words, which rows train."""
    kinds = {
        "all": "all rows",
        "last": f"the rows of the last {(settings.last or 0) / 86400:g} days",
        "files": f"the rows of the last {counted(settings.files or 0, 'file')}",
        "decay": f"all rows, each weighing half as much every {settings.half_life_files:g} files back",
    }
    return f"{kinds[settings.kind]}: {train:,} train, {holdout:,} are held out"
