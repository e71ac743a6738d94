"""What the texts of a sample's columns are: counted and grouped by SQL, judged by `local_formats`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daemon.reading.local_formats.dates import dates_of
from daemon.reading.local_formats.found import Columns
from daemon.reading.local_formats.numbers import FEW_NUMBERS, numbers_of, why_no_numbers
from daemon.reading.local_formats.shapes import LONGEST, MISSING_WORDS, Shape, Shapes, shape_sql
from daemon.reading.sql import identifier, literal
from retrain.records.settings import ColumnKind

LONG = 100
"""Characters of a text that is no number, date or word for a missing value: what follows is not held to tell texts
apart, for there may be gigabytes of it."""
MOST_SHAPES = 3_000
"""Of more a column is no column of numbers or dates."""

Ask = Callable[[str, str], list[Any]]
"""Gives the rows of a query of `sample`, and the column that is asked for."""
Source = Callable[[str], str]
"""Gives of a column the query, or the table, of its different texts `t` and how many rows have each, `n`."""


@dataclass(frozen=True)
class Texts:
    """How many values of a column are `present`, of how many kinds each as programs write them, and how many are
    `words` for missing values; how many have a `dotted` fraction, and in how many of these the point may as well stand
    between thousands. `is_declared` where the file itself says that these are texts."""

    present: int
    words: int
    fitting: Mapping[ColumnKind, int]
    dotted: int
    grouped: int
    digits: int
    is_declared: bool = False

    @property
    def kind(self) -> ColumnKind:
        """The narrowest kind that all texts fit; of declared ones only a date is more than text. A number with a
        leading zero is a code; "yes" is a word."""
        for kind, count in self.fitting.items():
            fits = count + self.words == self.present and count >= max(1, min(self.words, FEW_NUMBERS))
            if fits and (kind == "datetime" or not self.is_declared):
                return kind
        return "category"

    @property
    def may_be_local(self) -> bool:
        """Whether the shapes of its texts are worth a look."""
        if self.kind == "number":
            return self.dotted > 0 and self.grouped == self.dotted
        return self.kind == "category" and self.digits > 0 and 2 * self.digits >= self.present - self.words


def count_texts(ask: Ask, source: Source, names: Sequence[str]) -> dict[str, Texts]:
    """What columns of text are, by name; all of them are in `sample` together. One query, for planning one takes longer
    than to run it; what a finite number cannot be is asked of other texts alone."""
    zero, digit = "regexp_matches(t, '^[-+]?0[0-9]')", _unless_finite("regexp_matches(t, '[0-9]')")
    tests: dict[ColumnKind, str] = {
        "integer": f"finite AND TRY_CAST(t AS BIGINT) IS NOT NULL AND NOT (regexp_matches(t, '[.eE]') OR {zero})",
        "number": f"(finite OR {_unless_finite('TRY_CAST(t AS DOUBLE) IS NOT NULL')}) AND NOT {zero}",
        "boolean": _unless_finite("lower(t) IN ('true', 'false')"),
        "datetime": _unless_finite("TRY_CAST(t AS TIMESTAMPTZ) IS NOT NULL"),
    }
    others = (
        _unless_finite(f"lower(trim(t)) IN ({', '.join(map(literal, MISSING_WORDS))})"),
        "contains(t, '.')",
        "regexp_matches(t, '^ *[-+]?[1-9][0-9]{0,2}([.][0-9]{3})+ *$')",
        f"length(t) <= {LONGEST} AND (finite OR {digit})",
    )
    counts = ", ".join(f"coalesce(sum(n) FILTER ({test}), 0)" for test in (*tests.values(), *others))
    texts = " UNION ALL ".join(f"SELECT {place} AS c, * FROM {source(name)}" for place, name in enumerate(names))
    told = f"SELECT c, t, n, coalesce(isfinite(TRY_CAST(t AS DOUBLE)), false) AS finite FROM ({texts})"
    rows = {row[0]: row[1:] for row in ask(f"SELECT c, sum(n), {counts} FROM ({told}) GROUP BY c", names[0])}
    found = {}
    for place, name in enumerate(names):
        present, *counted = map(int, rows.get(place, (0,) * (1 + len(tests) + len(others))))
        missing, dotted, grouped, digits = counted[len(tests) :]
        found[name] = Texts(present, missing, dict(zip(tests, counted, strict=False)), dotted, grouped, digits)
    return found


def _unless_finite(test: str) -> str:
    """In SQL: `test` of a text that is no finite number."""
    return f"CASE WHEN finite THEN false ELSE {test} END"


def text_columns(
    ask: Ask, source: Source, texts: Mapping[str, Texts], kinds: Mapping[str, ColumnKind], delimiter: str
) -> Columns:
    """What the columns of text are that may be written in local formats."""
    numbers, dates, missing, doubts = {}, {}, {}, {}
    points = [n for n, t in texts.items() if t.kind == "number" and t.dotted and not t.may_be_local]
    for name, one in texts.items():
        if not one.may_be_local:
            if one.words and kinds[name] != "category":
                missing[name] = _missing_words(ask, name)
            continue
        shapes = _shapes(ask, source(name), name)
        number = numbers_of(shapes)
        if number is not None and not (one.is_declared and number.plain):
            numbers[name] = number
        elif found := dates_of(shapes, _largest(ask, source(name), name)):
            dates[name] = found
        elif shapes and number is None and (why := why_no_numbers(shapes)):
            doubts[name] = why
    digits = [name for name, one in texts.items() if one.is_declared and one.present in one.fitting.values()]
    declared = tuple(name for name in digits if kinds[name] == "category")
    return Columns(numbers, dates, tuple(points), delimiter, missing, doubts, declared)


def _shapes(ask: Ask, source: str, name: str) -> Shapes:
    """The shapes of a column's texts; none where there are too many."""
    shape = f"CASE WHEN length(t) <= {LONGEST} THEN {shape_sql('t')} ELSE left(t, {LONGEST + 1}) END"
    texts = f"SELECT trim(t) AS t, n FROM {source}"
    query = f"SELECT {shape} AS shape, sum(n), min(t) FROM ({texts}) WHERE t <> '' GROUP BY shape"
    rows = ask(f"{query} ORDER BY sum(n) DESC, shape LIMIT {MOST_SHAPES + 1}", name)
    return {} if len(rows) > MOST_SHAPES else {shape: Shape(int(count), example) for shape, count, example in rows}


