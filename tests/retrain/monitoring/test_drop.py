"""A drop is told by files: often enough where it was planted, and seldom where files only differ."""

import numpy as np

from retrain.monitoring.drop import Drop, Evaluated, Score, judge_drop

LEVEL, MIN_DROP = 0.005, 0.02
SE, ROWS = 0.016, 1000


def scores(values: np.ndarray, se: float = SE, blocks: float = 1.0) -> list[Score]:
    """Files of 1,000 rows with these values."""
    return [Score(float(value), se, ROWS, blocks) for value in values]


def judged(values: np.ndarray, evaluated: Evaluated | None = None, blocks: float = 1.0, sign: float = 1.0) -> Drop:
    """What the newest file comes to."""
    return judge_drop(scores(values, blocks=blocks), evaluated, sign, LEVEL, MIN_DROP)


def evaluated(rng: np.random.Generator, between: float = 0.0, files: int = 6) -> Evaluated:
    """An evaluation at .7 on 400 rows, files out of fold that differ by `between`."""
    folds = 0.7 + np.hypot(between, SE) * rng.normal(size=files)
    return Evaluated(Score(0.71, 0.025, 400), 0.2, tuple(scores(folds)))


def alarms(rng: np.random.Generator, between: float, lives: int) -> float:
    """The share of files with a false alarm, in lives of 20 files that differ by `between` beside chance."""
    found = 0
    for _ in range(lives):
        known, values = evaluated(rng, between), 0.7 + np.hypot(between, SE) * rng.normal(size=20)
        found += sum(judged(values[:last], known).dropped for last in range(1, 21))
    return found / lives / 20


def test_false_alarms_stay_below_one_in_a_hundred_files() -> None:
    """Where files differ by chance alone, and where they differ by twice as much as their rows say."""
    rng = np.random.default_rng(1)
    assert alarms(rng, 0.0, 60) <= 0.01
    assert alarms(rng, 2 * SE, 60) <= 0.01


def test_a_planted_drop_is_found_within_three_files() -> None:
    """Eight hundredths of ROC AUC after six steady files of 1,000 rows: found nine times in ten."""
    rng, found = np.random.default_rng(2), 0
    for _ in range(100):
        values = 0.695 + SE * rng.normal(size=9)
        values[6:] -= 0.083
        known = evaluated(rng)
        found += any(judged(values[:last], known).dropped for last in (7, 8, 9))
    assert found >= 90


def test_what_depends_within_files_is_less_sure() -> None:
    """The same values show a drop where rows are independent and none where blocks vary ten times as much."""
    values = np.array([0.7, 0.71, 0.69, 0.7, 0.705, 0.62])
    assert judged(values).dropped and not judged(values, blocks=10.0).dropped


def test_a_rise_is_no_drop() -> None:
    """Whatever the direction of the metric, what got better has a drop of 0; and what got worse a positive one."""
    values = np.array([0.7, 0.71, 0.69, 0.7, 0.705, 0.9])
    better, worse = judged(values), judged(values, sign=-1.0)
    assert not better.dropped and better.drop == 0.0
    assert worse.dropped and worse.drop is not None and worse.drop > 0.15


def test_a_file_that_holds_is_no_drop_whatever_came_before_it() -> None:
    """Two bad files, then one as good as ever: the newest three are worse together, and nothing is told."""
    values = np.array([0.7, 0.71, 0.69, 0.7, 0.705, 0.7, 0.6, 0.6, 0.7])
    assert judged(values[:-1]).dropped and not judged(values).dropped


def test_the_first_file_is_compared_with_the_evaluation_alone() -> None:
    """A model that answers at random what it knew on held-out rows is found at once; one that is somewhat worse after
    them than among them is not; and without an evaluation nothing can be told."""
    known = Evaluated(Score(0.95, 0.01, 400), 0.45)
    assert judged(np.array([0.5]), known).dropped
    assert not judged(np.array([0.88]), known).dropped
    alone = judged(np.array([0.5]))
    assert not alone.dropped and alone.drop is None and "nothing before it" in alone.reason


def test_files_without_any_error_are_judged() -> None:
    """Scores whose standard error is 0 divide nothing by 0."""
    perfect = [Score(1.0, 0.0, 1000)] * 5
    assert not judge_drop(perfect, None, 1.0, LEVEL, MIN_DROP).dropped
    assert judge_drop([*perfect, Score(0.9, 0.01, 1000)], None, 1.0, LEVEL, MIN_DROP).dropped
