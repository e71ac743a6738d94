"""How values are written in a configuration: durations, sizes, rates, budgets; and the base of all its sections."""

import ast
import math
import re
from dataclasses import dataclass, fields
from inspect import getsource
from itertools import pairwise
from textwrap import dedent
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*$")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|TB)\s*$", re.IGNORECASE)
BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
BUDGET = re.compile(
    r"^\s*(\d+(?:\.\d+)?)\s+per\s+(?:(\d+)\s+(?:batches|files)|(day|week|hour)|(\d+(?:\.\d+)?)\s*(m|h|d|w))\s*$"
)
RATE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s+per\s+(\d+)\s+checks\s*$")


def duration_s(value: Any) -> float:
    """Seconds of "90s", "15m", "12h", "30d" or "4w"; a bare number is seconds."""
    if is_number(value):
        return float(value)
    match = DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('expected a duration such as "30s", "15m", "12h", "30d" or "4w"')
    return float(match[1]) * SECONDS[match[2]]


def size_bytes(value: Any) -> int:
    """Bytes of "500MB" or "4GB"; a bare number is bytes."""
    if is_number(value):
        return int(value)
    match = SIZE.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('expected a size such as "500MB" or "4GB"')
    return int(float(match[1]) * BYTES[match[2].lower()])


def alarm_rate(value: Any) -> float:
    """The error rate of one whole check: "1 per 100 checks" is 0.01."""
    if is_number(value):
        return float(value)
    match = RATE.match(value) if isinstance(value, str) else None
    if match is None or int(match[2]) == 0:
        raise ValueError('expected a budget such as "1 per 100 checks"')
    return float(match[1]) / int(match[2])


def is_number(value: Any) -> bool:
    """A finite number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class Budget:
    """`retrains` per `files` labelled files, or per `seconds` where that is given."""

    retrains: float
    files: int | None
    seconds: float | None

    @property
    def rate(self) -> float:
        """Retrains that one labelled file, or one second, earns."""
        return self.retrains / (self.files if self.files is not None else self.seconds or 1.0)

    def __str__(self) -> str:
        """As it is written.

        >>> str(Budget(2.0, None, 604800.0)), str(Budget(10.0, 100, None))
        ('2 per 1w', '10 per 100 batches')
        """
        if self.seconds is None:
            return f"{self.retrains:g} per {self.files} batches"
        name = max((name for name in SECONDS if self.seconds % SECONDS[name] == 0), key=SECONDS.__getitem__)
        return f"{self.retrains:g} per {self.seconds / SECONDS[name]:g}{name}"


def retrain_budget(value: Any) -> Budget | None:
    """A Budget of "10 per 100 batches", "2 per week" or "1 per 12h", None of `false`; a mapping as `model_dump` gives
    it."""
    if value is False:
        return None
    if value is None or isinstance(value, Budget):
        return value
    if isinstance(value, dict) and set(value) == {field.name for field in fields(Budget)}:
        return Budget(**value)
    match = BUDGET.match(value) if isinstance(value, str) else None
    if match is None or (match[2] and not int(match[2])):
        raise ValueError('expected a budget such as "10 per 100 batches", "2 per week" or "1 per 12h", or false')
    if match[2]:
        return Budget(float(match[1]), int(match[2]), None)
    seconds = SECONDS[match[3][0]] if match[3] else float(match[4]) * SECONDS[match[5]]
    return Budget(float(match[1]), None, seconds)


def unless_off(value: Any) -> Any:
    """None for `false`, which switches a rule off: TOML has no null."""
    if value is not None and value is not False and not is_number(value):
        raise ValueError("expected a number, or false")
    return None if value is False else value


LONGEST_S, LARGEST, MOST = 36525 * 86400.0, 10**18, 10**15
"""A hundred years, an exabyte, and more than anything that is counted: beyond is a slip of the keyboard."""
VALUES = ("min", "max", "positive")
MANY_LINES = ("query",)
MAY_BE_BLANK = ("thousands", "na_values", "categories", "delimiter", "target")
"""A target is empty where there is none yet; a configuration's is looked at in its place."""


def sensible_duration(value: float) -> float:
    """The duration; ValueError beyond a hundred years."""
    if value > LONGEST_S:
        raise ValueError("expected at most 100 years (36525d)")
    return value


def sensible_size(value: int) -> int:
    """The size; ValueError beyond an exabyte."""
    if value > LARGEST:
        raise ValueError("expected at most 1000000TB")
    return value


def sensible(key: str, value: Any) -> Any:
    """A value as it is; ValueError where it is a number or a text that nobody means. What is in the rows may be any
    number."""
    for one in value if isinstance(value, tuple) else (value,):
        if (
            isinstance(one, int | float)
            and not isinstance(one, bool)
            and math.isfinite(one)
            and abs(one) > MOST
            and key not in VALUES
        ):
            raise ValueError(f"expected a number of at most {MOST:.0e}")
        if isinstance(one, str) and key not in MAY_BE_BLANK and not one.strip():
            raise ValueError("expected text that is not empty")
        if isinstance(one, str) and key != "delimiter" and any(c in one for c in _unwritten(key)):
            raise ValueError("expected text in one line")
    return value


def _unwritten(key: str) -> str:
    """The characters that a text may not have."""
    return "\0" if key in MANY_LINES else "\0\r\n"


Duration = Annotated[float, BeforeValidator(duration_s), Field(gt=0), AfterValidator(sensible_duration)]
Wait = Annotated[float, BeforeValidator(duration_s), Field(ge=0), AfterValidator(sensible_duration)]
"""A duration that may be none."""
Size = Annotated[int, BeforeValidator(size_bytes), Field(gt=0), AfterValidator(sensible_size)]
Price = Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(unless_off)]
Growth = Annotated[Annotated[float, Field(gt=1)] | None, BeforeValidator(unless_off)]
RetrainBudget = Annotated[Budget | None, BeforeValidator(retrain_budget)]
AlarmRate = Annotated[float, BeforeValidator(alarm_rate), Field(gt=0, lt=1)]


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Frozen(BaseModel):
    """Base of all settings: immutable; unknown keys are errors, and so are values of another type, which are never
    taken for what they might mean."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _as_toml_writes(cls, value: Any) -> Any:
        """Lists are tuples here, and 1e6 is a whole number."""
        if not isinstance(value, dict):
            return value
        return {key: _whole(tuple(one) if isinstance(one, list) else one) for key, one in value.items()}

    @field_validator("*", mode="before")
    @classmethod
    def _sensible(cls, value: Any, info: ValidationInfo) -> Any:
        return sensible(str(info.field_name), value)

    @classmethod
    def descriptions(cls) -> dict[str, str]:
        """What each key means: the string below it in the source, which nobody reads before somebody asks.

        (Pydantic's `use_attribute_docstrings` would read it at each start of each process: 30 ms.)"""
        (section,) = ast.parse(dedent(getsource(cls))).body
        assert isinstance(section, ast.ClassDef)
        below = pairwise(section.body)
        return {
            key.target.id: " ".join(text.value.value.split())
            for key, text in below
            if isinstance(key, ast.AnnAssign)
            and isinstance(key.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        }
