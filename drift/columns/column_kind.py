"""What a column may be."""

from typing import Literal

ColumnKind = Literal["number", "integer", "boolean", "category", "datetime", "text"]
