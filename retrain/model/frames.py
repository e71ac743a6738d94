"""Rows as a frame of pandas or polars: what a user's own pipeline or preparation reads. Neither library is needed by
anything else, so each is imported when it is asked for."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from retrain.records.errors import Refused
from retrain.records.predictions import Floats
from retrain.records.settings import ColumnKind

Library = Literal["pandas", "polars"]
LIBRARIES: tuple[Library, ...] = ("pandas", "polars")


def installed_libraries() -> list[Library]:
    """Those that can be imported here, in the order in which they are tried."""
    return [library for library in LIBRARIES if find_spec(library) is not None]


def library_module(library: str) -> Any:
    """The library; Refused says how to install it."""
    try:
        return import_module(library)
    except ImportError as error:
        reason = f"{library} cannot be imported: {error}"
        raise Refused(reason, f"install it beside driftd: pip install 'driftd[{library}]'") from None


def frame_of(library: str, names: Sequence[str], columns: Sequence[Any]) -> Any:
    """A frame of the library with these columns (n,), as `column_for` gives them."""
    module = library_module(library)
    if library == "pandas":
        return module.DataFrame(dict(zip(names, columns, strict=True)), columns=list(names))
    return module.DataFrame(dict(zip(names, columns, strict=True)))


def column_for(library: str, cells: Any, kind: ColumnKind, missing: str = "nan") -> Any:
    """One column of a frame, of cells (n,) as a raw matrix has them: numbers, truths and Unix seconds as floats with
    NaN, categories and text as text or None.

    The types are those that the library's own readers give: whole numbers and truths without a missing value int64 and
    bool, else float64 and object; text object, with NaN for what is missing, or None where `missing` is "none". polars
    has null for all that is missing."""
    if library == "polars":
        return _polars_column(cells, kind)
    if kind in ("category", "text"):
        gap = None if missing == "none" else np.nan
        column = np.empty(len(cells), dtype=object)
        column[:] = [gap if cell is None else cell for cell in cells]
        return column
    floats = np.asarray(cells, dtype=np.float64)
    if kind == "datetime":
        return library_module("pandas").Series(_moments(floats), dtype=f"datetime64[{_unit()}]")
    present = not np.isnan(floats).any()
    if kind == "integer":
        return floats.astype(np.int64) if present else floats
    if kind == "boolean":
        if present:
            return floats.astype(bool)
        column = np.empty(len(floats), dtype=object)
        column[:] = [np.nan if np.isnan(value) else bool(value) for value in floats]
        return column
    return floats


def _polars_column(cells: Any, kind: ColumnKind) -> Any:
    polars = library_module("polars")
    if kind in ("category", "text"):
        return polars.Series(values=[None if cell is None else str(cell) for cell in cells], dtype=polars.String)
    floats = np.asarray(cells, dtype=np.float64)
    if kind == "datetime":
        return polars.Series(values=_moments(floats)).cast(polars.Datetime("us"))
    column = polars.Series(values=floats).fill_nan(None)
    types = {"integer": polars.Int64, "boolean": polars.Boolean}
    return column.cast(types[kind]) if kind in types else column


def _moments(seconds: Floats) -> Any:
    """Unix seconds (n,) as moments without a zone, in UTC, at a resolution of a microsecond."""
    whole = np.where(np.isnan(seconds), 0.0, np.round(seconds * 1e6)).astype(np.int64).astype("datetime64[us]")
    whole[np.isnan(seconds)] = np.datetime64("NaT")
    return whole


def _unit() -> str:
    """The resolution of the moments that pandas' readers give: nanoseconds before its third version."""
    return "ns" if int(library_module("pandas").__version__.split(".")[0]) < 3 else "us"
