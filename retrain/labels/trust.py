"""From how labels come to which may be believed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.labels.words import COMPLETE, WAITING


@dataclass(frozen=True, eq=False)
class FileLabels:
    """How the labels of a file came."""

    seq: int
    age: int
    rows: int
    lags: NDArray[np.int64]
    classes: NDArray[Any]
    last_arrival: int
    answers: NDArray[Any] | None
    labelled: NDArray[np.bool_]
    probabilities: NDArray[np.float64] | None


@dataclass(frozen=True)
class Trust:
    """How far the labels of each file may be believed."""

    by_seq: dict[int, str] = field(default_factory=dict)
    by_class: bool = False
    selected: bool = False
    one_class: str | None = None
    wait: str = ""


def judge(files: Sequence[FileLabels], task: str, names: Sequence[str]) -> Trust:
    """Files with nearly all labels."""
    words = {file.seq: COMPLETE if file.labelled.mean() >= 0.9 else WAITING for file in files}
    return Trust(words)
