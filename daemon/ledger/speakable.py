"""Texts that a database would refuse, each time anew, are written with escapes."""

from collections.abc import Callable
from typing import Any


def escaping(nul: bool) -> Callable[..., Any]:
    """A listener that escapes what is no valid Unicode, as names of files within a reason may be; and where `nul` is
    set the character NUL, too, which PostgreSQL keeps in no text."""

    def escape(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not value.isascii():
            value = value.encode("utf-8", "backslashreplace").decode()
        return value.replace("\0", "\\x00") if nul and "\0" in value else value

    def of_row(row: Any) -> Any:
        if isinstance(row, tuple):
            return row if all(escape(value) is value for value in row) else tuple(map(escape, row))
        if isinstance(row, dict):
            return {name: escape(value) for name, value in row.items()}
        return row

    def listener(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> Any:
        return statement, [of_row(row) for row in values] if many else of_row(values)

    return listener
