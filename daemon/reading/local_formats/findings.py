"""What was found of a column's format, as people read it, with the keys that say the same in a configuration."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from daemon.reading.local_formats.dates import Dates
from daemon.reading.local_formats.numbers import Numbers
from daemon.reading.rejects import printable, shortened
from retrain.records.formats import Formats

Level = Literal["understood", "assumed", "not understood"]
MARKS = {".": "points", ",": "commas", " ": "spaces", "'": "apostrophes"}


@dataclass(frozen=True)
class Finding:
    """One column (empty: the file), what it looks like, and the keys of [models.M.intake] that say so, as TOML. What is
    assumed could as well be otherwise; what is not understood is left as text."""

    column: str
    level: Level
    text: str
    keys: str = ""

    def __str__(self) -> str:
        """In one line."""
        subject = f"{shortened(printable(self.column), 40)!r} " if self.column else ""
        return f"{subject}{self.text}" + (f": {self.keys}" if self.keys else "")


def toml_keys(values: dict[str, Any]) -> list[str]:
    """Keys and values as lines of TOML.

    >>> toml_keys({"decimal": ",", "currency": ("€",)})
    ['decimal = ","', 'currency = ["€"]']
    """
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]


def read_with(formats: Formats) -> str:
    """What local formats a file is read with, in one line; empty for none."""
    keys = toml_keys(formats.to_json())
    return f"read with {', '.join(keys)}" if keys else ""


def number_finding(name: str, column: Numbers, formats: Formats, reason: str) -> Finding:
    """A column of numbers in local formats, all of it understood."""
    looks = "looks like whole numbers" if formats.thousands in column.whole else "looks like numbers"
    parts = []
    if formats.decimal == "," and formats.thousands not in column.whole and column.only(","):
        parts.append("with a decimal comma")
    if formats.thousands and all(thousands == formats.thousands for _, thousands in column.marks):
        parts.append(f"with {MARKS[formats.thousands]} between thousands")
    parts += [f"in {sign}" for sign in sorted(column.currency)] + ["in percent"] * column.percent
    parts += ["with negatives in brackets or with a minus behind"] * column.accounting
    described = f" {', '.join(parts)}" if parts else ""
    text = f"{looks}{described} ({_quoted(column.example)})" + (f", {reason}" if reason else "")
    return Finding(name, "understood", text, _number_keys(column, formats))


def unclear_number(name: str, column: Numbers, formats: Formats, how: str, reason: str, is_local: bool) -> Finding:
    """A column whose mark may be for decimals as well as for thousands, and how it is read."""
    mark = next(mark for mark in ",." if mark in column.example)
    as_decimal = formats.decimal == mark
    read = (
        f"{_quoted(column.example)} is read as {_read(column.example, mark, as_decimal)}, {reason or 'as configured'}"
    )
    keys = _number_keys(column, formats) if is_local else f'decimal = "{formats.decimal}"'
    if how != "assumed":
        return Finding(name, "understood", read, keys)
    other = f"thousands = {json.dumps(mark)}" if as_decimal else f"decimal = {json.dumps(mark)}"
    text = f"could have {MARKS[mark]} for decimals or between thousands: {read} ({keys}); if that is wrong, set {other}"
    return Finding(name, "assumed", text)


def plain_finding(name: str, column: Numbers, formats: Formats) -> Finding:
    """A column of numbers as programs write them, beside others."""
    if formats.numbers:
        text = f"has numbers with a decimal point ({_quoted(column.example)}), unlike others of the file"
        return Finding(name, "understood", text, "plain = true, for the column")
    return missing_finding(name, column.missing)


def missing_finding(name: str, words: Sequence[str]) -> Finding:
    """A column of numbers or dates, some of which are missing."""
    shown = ", ".join(_quoted(word) for word in words)
    return Finding(name, "understood", f"has {shown} for missing values", toml_keys({"na_values": list(words)})[0])


def date_finding(name: str, dates: Dates, date_format: str, assumed: bool) -> Finding:
    """A column of dates in a local format."""
    order = {"%d": "the day first", "%m": "the month first", "%b": "the month first"}.get(date_format[:2], "")
    looks = f"looks like dates{', ' + order if order else ''} ({_quoted(dates.example)})"
    keys = toml_keys({"date_format": date_format})[0]
    if not assumed:
        return Finding(name, "understood", looks, keys)
    other = next(f for f in dates.formats if f != date_format)
    return Finding(
        name, "assumed", f"{looks}, as the file's numbers are written: {keys}; if that is wrong, set {other!r}"
    )


def unclear_date(name: str, dates: Dates) -> Finding:
    """A column of dates whose day and month cannot be told apart, or in a format other than the configured ones."""
    choices = " or ".join(toml_keys({"date_format": date_format})[0] for date_format in dates.formats)
    why = "day and month cannot be told apart" if len(dates.formats) > 1 else "the configuration names another format"
    return Finding(name, "not understood", f"looks like dates ({_quoted(dates.example)}), but {why}: set {choices}")


def _number_keys(column: Numbers, formats: Formats) -> str:
    keys = {}
    if (not column.only(".") and formats.decimal == "," and formats.thousands not in column.whole) or column.only(","):
        keys["decimal"] = formats.decimal
    if formats.thousands and (formats.thousands in column.whole or all(t for _, t in column.marks)):
        keys |= {"decimal": formats.decimal} if formats.decimal != "." else {}
        keys["thousands"] = formats.thousands
    flags = {"currency": sorted(column.currency), "percent": column.percent, "accounting": column.accounting}
    return ", ".join(toml_keys(keys | {key: value for key, value in flags.items() if value}))


def _read(example: str, mark: str, as_decimal: bool) -> str:
    digits = "".join(sign for sign in example if sign in "-0123456789" or sign == mark)
    return digits.replace(mark, ".") if as_decimal else digits.replace(mark, "")


def _quoted(text: str) -> str:
    return '"' + shortened(printable(text), 40) + '"'
