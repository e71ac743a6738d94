"""When rows happened."""

import numpy as np

from retrain.rows.event_times import time_span

NOW, DAY = 1_700_000_000.0, 86_400.0


def test_a_time_that_lies_ahead_moves_no_clock() -> None:
    """One row of the year 2099 ages nothing; where all lie ahead, they are of now; hours ahead are another clock's."""
    assert time_span(np.array([NOW - 9 * DAY, NOW - DAY, NOW + 9999 * DAY, np.nan]), NOW) == (NOW - 9 * DAY, NOW - DAY)
    assert time_span(np.array([NOW - DAY, NOW + DAY / 4]), NOW) == (NOW - DAY, NOW + DAY / 4)
    assert time_span(np.array([NOW + 9 * DAY]), NOW) == (NOW, NOW)
    assert time_span(np.array([np.nan]), NOW) is None
