"""The sentences of reports."""

import pytest

from drift.report.words import replay_verdict


@pytest.mark.parametrize(
    ("gain", "told"),
    [
        ((0.0, 0.0, 0.0), ["auc as good as never retraining at each batch, for 0 retrains."]),
        (
            (0.02, -0.01, 0.05),
            [
                "auc 0.0200 better than never retraining, for 0 retrains.",
                "90% interval of the difference: -0.0100 to +0.0500, which holds 0: chance alone may give this.",
            ],
        ),
    ],
)
def test_nothing_gained_is_no_gain_by_chance(gain, told):
    """Where what was served never differed, there is no difference to be sure of."""
    mean, low, high = gain
    never = {"policy_gain": {"mean": mean, "low": low, "high": high}, "mean": 0.7}
    result = {"metric": "auc", "policy": {"retrains": 0}, "baselines": {"never": never}, "recovered": None}
    assert list(replay_verdict(result)) == told
