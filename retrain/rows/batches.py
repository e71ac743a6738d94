"""How much data a file is, as the budget of retrains counts it, and windows that look back over so much: what is earned
goes by what came, not by what was judged, so that labels that come late earn nothing twice and delay nothing. Pure."""

from collections.abc import Sequence

FEWEST_ROWS, MANY_ROWS = 200, 1_000
"""A file of so many rows is one batch."""
MOST_BATCHES = 3.0
"""That one file counts as."""


def batches_of(rows: int) -> float:
    """A file of 200 to 1,000 rows is one batch, a shorter one the part that it is of 200 rows, a longer one as many as
    it has thousands of rows, three at most: an hour earns less than a day, and a month more.

    >>> batches_of(8), batches_of(200), batches_of(900), batches_of(2500), batches_of(10**6)
    (0.04, 1.0, 1.0, 2.5, 3.0)
    """
    if rows < FEWEST_ROWS:
        return rows / FEWEST_ROWS
    return min(max(1.0, rows / MANY_ROWS), MOST_BATCHES)


def in_window(rows: int) -> float:
    """What a file, or small ones together, count as in a window: one batch at least.

    >>> in_window(8), in_window(2500)
    (1.0, 2.5)
    """
    return max(1.0, batches_of(rows))


def newest_of(rows: Sequence[int], batches: int) -> int:
    """How many of the newest files make so many batches, by the `rows` of each, oldest first: of long ones fewer.

    >>> newest_of([300] * 12, 3), newest_of([300, 300, 2000, 900], 3), newest_of([30_000] * 12, 3), newest_of([300], 3)
    (3, 2, 1, 1)
    """
    made, files = 0.0, 0
    while files < len(rows) and made < batches:
        files += 1
        made += in_window(rows[-files])
    return files
