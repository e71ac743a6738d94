"""How much memory the rows of a window take, and how many rows a training may hold."""

from collections.abc import Sequence

import pyarrow as pa

from retrain.operations import AcceptedFile
from retrain.rows.columns import open_snapshot

PROBED_ROWS = 1_000
FEWEST_ROWS = 1_000
"""So many rows are drawn of a large window, however few bytes a training may hold."""


def row_bytes(files: Sequence[AcceptedFile]) -> float:
    """About the bytes that a row takes in memory, by the first rows of the oldest, the middle and the newest file with
    rows, whose are widest; 0 without any."""
    found = [file for file in files if file.kind == "rows" and file.rows]
    probed = {at: found[at] for at in (0, len(found) // 2, len(found) - 1)} if found else {}
    return max(map(_bytes_of, probed.values()), default=0.0)


def _bytes_of(file: AcceptedFile) -> float:
    with open_snapshot(file.snapshot) as opened:
        batch = next(iter(opened.iter_batches(batch_size=PROBED_ROWS)), None)
    return 0.0 if batch is None or not batch.num_rows else pa.Table.from_batches([batch]).nbytes / batch.num_rows


def is_large(files: Sequence[AcceptedFile], most_bytes: int) -> bool:
    """Whether the rows of all files may take more memory than so many bytes."""
    return sum(file.rows for file in files if file.kind == "rows") * row_bytes(files) > most_bytes


def rows_within(most_bytes: int, bytes_a_row: float) -> int:
    """How many rows of so many bytes each may be held."""
    return max(FEWEST_ROWS, int(most_bytes / max(bytes_a_row, 1.0)))
