"""Text of others for a terminal: what would move its cursor, change its colours or title, or turn the direction of
writing is shown as an escape sequence of Python's."""

import re
from typing import Any, TextIO

CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Unicode's control characters but for tabulator and line end, and those that override the direction of writing."""


def printable(text: str) -> str:
    r"""The text with its control characters escaped.

    >>> printable("a\x1b[31mb\x9bc\td\n")
    'a\\x1b[31mb\\x9bc\td\n'
    """
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class PrintableStream:
    """A text stream whose writers may be given anything; `raw` is the one below it, for who writes controls of its
    own."""

    def __init__(self, raw: TextIO) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        """Write it with its control characters escaped."""
        self.raw.write(printable(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)
