"""How the columns of a file without a schema are read."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from retrain.records.formats import PLAIN, Formats
from retrain.records.settings import ColumnKind


@dataclass(frozen=True)
class Layout:
    """The kind of each column by name, the file's local formats, and the columns that are plain in spite of them."""

    kinds: Mapping[str, ColumnKind]
    formats: Formats = PLAIN
    plain: frozenset[str] = frozenset()

    def formats_of(self, name: str) -> Formats:
        """How a column's values are written."""
        return replace(PLAIN, na_values=self.formats.na_values) if name in self.plain else self.formats
