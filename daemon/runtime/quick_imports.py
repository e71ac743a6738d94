"""The first import of a process that is to load models: SciPy and skops take half of their time with it.

skops looks for the module of each of eight hundred functions of NumPy and SciPy among all modules that are loaded, in
their order. Where the two come first it finds each at once; behind those of a service it takes half a second.

SciPy parses the docstrings of six hundred of its functions, and writes each anew with a table of libraries. Nobody
reads them in a service: they stay as they are in its files, which saves another fifth of a second.
"""

from typing import Any


def _leave_docstrings() -> None:
    """As they are written; of a SciPy that parses them otherwise nothing is changed."""
    try:
        from scipy._lib import _docscrape

        class AsWritten(_docscrape.FunctionDoc):  # type: ignore[misc]
            """The docstring of a function, neither parsed nor changed."""

            def __init__(self, function: Any, *_: Any, **__: Any) -> None:
                super().__init__(function, doc="")

            def __str__(self) -> str:
                return f"\n{self._f.__doc__ or ''}"  # below the line of a signature

        str(AsWritten(_leave_docstrings))
    except Exception:  # whatever another release makes of these names
        return
    _docscrape.FunctionDoc = AsWritten


_leave_docstrings()

# isort: split
import scipy.special  # noqa: E402, F401
