"""How far back a cycle's window reaches, told from settings alone: control asks it without any numerical library."""

import math
from collections.abc import Mapping
from typing import Any

from retrain.records.settings import WindowSettings

SMALLEST_WEIGHT = 1 / 256
"""Older rows of a decaying window are left out: together they would weigh less than half a file."""
FEWEST_FILES = 1000
"""So many of the newest files are always read: comparisons and held-out rows look back over them."""


def chosen_window(settings: WindowSettings, choice: Mapping[str, Any] | None) -> WindowSettings:
    """The window of a cycle: as configured, or where that is "auto" the planner's choice, such as
    {"kind": "files", "files": 3}; without one, decaying weights."""
    if settings.kind != "auto":
        return settings
    return settings.model_copy(update={"kind": "decay", **(choice or {})})


def files_needed(settings: WindowSettings) -> int | None:
    """Of files with labelled rows, how many of the newest a window may have rows of; None where any file may.

    >>> files_needed(WindowSettings(kind="files", files=2000)), files_needed(WindowSettings(kind="all"))
    (2000, None)
    """
    if settings.kind == "files":
        return max(settings.files or 0, FEWEST_FILES)
    if settings.kind == "decay":
        return max(math.ceil(-math.log2(SMALLEST_WEIGHT) * settings.half_life_files) + 1, FEWEST_FILES)
    return None
