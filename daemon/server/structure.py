"""How many values, lists and objects a body of JSON has, told from its bytes before anything is made of them.

A value costs 20 to 200 bytes of memory and may stand in two bytes of text: a body of 16 MB would take gigabytes. A
request has at most MAX_ROWS rows of the model's columns, and so a bounded number of each."""

from collections.abc import Iterator

from daemon.server.refusal import BadRequest
from daemon.server.rows import MAX_ROWS

LEAST = 120_000
"""So many values and lists are fine for every model; they take some ten megabytes."""
OTHER_OBJECTS = 1_000
SLICE = 65_536
"""Bytes looked at in one step: other threads get the interpreter in between."""


def check_structure(body: bytes, columns: int) -> None:
    """BadRequest 413 where the body has more than requests to a model of so many columns can have."""
    most_values = max(LEAST, MAX_ROWS * (columns + 2))
    most_objects = MAX_ROWS + 2 * columns + OTHER_OBJECTS
    _check(body, b"{", most_objects, f"objects; at most {MAX_ROWS:,} rows a request")
    _check(body, b",", most_values, f"values; at most {MAX_ROWS:,} rows of the model's columns a request")
    _check(body, b"[", most_values, f"lists; at most {MAX_ROWS:,} rows of the model's columns a request")


def _check(body: bytes, mark: bytes, most: int, what: str) -> None:
    if len(body) <= most or body.count(mark) <= most:
        return
    count = 0
    for piece in _outside_of_texts(body):
        count += piece.count(mark)
        if count > most:
            raise BadRequest(f"the body has more than {most:,} {what}", 413)


def _outside_of_texts(body: bytes) -> Iterator[bytes]:
    """What stands outside of quotation marks, slice by slice. Backslashes stand within texts only, in pairs or before
    the character that they escape.

    >>> b"".join(_outside_of_texts(rb'{"a,\\",": [1, ",,"]}'))
    b'{: [1, ]}'
    """
    plain = body.replace(rb"\\", b"").replace(rb"\"", b"")
    inside = 0
    for start in range(0, len(plain), SLICE):
        parts = plain[start : start + SLICE].split(b'"')
        yield b"".join(parts[inside::2])
        inside ^= (len(parts) - 1) & 1
