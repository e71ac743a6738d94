"""Which marks the numbers of a column are written with, as far as its texts can tell."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from daemon.reading.local_formats.shapes import LONGEST, Shapes, is_missing_word

Marks = tuple[str, str]
"""Decimal mark and thousands mark, "" for none."""
EVERY: frozenset[Marks] = frozenset((d, t) for d, t in product(".,", ("", ".", ",", " ", "'")) if d != t)
SIGNS = "€$£¥₹₽₺₩₪₫₴₦฿"
CODES = (
    "EUR", "USD", "GBP", "CHF", "JPY", "CNY", "INR", "BRL", "CAD", "AUD", "NZD", "MXN", "SEK", "NOK", "DKK", "PLN",
    "CZK", "HUF", "RON", "TRY", "ZAR", "R$", "US$", "kr", "zł", "Kč", "Ft", "Fr.", "Rs.",
)  # fmt: skip
CURRENCY = "|".join([*map(re.escape, sorted(CODES, key=len, reverse=True)), f"[{SIGNS}]"])
SPACES = " \u00a0\u2009\u202f"
NUMBER = re.compile(
    rf"(?P<open>\()?[{SPACES}]*(?:[-+−][{SPACES}]*)?(?:(?P<before>{CURRENCY})[{SPACES}]*)?[-+−]?"
    rf"(?P<core>[09](?:[09]|[.,'’{SPACES}](?=[09]))*|[.,][09]+)(?P<exponent>[eE][-+]?[09]+)?"
    rf"[{SPACES}]*(?:(?P<percent>%)[{SPACES}]*)?(?:(?P<after>{CURRENCY})[{SPACES}]*)?(?P<tail>-)?(?P<close>\))?"
)
"""No two runs of blanks stand side by side, so that a text is matched in one pass."""
ONE_KIND = {**dict.fromkeys(SPACES, " "), "’": "'"}
WITH_UNIT = re.compile(r"[-+]?[09][09.,]*\s*([^\W\d_]+[²³]?)")
NEARLY_ALL = 0.9
FEW_NUMBERS = 20
"""With fewer, most values must be numbers."""


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: the `marks` that all of its texts fit, and the thousands marks by which all are whole
    numbers; what else stands beside digits; the texts that are `missing`."""

    marks: frozenset[Marks]
    whole: frozenset[str]
    currency: frozenset[str]
    percent: bool
    accounting: bool
    missing: tuple[str, ...]
    example: str

    @property
    def unclear(self) -> bool:
        """Whether a mark may be for decimals as well as for thousands."""
        return bool(self.whole) and any(thousands not in self.whole for _, thousands in self.marks)

    def only(self, decimal: str) -> bool:
        """Whether this is the only decimal mark that it can be."""
        return {mark for mark, _ in self.marks} == {decimal}

    @property
    def plain(self) -> bool:
        """Whether programs write numbers so."""
        return (".", "") in self.marks and not (self.currency or self.percent or self.accounting)


def numbers_of(shapes: Shapes) -> Numbers | None:
    """What the numbers of a column are; None where it has other texts, or nothing fits all of them: several currencies,
    percents beside bare numbers, codes with a leading zero, the four groups of network addresses."""
    matches = {}
    missing = []
    for shape, seen in shapes.items():
        match = number_in(shape)
        if match is not None and bool(match["open"]) == bool(match["close"]):
            matches[shape] = match
        elif is_missing_word(seen.example):
            missing.append(seen.example)
        else:
            return None
    present = sum(shapes[shape].count for shape in matches)
    absent = sum(seen.count for seen in shapes.values()) - present
    if not present or present < min(absent, FEW_NUMBERS):
        return None
    cores = {shape: _in_one_way(match["core"]) for shape, match in matches.items()}
    marks = _marks(cores.values())
    currency = frozenset(match[place] for match in matches.values() for place in ("before", "after") if match[place])
    percents = {bool(match["percent"]) for match in matches.values()}
    if not marks or len(currency) > 1 or len(percents) > 1:
        return None
    return Numbers(
        marks, _whole(matches, cores), currency, True in percents,
        any(match["open"] or match["tail"] for match in matches.values()), tuple(sorted(missing)),
        shapes[max(matches, key=lambda shape: (len(re.sub("[09]", "", cores[shape])), len(shape)))].example,
    )  # fmt: skip