def different_texts(name: str) -> str:
    """Those of a column of `sample`: what is asked of a text is then asked once of those that are the same. Of a long
    text its beginning, marked so that it is no number."""
    texts = f"SELECT CAST({identifier(name)} AS VARCHAR) AS v FROM sample"
    cut = f"CASE WHEN length(v) > {LONG} THEN concat(left(v, {LONG}), '…') ELSE v END"
    return f"SELECT {cut} AS t, count(*) AS n FROM ({texts}) WHERE v IS NOT NULL GROUP BY 1"


def _missing_words(ask: Ask, name: str) -> tuple[str, ...]:
    column = f"trim(CAST({identifier(name)} AS VARCHAR))"
    words = ", ".join(map(literal, MISSING_WORDS))
    query = f"SELECT DISTINCT {column} FROM sample WHERE lower({column}) IN ({words})"
    return tuple(sorted(row[0] for row in ask(query, name)))


def _largest(ask: Ask, source: str, name: str) -> tuple[int, int]:
    """The largest first and second number in a column's texts."""
    column = "t"
    parts = [f"max(TRY_CAST(regexp_extract({column}, '^\\D*(\\d+)\\D+(\\d+)', {group}) AS INT))" for group in (1, 2)]
    ((first, second),) = ask(f"SELECT {', '.join(parts)} FROM {source}", name)
    return first or 0, second or 0
