"""False alarms and power of the test of a drop, over many lives of a model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.drops import lives as lives_of
from benchmarks.drops import streams
from benchmarks.drops.lives import SETTINGS, WITHIN
from retrain.monitoring.drop import Evaluated
from retrain.monitoring.performance import with_verdict
from retrain.operations import Json

EARLIER = (3, 6, 12)
"""Files that a deployment answered before it."""
Life = Callable[[np.random.Generator], tuple[list[Json], list[Json], Evaluated | None]]


@dataclass(frozen=True)
class Rates:
    """`files` were judged where nothing dropped, in a share `false` of them a drop was told and in `began` one began
    (± `false_se` over lives); `power` by how many files the deployment had answered before the planted drop."""

    files: int
    false: float
    false_se: float
    began: float
    power: dict[int, float]


def verdicts(files: Sequence[Json], evaluated: Evaluated | None) -> list[bool]:
    """Whether a drop is told of each file."""
    judged = [with_verdict(one, files[:place], evaluated, True, SETTINGS) for place, one in enumerate(files)]
    return [bool(one["dropped"]) for one in judged]


def generated(lives: int, seed: int, setting: lives_of.Setting) -> Rates:
    """Of lives in which nothing was trained."""
    return rates(partial(lives_of.life, setting), lives, seed)


def trained(lives: int, seed: int, name: str) -> Rates:
    """Of models of a stream."""
    return rates(partial(streams.life, name), lives, seed)


def rates(life: Life, lives: int, seed: int) -> Rates:
    """`life` draws the steady files of a deployment, files with a drop, and what its evaluation knew."""
    false, began, found = [], [], dict.fromkeys(EARLIER, 0)
    files = 0
    for number in range(lives):
        steady, dropped, evaluated = life(np.random.default_rng([seed, number]))
        told = verdicts(steady, evaluated)
        files += len(told)
        false.append(np.mean(told))
        began.append(np.mean([now and not before for now, before in zip(told, [False, *told], strict=False)]))
        for earlier in EARLIER:
            found[earlier] += any(verdicts([*steady[:earlier], *dropped[:WITHIN]], evaluated)[earlier:])
    error = float(np.std(false, ddof=1) / np.sqrt(lives)) if lives > 1 else 0.0
    power = {earlier: count / lives for earlier, count in found.items()}
    return Rates(files, float(np.mean(false)), error, float(np.mean(began)), power)
