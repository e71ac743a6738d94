"""How numbers, shares, scores and dates are written: one place for sentences, tables and pages."""

import math

import numpy as np

NONE = "-"
"""What is undefined or was not measured."""


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

    >>> score(0.81234), score(float("nan"))
    ('0.8123', '-')
    """
    return NONE if value is None or not math.isfinite(value) else f"{value:.4f}"


def signed(value: float | None) -> str:
    """A difference of two scores.

    >>> signed(0.0213), signed(None)
    ('+0.0213', '-')
    """
    return NONE if value is None or not math.isfinite(value) else f"{value:+.4f}"


def seconds(value: float | None) -> str:
    """A duration.

    >>> seconds(1.25), seconds(7384.0), seconds(None)
    ('1.25 s', '7,384 s', '-')
    """
    return NONE if value is None else f"{number(value)} s"


def counted(count: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "retrain"), counted(12345, "row")
    ('one retrain', '12,345 rows')
    """
    return f"one {what}" if count == 1 else f"{count:,} {what}s"


def date(since_1970_s: float, span_s: float = 0.0) -> str:
    """A moment in UTC, as exact as the span that it is read in asks for.

    >>> date(1385510400.0, 90 * 86_400), date(1385514000.0)
    ('2013-11-27', '2013-11-27 01:00')
    """
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
