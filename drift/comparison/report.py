"""The report of a comparison: what a notebook shows, and what a program reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from zlib import crc32

import pyarrow as pa

from drift.notation import counted
from drift.report.words import drift_verdict, ranked

Library = Literal["pandas", "polars", "arrow"]


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two frames compared. A notebook shows it as a page; `library` is that of the reference's frame."""

    result: Mapping[str, Any]
    shapes: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    library: Library = "arrow"

    @property
    def drift(self) -> bool:
        """Whether anything drifted."""
        return bool(self.result["drift"])

    @property
    def drifted(self) -> tuple[str, ...]:
        """The columns that drifted, the largest effect first."""
        return tuple(column["name"] for column in ranked(self.result) if column["drift"])

    def to_dict(self) -> dict[str, Any]:
        """The whole report as plain JSON values, in the shape of `driftd compare --json`."""
        return dict(self.result)

    def to_frame(self, library: Library | None = None) -> Any:
        """A row a column, drifted ones first: name, kind, drift, effect, adjusted p-value, each statistic with its
        p-value, and shares of missing values. Of the reference's library, where no other is named; "arrow" is a
        `pyarrow.Table`."""
        rows = [_row(column) for column in ranked(self.result)]
        names = dict.fromkeys(name for row in rows for name in row)
        table = pa.table({name: [row.get(name) for row in rows] for name in names})
        wanted = library or self.library
        if wanted == "pandas":
            return table.to_pandas()
        if wanted == "polars":
            import polars

            return polars.from_arrow(table)
        return table

    def to_html(self) -> str:
        """The report as one HTML file, which needs no network and runs no script."""
        from drift.report.compare import comparison

        return comparison(self.result, self.shapes).html()

    def _repr_html_(self) -> str:
        """Of a notebook: an element with a style of its own, and links that are no other report's."""
        from drift.report.compare import comparison

        anchor = f"driftd-{crc32(repr(sorted(self.result.items())).encode()):08x}-"
        return comparison(self.result, self.shapes, anchor).fragment()

    def __repr__(self) -> str:
        """The verdict, and a sentence on each drifted column."""
        before, now = (self.result[side]["rows"] for side in ("reference", "current"))
        lines = [f"{drift_verdict(self.result)} ({before:,} and {counted(now, 'row')})"]
        lines += [f"  {column['sentence']}" for column in ranked(self.result) if column["drift"]]
        return "\n".join(lines)


def _row(column: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: column[name] for name in ("name", "kind", "drift", "effect", "p_adjusted")}
    for name, test in column["tests"].items():
        row[name] = test["statistic"]
        if "p_value" in test:
            row[f"{name}_p_value"] = test["p_value"]
    row |= {f"missing_{side}": column["missing"][side] for side in ("reference", "current")}
    unseen = column.get("unseen") or {}
    return row | {"unseen": unseen.get("share"), "sentence": column.get("sentence", ""), "reason": column.get("reason")}
