"""What a comparison needs to know of a table: a file that is read column by column, or a frame in memory."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from drift.columns.column_kind import ColumnKind
from drift.profiles.profile import ColumnValues


class Table(Protocol):
    """Columns by name, read one at a time as the kinds that the reference has; a value that does not fit its column's
    kind is missing. `notes` are sentences for who reads the report."""

    notes: list[str]

    @property
    def names(self) -> Sequence[str]:
        """Of all columns, in their order."""

    @property
    def rows(self) -> int:
        """How many there are."""

    @property
    def kinds(self) -> Mapping[str, ColumnKind]:
        """Of each column, by name; "number" for whole numbers, too."""

    def values(self, name: str, step: int = 1) -> ColumnValues:
        """A column of all rows, or of every `step`-th."""

    def chunks(self, name: str) -> Iterator[ColumnValues]:
        """The column, a batch of rows at a time."""

    def texts(self, name: str) -> Iterator[Any]:
        """The column as Arrow arrays of text, a batch of rows at a time."""

    def words(self, name: str, most: int) -> list[str | None]:
        """At most so many texts of a column, from all over it."""

    def note_misfits(self, name: str) -> None:
        """Note how many values of a column that was read are not of its kind."""
