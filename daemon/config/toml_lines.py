"""Where each key of a TOML file stands: tomllib reads values and forgets lines."""

import re
from collections import Counter

KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
SECTION = re.compile(r"\s*\[\[?\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
STRING = re.compile(r'"(?:\\.|[^"\\])*"|' + r"'[^']*'")


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """The line (from 1) of every section and key by its path; a key within an inline table has its parent's, and in a
    list of sections, `[[a]]`, the place of each (from 0) stands in its path.

    >>> key_lines('[a]\\nx = 1\\n[a.b]\\n"y z" = [\\n 1,\\n]\\n')[("a", "b", "y z")]
    4
    >>> key_lines('[[a]]\\nx = 1\\n[[a]]\\nx = 2\\n')[("a", "1", "x")]
    4
    """
    listed: Counter[tuple[str, ...]] = Counter()
    found: dict[tuple[str, ...], int] = {}
    section: tuple[str, ...] = ()
    depth, quote = 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        if quote:
            quote = "" if quote in line else quote
            continue
        if depth == 0:
            header = SECTION.match(line)
            key = KEY.match(line)
            if header and not key:
                section = _path(header[1])
                if line.lstrip().startswith("[["):
                    found.setdefault(section, number)
                    listed[section] += 1
                    section = (*section, str(listed[section] - 1))
                found.setdefault(section, number)
                continue
            if key:
                found.setdefault((*section, *_path(key[1])), number)
        quote = _left_open(line)
        bare = STRING.sub("", line).partition("#")[0]
        depth = max(0, depth + sum(map(bare.count, "[{")) - sum(map(bare.count, "]}")))
    return found


def _path(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in PART.findall(dotted))


def _left_open(line: str) -> str:
    """The triple quote that the line opens and does not close."""
    return next((mark for mark in ('"""', "'''") if line.count(mark) % 2), "")
