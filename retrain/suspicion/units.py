"""A column in other units: its place or scale jumps far beyond how recent files differ, its shape stays, and so do the
other columns."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrain.records.predictions import Floats
from retrain.suspicion.rows import Columns, Doubt, Rows
from retrain.suspicion.shapes import Shape, shape_of
from retrain.suspicion.units_words import describe_change, swapped_pair

# The numbers were chosen on the generated and real streams of docs/suspicious-files.md (`make poison`).
LEAST_ROWS = 30
"""With a value, in this file and in each recent one."""
LEAST_VALUES, STUCK_VALUES = 5, 10
"""Distinct values that each recent file had: of a column that can jump, of one that can be stuck."""
BUSY = 0.5
"""The share of rows with a value that each recent file had, of a column that can be stuck."""
OFFSET = 2.5
"""Typical standard deviations by which the middle jumps beyond recent files."""
FACTOR = 0.45
"""Natural logarithm of the factor by which the scale or the size jumps beyond recent files: × 1.57."""
WANDER = 0.3
"""Added to FACTOR for each typical standard deviation over which recent middles range."""
SHAPE, TIMES_SHAPE = 0.15, 2.0
"""Mean distance of 19 inner quantiles, in standard units, that leaves a shape the same; and how many times the largest
distance of a recent file is added to it."""
STAYED = 0.6
"""Of a jump: columns that moved less stayed."""


def unit_bug(file: Rows, recent: Sequence[Rows], columns: Columns) -> Doubt | None:
    """One column, or few of many, jumped as units do, or is stuck at one value, and the others stayed."""
    numbers = columns.numbers
    if len(file.X) < LEAST_ROWS or not len(numbers):
        return None
    now, before = shape_of(file.X[:, numbers]), [shape_of(one.X[:, numbers]) for one in recent]
    values = np.min([one.distinct for one in before], axis=0)
    enough = np.minimum(now.present, np.min([one.present for one in before], axis=0)) >= LEAST_ROWS
    busy = np.min([one.present / len(rows.X) for one, rows in zip(before, recent, strict=True)], axis=0) > BUSY
    stuck = busy & (values >= STUCK_VALUES) & (now.distinct <= 1)
    far = np.where((values >= LEAST_VALUES) & enough & ~stuck, _jumps(now, before), 0.0)
    suspects: list[int] = np.flatnonzero(stuck | ((far > 1) & _same_shape(now, before))).tolist()
    restless = np.flatnonzero(stuck | (far > STAYED)).tolist()
    few = len(restless) <= max(1, min(3, len(numbers) // 4)) or restless == swapped_pair(restless, now, before)
    if not suspects or not few:
        return None
    names = [columns.names[k] for k in numbers]
    suspects.sort(key=lambda k: -np.where(stuck, np.inf, far)[k])
    first = suspects[0]
    changes = [describe_change(k, names, now, before, bool(stuck[k])) for k in suspects]
    evidence = {
        "column": names[first], "columns": [names[k] for k in suspects], "beyond": float(far[first]),
        "middle": float(now.middle[first]), "scale": float(now.scale[first]),
        "usual_middle": float(np.mean([o.middle[first] for o in before])),
        "usual_scale": float(np.mean([o.scale[first] for o in before])),
    }  # fmt: skip
    others = "; the other columns stayed as they were" if len(numbers) > len(suspects) else ""
    return Doubt("; ".join(changes) + others, evidence)


def rescaled_target(file: Rows, recent: Sequence[Rows], columns: Columns) -> Doubt | None:
    """The same of a target of numbers: labels in other units."""
    if columns.classes or any(one.labelled.sum() < LEAST_ROWS for one in (*recent, file)):
        return None
    alone = Columns((columns.target,), (False,), columns.target, 0)
    bare = [Rows(one.name, one.y[one.labelled, None], one.y[one.labelled]) for one in (*recent, file)]
    return unit_bug(bare[-1], bare[:-1], alone)


def _jumps(now: Shape, before: Sequence[Shape]) -> Floats:
    """By how many times what is allowed each column (d,) jumped in place or scale beyond recent files."""
    typical = np.median([one.scale for one in before], axis=0)
    unit = np.where(typical > 0, typical, 1.0)
    middles = [one.middle / unit for one in before]
    wander = WANDER * np.ptp(middles, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.stack([
            _beyond(now.middle / unit, middles, np.full(len(unit), OFFSET)),
            _beyond(np.log(now.scale), [np.log(o.scale) for o in before], FACTOR + wander),
            np.where(_multiplied(now, before), _beyond(now.size, [o.size for o in before], FACTOR + wander), 0.0),
        ])  # fmt: skip
    return np.asarray(np.nan_to_num(ratios, nan=0.0, posinf=0.0, neginf=0.0).max(axis=0))


def _multiplied(now: Shape, before: Sequence[Shape]) -> NDArray[np.bool_]:
    """Where a column of one sign changed its scale with its size: a shift changes the size alone."""
    sizes, scales = np.mean([o.size for o in before], axis=0), np.mean([np.log(o.scale) for o in before], axis=0)
    one_sign = np.min([np.abs(np.sign(o.inner * o.scale + o.middle).sum(axis=0)) for o in before], axis=0)
    return np.asarray(
        (one_sign == len(now.inner)) & (np.abs(np.log(now.scale) - scales) > np.abs(now.size - sizes) / 2)
    )


def _beyond(now: Floats, before: list[Floats], least: Floats) -> Floats:
    """The distance to the nearest of what was seen, in units of `least` and about twice the range of that; many
    columns give chance many occasions."""
    low, high = np.min(before, axis=0), np.max(before, axis=0)
    outside = np.maximum(np.maximum(low - now, now - high), 0)
    occasions = 1 + max(0.0, np.log10(len(now)) - 1)
    return np.asarray(outside / (occasions * (least + (1 + 6 / len(before)) * (high - low))))


def _same_shape(now: Shape, before: Sequence[Shape]) -> NDArray[np.bool_]:
    """Whether quantiles in standard units, turned either way, differ no more than a few times what recent ones do."""
    usual = np.mean([one.inner for one in before], axis=0)
    apart = np.max([_apart(one.inner, usual) for one in before], axis=0)
    turned = np.minimum(_apart(now.inner, usual), _apart(-now.inner[::-1], usual))
    return np.asarray(turned <= SHAPE + TIMES_SHAPE * apart)


def _apart(one: Floats, other: Floats) -> Floats:
    return np.asarray(np.abs(one - other).mean(axis=0))
