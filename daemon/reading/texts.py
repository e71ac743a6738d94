"""What the texts of a sample's columns are: counted and grouped by SQL, judged by `local_formats`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from daemon.reading.local_formats.dates import dates_of
from daemon.reading.local_formats.found import Columns
from daemon.reading.local_formats.numbers import FEW_NUMBERS, numbers_of, why_no_numbers
from daemon.reading.local_formats.shapes import LONGEST, MISSING_WORDS, Shape, Shapes, shape_sql
from daemon.reading.sql import identifier, literal
from retrain.records.settings import ColumnKind

MOST_SHAPES = 3_000
"""Of more a column is no column of numbers or dates."""

Ask = Callable[[str, str], list[Any]]
"""Gives the rows of a query of `sample`, and the column that is asked for."""


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


def count_texts(ask: Ask, name: str) -> Texts:
    """What a column of text is."""
    column = f"CAST({identifier(name)} AS VARCHAR)"
    words = f"lower(trim({column})) IN ({', '.join(map(literal, MISSING_WORDS))})"
    tests: dict[ColumnKind, str] = {
        "integer": f"TRY_CAST({column} AS BIGINT) IS NOT NULL AND NOT regexp_matches({column}, '[.eE]|^[-+]?0[0-9]')",
        "number": f"TRY_CAST({column} AS DOUBLE) IS NOT NULL AND NOT regexp_matches({column}, '^[-+]?0[0-9]')",
        "boolean": f"lower({column}) IN ('true', 'false')",
        "datetime": f"TRY_CAST({column} AS TIMESTAMPTZ) IS NOT NULL",
    }
    others = (
        words, f"contains({column}, '.')", f"regexp_matches({column}, '^ *[-+]?[1-9][0-9]{{0,2}}([.][0-9]{{3}})+ *$')",
        f"length({column}) <= {LONGEST} AND regexp_matches({column}, '[0-9]')",
    )  # fmt: skip
    counts = ", ".join(f"count(*) FILTER ({test})" for test in (*tests.values(), *others))
    ((present, *counted),) = ask(f"SELECT count({column}), {counts} FROM sample", name)
    fitting = dict(zip(tests, counted, strict=False))
    missing, dotted, grouped, digits = counted[len(tests) :]
    return Texts(present, missing, fitting, dotted, grouped, digits)


def text_columns(ask: Ask, texts: Mapping[str, Texts], kinds: Mapping[str, ColumnKind], delimiter: str) -> Columns:
    """What the columns of text are that may be written in local formats."""
    numbers, dates, missing, doubts = {}, {}, {}, {}
    points = [n for n, t in texts.items() if t.kind == "number" and t.dotted and not t.may_be_local]
    for name, one in texts.items():
        if not one.may_be_local:
            if one.words and kinds[name] != "category":
                missing[name] = _missing_words(ask, name)
            continue
        shapes = _shapes(ask, name)
        number = numbers_of(shapes)
        if number is not None and not (one.is_declared and number.plain):
            numbers[name] = number
        elif found := dates_of(shapes, _largest(ask, name)):
            dates[name] = found
        elif shapes and number is None and (why := why_no_numbers(shapes)):
            doubts[name] = why
    digits = [name for name, one in texts.items() if one.is_declared and one.present in one.fitting.values()]
    declared = tuple(name for name in digits if kinds[name] == "category")
    return Columns(numbers, dates, tuple(points), delimiter, missing, doubts, declared)


def _shapes(ask: Ask, name: str) -> Shapes:
    """The shapes of a column's texts; none where there are too many."""
    text = f"trim(CAST({identifier(name)} AS VARCHAR))"
    shape = f"CASE WHEN length(t) <= {LONGEST} THEN {shape_sql('t')} ELSE left(t, {LONGEST + 1}) END"
    query = f"SELECT {shape} AS shape, count(*), min(t) FROM (SELECT {text} AS t FROM sample) WHERE t <> ''"
    rows = ask(f"{query} GROUP BY shape ORDER BY count(*) DESC, shape LIMIT {MOST_SHAPES + 1}", name)
    return {} if len(rows) > MOST_SHAPES else {shape: Shape(count, example) for shape, count, example in rows}


def _missing_words(ask: Ask, name: str) -> tuple[str, ...]:
    column = f"trim(CAST({identifier(name)} AS VARCHAR))"
    words = ", ".join(map(literal, MISSING_WORDS))
    query = f"SELECT DISTINCT {column} FROM sample WHERE lower({column}) IN ({words})"
    return tuple(sorted(row[0] for row in ask(query, name)))


def _largest(ask: Ask, name: str) -> tuple[int, int]:
    """The largest first and second number in a column's texts."""
    column = f"CAST({identifier(name)} AS VARCHAR)"
    parts = [f"max(TRY_CAST(regexp_extract({column}, '^\\D*(\\d+)\\D+(\\d+)', {group}) AS INT))" for group in (1, 2)]
    ((first, second),) = ask(f"SELECT {', '.join(parts)} FROM sample", name)
    return first or 0, second or 0
