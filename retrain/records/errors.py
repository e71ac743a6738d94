"""Errors with a way out: what went wrong, and whether trying again can help."""

from collections.abc import Iterator
from contextlib import contextmanager


class DriftdError(Exception):
    """Base of all errors that driftd raises on purpose; `hint` tells the way out."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class Refused(DriftdError):
    """The input is at fault; trying again gives the same answer. `quoted` is what the input itself says, told behind
    the message to who may read it."""

    def __init__(self, message: str, hint: str = "", quoted: str = "") -> None:
        super().__init__(message + quoted, hint)
        self.quoted = quoted

    def unquoted(self) -> "Refused":
        """Without what the input says."""
        return type(self)(self.message.removesuffix(self.quoted), self.hint) if self.quoted else self


class WrongUse(Refused):
    """What was asked for names something that there is not; the data are not to blame."""


class Retry(DriftdError):
    """The world is at fault for now; trying again may go better."""


@contextmanager
def refusing(what: str, hint: str = "") -> Iterator[None]:
    """Whatever goes wrong within, of a library or of data from outside, is a refusal."""
    try:
        yield
    except Refused:
        raise
    except Exception as error:
        raise Refused(f"{what}: {type(error).__name__}: {error}", hint) from error
