"""How numbers, shares, scores and dates are written: one place for sentences, tables and pages."""

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise

NONE = "-"
"""What is undefined or was not measured."""
MOST_DIGITS = 15
"""After the point, of what a float can tell apart."""


SINGULAR = {"are": "is", "were": "was", "have": "has", "do": "does"}
"""Verbs whose singular is not made with an s."""


def number(value: float | None) -> str:
    """Three digits and no needless zeros; from 1,000 on whole.

    >>> number(12.345), number(2009.7), number(1234567.0), number(None)
    ('12.3', '2,010', '1,234,567', '-')
    """
    if value is None or not math.isfinite(value):
        return NONE
    return f"{value:,.0f}" if 999.5 <= abs(value) < 1e15 else f"{value:.3g}"


def p_value(value: float | None) -> str:
    """A probability under the null hypothesis; how small a tiny one is says nothing.

    >>> p_value(0.0312), p_value(2e-17), p_value(None)
    ('0.0312', '<0.0001', '-')
    """
    return "<0.0001" if value is not None and value < 1e-4 else number(value)


def percent(share: float) -> str:
    """A share of 1 as a percentage, for sentences.

    >>> percent(0.5), percent(0.0042)
    ('50%', '0.42%')
    """
    return f"{100 * share:.2g}%" if share < 0.1 else f"{100 * share:.0f}%"


def share(value: float | None) -> str:
    """A share of 1 as a percentage of three digits, for tables.

    >>> share(0.1054), share(None)
    ('10.5%', '-')
    """
    return NONE if value is None or not math.isfinite(value) else f"{100 * value:.3g}%"


def score(value: float | None) -> str:
    """A metric's value.

    >>> score(0.81234), score(12345.678), score(float("nan"))
    ('0.8123', '12,346', '-')
    """
    return NONE if value is None or not math.isfinite(value) else amount(value)


def signed(value: float | None, scale: float | None = None) -> str:
    """A difference of two scores, as exact as numbers of this `scale` are written; None: as itself.

    >>> signed(0.0213), signed(-0.021, 345.6), signed(None)
    ('+0.0213', '-0.02', '-')
    """
    if value is None or not math.isfinite(value):
        return NONE
    return f"{value:+,.{decimals(value if scale is None else scale)}f}"


def amount(value: float, scale: float | None = None) -> str:
    """A part of a metric, as exact as numbers of this `scale` are written; None: as itself.

    >>> amount(0.06361), amount(0.5, 120.0), amount(98765.4)
    ('0.0636', '0.50', '98,765')
    """
    return f"{value:,.{decimals(value if scale is None else scale)}f}"


def decimals(scale: float) -> int:
    """The digits after the point of numbers of this size.

    >>> decimals(0.8), decimals(-250.0), decimals(1e5)
    (4, 2, 0)
    """
    return 4 if abs(scale) < 100 else 2 if abs(scale) < 10_000 else 0


def apart(one: float, other: float) -> int:
    """The digits after the point at which two numbers, if they differ, are seen to differ.

    >>> apart(0.05031, 0.05034), apart(120.0, 0.5)
    (5, 2)
    """
    digits = decimals(max(abs(one), abs(other)))
    while one != other and round(one, digits) == round(other, digits) and digits < MOST_DIGITS:
        digits += 1
    return digits


def shown_difference(one: float, other: float) -> float:
    """One number less another, as both are written: so that the three add up on the screen.

    >>> shown_difference(0.76864, 0.75546), round(0.76864 - 0.75546, 4)
    (0.0131, 0.0132)
    """
    digits = decimals(max(abs(one), abs(other)))
    return round(round(one, digits) - round(other, digits), digits)


def adding_up(parts: Sequence[float], digits: int) -> list[float]:
    """Parts, rounded so that they add up to their rounded sum: each at most one unit of the last digit off.

    >>> adding_up([0.33333, 0.33333, 0.33334], 4)
    [0.3333, 0.3334, 0.3333]
    """
    ends = [round(end, digits) for end in accumulate(parts, initial=0.0)]
    return [round(end - start, digits) for start, end in pairwise(ends)]


def seconds(value: float | None) -> str:
    """A duration.

    >>> seconds(1.25), seconds(7384.0), seconds(None)
    ('1.25 s', '7,384 s', '-')
    """
    return NONE if value is None else f"{number(value)} s"


def counted(count: int, what: str, verb: str = "") -> str:
    """A number of things, and with a `verb` in its plural what they do.

    >>> counted(1, "retrain"), counted(12345, "row"), counted(0, "batch")
    ('1 retrain', '12,345 rows', '0 batches')
    >>> counted(1, "file", "are"), counted(2, "file", "are")
    ('1 file is', '2 files are')
    """
    ending = "" if count == 1 else "es" if what.endswith(("s", "x", "ch", "sh")) else "s"
    return f"{count:,} {what}{ending}" + (f" {agreed(count, verb)}" if verb else "")


def agreed(count: int, verb: str) -> str:
    """A verb in its plural as it goes with a number of things.

    >>> agreed(1, "were"), agreed(2, "were"), agreed(1, "wait")
    ('was', 'were', 'waits')
    """
    return verb if count != 1 else SINGULAR.get(verb, f"{verb}s")


def date(since_1970_s: float, span_s: float = 0.0) -> str:
    """A moment in UTC, as exact as the span that it is read in asks for.

    >>> date(1385510400.0, 90 * 86_400), date(1385514000.0)
    ('2013-11-27', '2013-11-27 01:00')
    """
    import numpy as np  # not above: control writes numbers, and loads no numerical library

    if not abs(since_1970_s) < 1e11:
        return number(since_1970_s)
    moment = str(np.datetime64(round(since_1970_s), "s"))
    return moment[:10] if span_s > 3 * 86_400 else moment[:16].replace("T", " ")


def tick(value: float, span: float, dates: bool = False) -> str:
    """A place on an axis, as exact as the axis's span asks for.

    >>> tick(0.123456, 0.2), tick(12345.6, 9000.0), tick(1385510400.0, 90 * 86_400, dates=True)
    ('0.123', '12,350', '2013-11-27')
    """
    if dates:
        return date(value, span)
    if not span or not 1e-4 <= max(abs(value), span) < 1e12:
        return f"{value:.6g}"
    return f"{round(value, 2 - math.floor(math.log10(span))):,.15g}"
