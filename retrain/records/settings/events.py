"""What a recommendation is learned from besides its columns."""

from pydantic import Field

from retrain.records.settings.units import Duration, Frozen, duration_s, is_number


class RecommendationSettings(Frozen):
    """Posted events, and the size of versions."""

    every: Duration = 3600.0
    """Events that were posted become a data file at least this often; for answers they count at once."""
    items: int = Field(default=3000, ge=10, le=20_000)
    """A version knows at most so many items, the best-supported ones, as far as `limits.train_memory` allows; others
    are left to the counters."""


def seen_items(value: object) -> object:
    """ "auto", true, false, or how long an item is left out, in seconds."""
    if isinstance(value, bool) or value == "auto":
        return value
    try:
        seconds = duration_s(value)
    except ValueError:
        seconds = 0.0
    if not is_number(seconds) or seconds <= 0:
        raise ValueError('expected "auto", true, false, or a duration such as "30d"')
    return seconds


def event_weights(value: dict[str, float]) -> dict[str, float]:
    """As given; ValueError where one is impossible."""
    for name, weight in value.items():
        if not 0 <= weight <= 1000:
            raise ValueError(f"{name} is {weight:g}; expected numbers from 0 to 1000")
    return value
