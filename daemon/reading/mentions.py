r"""Where ids stand in texts as words of their own, however the text quotes them. Pure.

An id that goes on is another one: of `c-0417` nothing stands in `c-04171`, in `c-0417-b` or in `0.c-0417`. What
follows an escape of JSON stands alone: `\nc-0417` in the text of a line of a log is a line that begins with it."""

import json
import re
from collections.abc import Collection, Iterator

CONNECTORS = r"[.@+#~-]"
BEFORE = rf"(?:(?<!\w)(?<!\w{CONNECTORS})|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{{4}}))"
AFTER = re.compile(rf"(?!\w)(?!{CONNECTORS}\w)")
BEGIN, MOST_BEGINNINGS = 3, 200
"""By so many characters at its beginning a mention is looked for, where ids have no more beginnings than that."""


class Mentions:
    r"""Of some ids.

    >>> list(Mentions(["c-0417"]).spans("c-0417, c-0417-b and xc-0417"))
    [(0, 6)]
    >>> Mentions(['O"Hara']).redacted('{"who": "O\\"Hara", "at": 1}', "(forgotten)")
    '{"who": "(forgotten)", "at": 1}'
    """

    def __init__(self, ids: Collection[str]) -> None:
        self._by_length: dict[int, set[str]] = {}
        for form in {form for one in ids if one for form in _written(one)}:
            self._by_length.setdefault(len(form), set()).add(form)
        self._lengths = sorted(self._by_length, reverse=True)
        begins = _beginnings([form for forms in self._by_length.values() for form in forms])
        self._alone = re.compile(f"{BEFORE}{begins}") if begins else None
        self._anywhere = re.compile(begins) if begins else None

    def __bool__(self) -> bool:
        return bool(self._by_length)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where one stands, first to last, the longest of those that begin together; none overlaps another."""
        done = 0
        for found in () if self._alone is None else self._alone.finditer(text):
            begin = found.start()
            end = self._end(text, begin) if begin >= done else None
            if end is not None and AFTER.match(text, end):
                yield begin, end
                done = end

    def inside(self, text: str) -> bool:
        """Whether one stands somewhere, be it as a part of a word."""
        places = () if self._anywhere is None else self._anywhere.finditer(text)
        return any(self._end(text, found.start()) is not None for found in places)

    def holds(self, text: str) -> bool:
        """Whether one stands somewhere as a word."""
        return next(self.spans(text), None) is not None

    def redacted(self, text: str, instead: str) -> str:
        """The text with something else in the place of each."""
        done, parts = 0, []
        for begin, end in self.spans(text):
            parts += [text[done:begin], instead]
            done = end
        return "".join([*parts, text[done:]])

    def _end(self, text: str, begin: int) -> int | None:
        for length in self._lengths:
            if text[begin : begin + length] in self._by_length[length]:
                return begin + length
        return None


def _beginnings(forms: Collection[str]) -> str:
    for size in (BEGIN, 1):
        begins = sorted({form[:size] for form in forms})
        if len(begins) <= MOST_BEGINNINGS:
            return f"(?={'|'.join(map(re.escape, begins))})" if begins else ""
    return f"(?=[{''.join(map(re.escape, begins))}])"


def _written(one: str) -> set[str]:
    """As it stands in a text, in a CSV, quoted by Python, and each of these in JSON, and in JSON within JSON."""
    found = {one, repr(one)[1:-1], one.replace('"', '""')}
    for _ in range(2):
        found |= {json.dumps(form, ensure_ascii=ascii_only)[1:-1] for form in found for ascii_only in (True, False)}
    return found
