"""The walk of a bank of trained models, by which schedules and detectors are compared (`make field`)."""

import numpy as np
import pytest

from benchmarks.field.walk import Bank, Walked, every, never, walk

BATCHES, INITIAL, ROWS = 10, 2, 3


@pytest.fixture
def bank() -> Bank:
    """A model scores on a batch, in hundredths, the number of batches that it knows; its rows err by the same."""
    models = BATCHES - INITIAL
    known = np.arange(models, dtype=np.float64)[:, None] + INITIAL
    edges = np.arange(BATCHES + 1, dtype=np.float64) * ROWS
    scores, errors = np.tile(known / 100, BATCHES)[None], np.tile(known, BATCHES * ROWS)[None]
    return Bank(("all",), INITIAL, edges, scores, errors, np.ones((1, models)), "accuracy", True, False)


def _served(walked: Walked) -> list[int]:
    return [round(100 * score) for score in walked.scores]


def test_never_serves_the_first_model(bank: Bank) -> None:
    """Its score on each batch, no retrain and no cost."""
    assert walk(bank, "all", never()) == Walked((), (0.02,) * (BATCHES - INITIAL), 0.0)


def test_a_retrain_knows_the_batch_just_served(bank: Bank) -> None:
    """And serves from the next one on; none follows the last batch."""
    walked = walk(bank, "all", every(3)())
    assert walked.retrains == (4, 7) and _served(walked) == [2, 2, 2, 5, 5, 5, 8, 8] and walked.cpu_seconds == 2.0


def test_late_labels_are_not_known_before_they_are_due(bank: Bank) -> None:
    """A model trained after batch t knows batches up to t less the delay; where that is nothing new it is not trained."""
    walked = walk(bank, "all", every(1)(), delay=3)
    assert walked.retrains == (5, 6, 7, 8) and _served(walked) == [2, 2, 2, 2, 3, 4, 5, 6]


def test_a_rule_sees_the_errors_of_the_model_that_serves_alone(bank: Bank) -> None:
    """Those of a batch that another one answered never come, nor those of a batch whose labels are not there yet."""
    seen: list[tuple[int, int, list[float]]] = []

    def alarm(batch: int, known: int, errors: np.ndarray) -> bool:
        seen.append((batch, known, sorted(set(errors.tolist()))))
        return batch == 5

    walk(bank, "all", alarm, delay=1)
    assert seen == [(2, 2, []), (3, 2, [2.0]), (4, 2, [2.0]), (5, 2, [2.0]), (6, 5, []), (7, 5, [5.0]), (8, 5, [5.0])]
