"""Earlier versions beside the newest: weights by what they cost on the newest labelled rows."""

import numpy as np
import pytest

from retrain.monitoring.blend_weights import blend_weights


def losses(**means: float) -> dict[str, np.ndarray]:
    """Losses of versions on the same 400 rows, with these means."""
    shared = np.random.default_rng(0).normal(0, 0.3, 400)
    return {name: shared + mean + np.random.default_rng(k).normal(0, 0.1, 400)
            for k, (name, mean) in enumerate(means.items(), 1)}  # fmt: skip


def test_a_version_that_is_clearly_worse_does_not_answer() -> None:
    """Nor one that comes with hardly any rows to judge it by."""
    assert blend_weights(losses(old=0.5, new=0.1), "new", 3) == {"new": 1.0}
    assert blend_weights({"old": np.zeros(2), "new": np.ones(2)}, "new", 3) == {"new": 1.0}
    assert blend_weights({}, "new", 3) == {"new": 1.0}


def test_a_concept_that_returns_brings_its_version_back() -> None:
    """Without training: the old version answers alone where it is clearly better than the newest."""
    assert blend_weights(losses(old=0.1, new=0.5), "new", 3) == {"old": 1.0}


def test_versions_alike_share_the_answer_and_the_newest_counts_twice() -> None:
    """Heaviest first, summing to one, at most so many as may answer."""
    same = np.random.default_rng(0).normal(0.2, 0.3, 400)
    found = blend_weights(dict.fromkeys(("a", "b", "c", "new"), same), "new", 3)
    assert found["new"] == pytest.approx(0.5) and next(iter(found)) == "new" and len(found) == 3
    assert sum(found.values()) == pytest.approx(1.0)
    assert list(found.values()) == sorted(found.values(), reverse=True)
