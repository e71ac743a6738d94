"""By what people who are forgotten are known again: keyed hashes of what a column says, never that itself. Pure."""

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from hashlib import blake2b

KEY_BYTES, MARK_BYTES = 32, 16
GONE = "(forgotten)"
"""What is written in the place of an id."""
LONG = 12
"""An id of so many characters is no accident wherever it stands; a shorter one is looked for in its column alone."""


@dataclass(frozen=True)
class Marks:
    """A model's marks by column, as hexadecimal digits like the `key`."""

    model: str
    key: str
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)


def marker(model: str, column: str, key: bytes) -> "blake2b":
    """What makes marks of a column; of the same value another model's are others."""
    return blake2b(f"{model}\0{column}\0".encode(), key=key, digest_size=MARK_BYTES)


def mark_of(model: str, column: str, value: str, key: bytes) -> bytes:
    """The mark of a value, written as `canonical` writes it.

    >>> mark_of("m", "id", "a", bytes(32)) == mark_of("m", "id", "b", bytes(32))
    False
    """
    made = marker(model, column, key)
    made.update(value.encode("utf-8", "surrogatepass"))
    return made.digest()


def canonical(text: str, kind: str) -> str:
    """A value of a column as its snapshots' values are written when they are compared.

    >>> canonical("007", "integer"), canonical("7.0", "number"), canonical("007", "category")
    ('7', '7', '007')
    """
    if kind not in ("integer", "number"):
        return text
    try:
        number = Decimal(text)
        return str(int(number)) if number == number.to_integral_value() else repr(float(number))
    except (InvalidOperation, ValueError, OverflowError):
        return text
