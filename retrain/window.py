"""Which rows train, which are held out, and with what weights. Pure: arrays of row times in, masks out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrain.errors import Refused
from retrain.predictions import Floats
from retrain.settings import WindowSettings

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Split:
    """`train` and `holdout` are masks (n,) over the rows; `weight` (n,) of the training rows; `cut` is the
    newest event time that trains; `told` says in words which rows these are."""

    train: Mask
    holdout: Mask
    weight: Floats
    cut: float
    told: str


def split(times: Floats, sequence: NDArray[np.int64], seen: Mask, new: Mask, settings: WindowSettings) -> Split:
    """Split n labelled rows in time.

    `times` are event times, `sequence` each row's file by order of arrival, `seen` whether the champion was
    trained on the row, `new` whether the row arrived after all that the champion could know. Held out are the
    newest rows among those that the champion was not trained on: `holdout_share` of all, but at most half of
    the new ones where there are enough, so that the newest rows teach too. Rows of one time stay together."""
    chosen = _window(times, sequence, settings)
    candidates = chosen & ~seen
    wanted = _wanted(int(chosen.sum()), int((chosen & new).sum()), bool(seen.any()), settings)
    available = int(candidates.sum())
    if available < settings.holdout_min_rows:
        raise Refused(
            f"{available:,} labelled rows are new to the champion; {settings.holdout_min_rows:,} are needed to compare",
            "drop more labelled files, or lower window.holdout_min_rows",
        )
    threshold = _threshold(times[candidates], min(wanted, available))
    holdout = candidates & (times >= threshold)
    train = chosen & ~holdout & (times < threshold)
    if not train.any():
        raise Refused(
            "no rows are left to train on: all labelled rows have the same event time",
            "check time_column, or drop more files",
        )
    weight = _weights(sequence, settings)
    cut = float(times[train].max())
    return Split(train, holdout, weight, cut, _told(settings, int(train.sum()), int(holdout.sum())))


def _window(times: Floats, sequence: NDArray[np.int64], settings: WindowSettings) -> Mask:
    chosen = np.ones(len(times), dtype=bool)
    if settings.kind == "last":
        assert settings.last is not None
        chosen = times > times.max() - settings.last
    elif settings.kind == "files":
        assert settings.files is not None
        chosen = sequence >= np.unique(sequence)[-settings.files :][0]
    if chosen.sum() > settings.max_rows:
        kept = np.sort(times[chosen])[-settings.max_rows]
        chosen &= times >= kept
    return chosen


def _wanted(rows: int, new: int, has_champion: bool, settings: WindowSettings) -> int:
    wanted = round(settings.holdout_share * rows)
    if has_champion and new >= 2 * settings.holdout_min_rows:
        wanted = min(wanted, new // 2)
    return max(wanted, settings.holdout_min_rows)


def _threshold(times: Floats, count: int) -> float:
    """The event time from which on the newest `count` rows begin; ties go whole to the newer side, unless
    that would take everything."""
    ordered = np.sort(times)
    threshold = ordered[len(ordered) - count]
    later = ordered[ordered > threshold]
    if threshold == ordered[0] and len(later):
        threshold = later[0]
    return float(threshold)


def _weights(sequence: NDArray[np.int64], settings: WindowSettings) -> Floats:
    """1 for rows of the newest file, half of it every `half_life_files` files back; 1 for all other kinds."""
    if settings.kind != "decay":
        return np.ones(len(sequence))
    files, position = np.unique(sequence, return_inverse=True)
    age = len(files) - 1 - position
    weights: Floats = np.power(0.5, age / settings.half_life_files)
    return weights


def _told(settings: WindowSettings, train: int, holdout: int) -> str:
    kinds = {
        "all": "all rows",
        "last": f"the rows of the last {(settings.last or 0) / 86400:g} days",
        "files": f"the rows of the last {settings.files} files",
        "decay": f"all rows, each weighing half as much every {settings.half_life_files:g} files back",
    }
    return f"{kinds[settings.kind]}: {train:,} train, the newest {holdout:,} are held out"
