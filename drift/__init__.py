"""Statistics of drift: arrays in, frozen results out; no files, clock, threads or logging.

In a notebook `from drift import compare` compares two frames, and `reference_of` keeps one for later."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drift.comparison.compare import compare as compare
    from drift.comparison.kept import reference_of as reference_of
    from drift.comparison.report import Comparison as Comparison
    from drift.profiles.reference import Reference as Reference

PUBLIC = {
    "Comparison": "drift.comparison.report",
    "Reference": "drift.profiles.reference",
    "compare": "drift.comparison.compare",
    "reference_of": "drift.comparison.kept",
}
"""By name where it is; imported when it is asked for, since most of driftd's processes need none of it."""

__all__ = ["Comparison", "Reference", "compare", "reference_of"]


def __getattr__(name: str) -> Any:
    """Called by Python for what is not there yet."""
    if name not in PUBLIC:
        raise AttributeError(f"module 'drift' has no attribute {name!r}")
    return getattr(import_module(PUBLIC[name]), name)
