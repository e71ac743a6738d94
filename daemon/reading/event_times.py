"""Times of events: moments, or numbers of seconds, milliseconds or less, in one file or mixed. Kept in milliseconds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from daemon.reading.clean import clean
from drift.columns.casts import AWARE, NAIVE, Cleaned
from retrain.recommendation.times import LARGEST_S, milliseconds
from retrain.records.formats import PLAIN, Formats

DIGITS = r"^\s*[-+]?[0-9]+([.][0-9]*)?([eE][+]?[0-9]+)?\s*$"
LARGEST_MS = 253_402_300_800_000
"""The year 10000."""
AHEAD_MS = 86_400_000
"""An event that lies further ahead than a day is none: one of them would make all others old."""
AHEAD = "lies more than a day ahead"


@dataclass(frozen=True)
class Times:
    """`cleaned` moments of n events; how many came as numbers that are too large for seconds; which (n,) lie ahead."""

    cleaned: Cleaned
    in_ms: int
    ahead: NDArray[np.bool_]


def event_times(column: Any, name: str, now_s: float, formats: Formats = PLAIN) -> Times:
    """Of an Arrow array (n,) of a type that may hold times; Refused for other types."""
    column = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        numbers, others = _split(column)
        moments = clean(others, name, "datetime", formats)
    elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        numbers, moments = column, Cleaned(pa.nulls(len(column), NAIVE), np.zeros(len(column), bool))
    else:
        numbers, moments = pa.nulls(len(column), pa.float64()), clean(column, name, "datetime", formats)
    from_numbers, in_ms, beyond = _of_numbers(numbers)
    values = pc.coalesce(_whole_ms(moments.values), from_numbers)
    ms = pc.divide(pc.fill_null(pc.cast(values, pa.int64()), 0), 1000).to_numpy(zero_copy_only=False)
    return Times(Cleaned(values, moments.bad | beyond), in_ms, ms > now_s * 1e3 + AHEAD_MS)


def _split(texts: Any) -> tuple[Any, Any]:
    """The numbers among texts, and the other texts; null where it is one of the others."""
    is_number = pc.fill_null(pc.match_substring_regex(texts, DIGITS), False)
    nothing = pa.scalar(None, texts.type)
    numbers = pc.cast(pc.utf8_trim_whitespace(pc.if_else(is_number, texts, nothing)), pa.float64())
    return numbers, pc.if_else(is_number, nothing, texts)


def _of_numbers(numbers: Any) -> tuple[Any, int, NDArray[np.bool_]]:
    """Moments, how many numbers were too large for seconds, and which are none of any calendar."""
    if pa.types.is_null(numbers.type):
        return pa.nulls(len(numbers), NAIVE), 0, np.zeros(len(numbers), bool)
    plain = np.asarray(pc.cast(numbers, pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    there = np.isfinite(plain)
    size = np.where(there, np.abs(plain), 0.0)
    beyond = size >= LARGEST_MS * 1e6
    known = milliseconds(np.where(there & ~beyond, plain, 0.0))
    moments = pa.array(known * 1000, mask=~there | beyond).cast(NAIVE)
    return moments, int(np.count_nonzero(size >= LARGEST_S)), beyond


def _whole_ms(moments: Any) -> Any:
    """Without what is less than a millisecond."""
    micros = pc.cast(moments.cast(AWARE).cast(NAIVE), pa.int64())
    values = np.asarray(pc.fill_null(micros, 0).to_numpy(zero_copy_only=False)) // 1000 * 1000
    return pa.array(values, mask=moments.is_null().to_numpy(zero_copy_only=False)).cast(NAIVE)
