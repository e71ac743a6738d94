"""How numbers, dates and missing values are written in a model's files, where that is not as programs write them."""

from dataclasses import dataclass, fields
from typing import Any

from retrain.records.settings import IntakeSettings


@dataclass(frozen=True)
class Formats:
    """Local formats; the defaults are none. `thousands` " " stands for every kind of space, and "'" for ’ as well;
    `date_format` are those of strptime."""

    decimal: str = "."
    thousands: str = ""
    date_format: tuple[str, ...] = ()
    na_values: tuple[str, ...] = ()
    percent: bool = False
    currency: tuple[str, ...] = ()
    accounting: bool = False

    @property
    def numbers(self) -> bool:
        """Whether numbers are not as programs write them."""
        return self.decimal != "." or bool(self.thousands or self.percent or self.currency or self.accounting)

    def to_json(self) -> dict[str, Any]:
        """What differs from the defaults, as plain JSON values."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, (value, default) in values.items()
            if value != default
        }


PLAIN = Formats()


def configured_formats(intake: IntakeSettings, found: Formats = PLAIN) -> Formats:
    """What the configuration says, and for the rest what was found. A point between groups of three digits makes the
    comma the decimal mark, and the other way round."""
    chosen = {field.name: getattr(intake, field.name) for field in fields(Formats)}
    if intake.decimal is None and intake.thousands in (".", ","):
        chosen["decimal"] = "," if intake.thousands == "." else "."
    if intake.thousands is None and intake.decimal is not None and found.thousands == intake.decimal:
        chosen["thousands"] = ""
    return Formats(**{name: getattr(found, name) if value is None else value for name, value in chosen.items()})