def number_in(shape: str) -> re.Match[str] | None:
    """The shape of a number in its parts; none where it is longer than any."""
    return NUMBER.fullmatch(shape) if len(shape) <= LONGEST else None


def why_no_numbers(shapes: Shapes) -> str:
    """Why a column that looks like numbers is none, as people say it; empty where it does not look so."""
    matches = {shape: match for shape in shapes if (match := number_in(shape))}
    total, fitting = sum(seen.count for seen in shapes.values()), sum(shapes[shape].count for shape in matches)
    others = [shape for shape in shapes if shape not in matches]
    units = {match[1] for shape in others if len(shape) <= LONGEST and (match := WITH_UNIT.fullmatch(shape))}
    if others and not fitting and len(units) == 1:
        return f"has numbers with {units.pop()!r} behind them"
    if others:
        told = (
            f"has {total - fitting:,} among {total:,} values that are no numbers, such as {shapes[others[0]].example!r}"
        )
        return told if fitting >= NEARLY_ALL * total else ""
    currencies = {match[place] for match in matches.values() for place in ("before", "after") if match[place]}
    if len(currencies) > 1:
        return f"has amounts in {' and '.join(sorted(currencies))}"
    if len({bool(match["percent"]) for match in matches.values()}) > 1:
        return "has percents beside other numbers"
    is_code = any(re.fullmatch("0[09]+", match["core"]) for match in matches.values())
    return "" if is_code else "has numbers that are written in several ways"


def _whole(matches: Iterable[str], cores: dict[str, str]) -> frozenset[str]:
    """The thousands marks by which all are whole numbers; none where no number has a mark."""
    separated = [core for core in cores.values() if re.search("[^09]", core)]
    if not separated or any(re.search("[eE]", shape) for shape in matches):
        return frozenset()
    return frozenset.intersection(*(frozenset(t for d, t in _readings(core) if not d) for core in separated))


def _in_one_way(core: str) -> str:
    return "".join(ONE_KIND.get(sign, sign) for sign in core)


def _marks(cores: Iterable[str]) -> frozenset[Marks]:
    """The marks that all cores fit. Where zeros at the end of fractions are written, numbers of up to three digits
    without a mark beside groups of exactly three say that the mark is for thousands."""
    cores = list(cores)
    separated = [core for core in cores if re.search("[^09]", core)]
    if separated and all(core.count(".") == 3 and not re.search("[^09.]", core) for core in separated):
        return frozenset()
    fitting = EVERY
    for core in cores:
        readings = _readings(core)
        fitting = frozenset((d, t) for d, t in fitting if any(d0 in ("", d) and t0 in ("", t) for d0, t0 in readings))
    bare = [core for core in cores if core not in separated]
    fixed = any(core.endswith("0") for core in separated)
    if fixed and bare and all(len(core) <= 3 for core in bare):
        grouped = frozenset((d, t) for d, t in fitting if all((("", t) in _readings(core)) for core in separated))
        return grouped or fitting
    return fitting


def _readings(core: str) -> set[Marks]:
    """The marks that a number may be written with, as far as it has any; none where it begins with a needless zero.

    >>> sorted(_readings("999.999")), sorted(_readings("9.999,9")), sorted(_readings("0,999")), sorted(_readings("099"))
    ([('', '.'), ('.', '')], [(',', '.')], [(',', '')], [])
    """
    marks = re.findall("[^09]", core)
    if not marks:
        return set() if len(core) > 1 and core.startswith("0") else {("", "")}
    last = marks[-1]
    readings = set()
    if len(set(marks)) == 1 and _grouped(core, last):
        readings.add(("", last))
    whole = core.rpartition(last)[0]
    between = set(marks[:-1])
    if last in ".," and last not in between:
        if not between and re.fullmatch("0|9[09]*|", whole):
            readings.add((last, ""))
        elif len(between) == 1 and _grouped(whole, mark := between.pop()):
            readings.add((last, mark))
    return readings


def _grouped(whole: str, mark: str) -> bool:
    """Groups of three digits, from the right; with commas as in India, too."""
    middle = "(?:,[09]{2,3})*" if mark == "," else f"(?:{re.escape(mark)}[09]{{3}})*"
    return re.fullmatch(f"9[09]{{0,2}}{middle}{re.escape(mark)}[09]{{3}}", whole) is not None
