"""When labels may be believed: how late they come, what silence means, and how long they may change."""

import re
from dataclasses import dataclass, fields
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from retrain.records.settings.units import Duration, Frozen, duration_s

FILES = re.compile(r"^\s*(\d+)\s+files?\s*$")


@dataclass(frozen=True)
class Maturity:
    """How old a row is when its label is final: `seconds` of its event time, or so many `files` of rows after its
    own; the other one is None."""

    seconds: float | None = None
    files: int | None = None

    def __str__(self) -> str:
        """As it may be written in a configuration.

        >>> str(Maturity(files=5)), str(Maturity(seconds=86400.0 * 30)), str(Maturity(seconds=90.0))
        ('5 files', '30 d', '90 s')
        """
        if self.files is not None:
            return f"{self.files} file{'' if self.files == 1 else 's'}"
        seconds = self.seconds or 0.0
        for unit, length in (("d", 86400.0), ("h", 3600.0), ("m", 60.0)):
            if seconds >= length and seconds % length == 0:
                return f"{seconds / length:g} {unit}"
        return f"{seconds:g} s"


def age_of(value: Any) -> Maturity:
    """Of "30d" or "5 files"; a mapping as `model_dump` gives it.

    >>> age_of("5 files"), age_of("2h")
    (Maturity(seconds=None, files=5), Maturity(seconds=7200.0, files=None))
    """
    if isinstance(value, Maturity):
        return value
    if isinstance(value, dict) and set(value) == {field.name for field in fields(Maturity)}:
        return Maturity(**value)
    match = FILES.match(value) if isinstance(value, str) else None
    if match is not None and int(match[1]):
        return Maturity(files=int(match[1]))
    try:
        seconds = duration_s(value) if isinstance(value, str) else 0.0  # 30 may mean days
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise ValueError('expected an age such as "30d", "12h" or "5 files"')
    return Maturity(seconds=seconds)


class LabelSettings(Frozen):
    """When the labels of rows may be believed, where they come late, class by class, or change; [how
    driftd finds out by itself](labels.md)."""

    maturity: Annotated[Maturity, BeforeValidator(age_of)] | None = None
    """How old a row is when its label is final: by its event time (`"30d"`; without a time column by when its file
    came), or by files of rows that came after its own (`"5 files"`). Younger rows teach, judge and decide nothing.
    Without it, learned from when labels arrive."""
    negative: str | None = Field(default=None, min_length=1)
    """The class of rows that have no label at `maturity`, where silence means it (`"no"`: not a fraud, did not churn).
    Without it such rows stay unknown, and teach nothing."""
    corrections: Duration | None = None
    """How long after a row's event its label may still change; later changes are told and do not count. Without it
    always."""

    @model_validator(mode="after")
    def _possible(self) -> "LabelSettings":
        if self.negative is not None and self.maturity is None:
            raise ValueError('negative needs maturity, such as maturity = "30d": how long a label is waited for')
        return self
