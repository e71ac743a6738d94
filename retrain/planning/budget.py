"""How much data a file is, as the budget of retrains counts it: what is earned goes by what came, not by what was
judged, so that labels that come late earn nothing twice and delay nothing. Pure."""

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
