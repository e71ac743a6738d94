"""What moved is told as people write it: dates as dates, large numbers whole."""

import numpy as np

from drift.check.check_columns import check_columns
from drift.check.words import with_dates
from drift.profiles.reference import build_reference


def test_moments_are_dates_in_sentences_and_everything_else_is_a_number() -> None:
    """Columns that are named as dates, of the same values as one that is not."""
    rng = np.random.default_rng(0)
    january = 1_704_067_200 + rng.integers(0, 86_400 * 30, 2000).astype(float)
    columns = [("when", january), ("seconds", january)]
    reference = build_reference(columns)
    now = [(name, values + 86_400 * 60) for name, values in columns]
    report = check_columns(reference, now, alpha=0.05, dates=["when"])
    when, seconds = (column.sentence for column in report.columns)
    assert ", mean 2024-01-1" in when and "→ 2024-03-1" in when
    assert "mean 1,705," in seconds and "e+" not in seconds
    assert with_dates(report.columns[1]).change.startswith("mean 2024-01-1")
