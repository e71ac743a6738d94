"""What is odd about a file of events, counted while its rows stream by: repeated events, rows out of order, and
accounts with an outlandish share, such as bots."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daemon.reading.quality import RowHashes
from drift.notation import agreed, counted
from retrain.recommendation.activity import outlandish_from
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings

LISTED = 5
SHOWN = 60
"""Characters of an account's name."""


@dataclass
class EventQuality:
    """Counts of the events of a file."""

    schema: Schema
    user: str
    hashes: RowHashes = field(default_factory=RowHashes)
    accounts: Counter[str] = field(default_factory=Counter)
    late: int = 0
    in_ms: int = 0
    newest: int | None = None

    @classmethod
    def of(cls, schema: Schema, settings: ModelSettings) -> "EventQuality | None":
        """None where the rows are no events."""
        user = settings.user_column
        return cls(schema, user) if schema.task == "recommendation" and user is not None else None

    @property
    def ids(self) -> dict[str, str]:
        """By the name of each column of ids, the setting that names it."""
        return {self.user: "user_column", self.schema.target: "item_column"}

    def add(self, table: pa.Table) -> None:
        """Count the good rows of a batch; at least one."""
        names = (self.user, self.schema.target, self.schema.time_column)
        columns = [_whole(table.column(name)) for name in names]
        self.hashes.add(columns, table.num_rows)
        for entry in pc.value_counts(columns[0]).to_pylist():
            self.accounts[entry["values"]] += entry["counts"]
        micros = np.asarray(pc.cast(columns[2], pa.int64()).to_numpy())
        before = np.maximum.accumulate(micros if self.newest is None else np.r_[self.newest, micros])
        after = micros[1:] if self.newest is None else micros
        self.late += int(np.count_nonzero(after < before[:-1]))
        self.newest = int(before[-1])

    def to_json(self) -> dict[str, Any]:
        """Repeated events, late rows, accounts that stand out, by their names."""
        total = self.accounts.total()
        odd = {"repeated_events": self.hashes.duplicates(), "late_rows": self.late, "accounts": len(self.accounts)}
        crowded = {
            name[:SHOWN]: {"events": count, "share": round(count / total, 4)}
            for name, count in outlandish(self.accounts).items()
        }
        return odd | ({"outlandish_accounts": crowded} if crowded else {})

    def notes(self) -> list[str]:
        """The same in sentences, one for each that is odd."""
        found, when = self.to_json(), self.schema.time_column
        told = []
        if self.in_ms:
            told.append(f"{when}: {counted(self.in_ms, 'number')} too large for seconds, taken as milliseconds or less")
        if again := found["repeated_events"]:
            told.append(
                f"{counted(again, 'event')} {agreed(again, 'were')} there before (same user, item, time) and count once"
            )
        if self.late:
            told.append(f"{counted(self.late, 'row')} out of order: event time decides")
        for name, one in found.get("outlandish_accounts", {}).items():
            told.append(
                f"account {name!r} has {one['share']:.0%} of the events, as a bot or a shared account would; each user "
                "counts once an item"
            )
        return told


def outlandish(accounts: Counter[str]) -> dict[str, int]:
    """The accounts that stand out, at most LISTED, the busiest first, with their events."""
    least = outlandish_from(np.fromiter(accounts.values(), np.int64, len(accounts)))
    return {name: count for name, count in accounts.most_common(LISTED) if count >= least}


def _whole(column: Any) -> Any:
    whole = column.combine_chunks()
    return whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
