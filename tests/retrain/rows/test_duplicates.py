"""Rows that were delivered twice are told from rows that only look alike."""

import numpy as np
import pytest

from retrain.rows.duplicates import repeated_rows

N = 4000


def coded(*columns: np.ndarray) -> np.ndarray:
    """Cells as 64 bits."""
    return np.array([np.unique(column, return_inverse=True)[1] for column in columns]).astype(np.uint64)


def made(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Tables as people have them, by name."""
    age, sex, trade = rng.integers(17, 90, N), rng.integers(0, 2, N), rng.choice(12, N, p=rng.dirichlet(np.ones(12)))
    city = rng.integers(0, 60, N)
    stuck = [np.where(np.arange(N) < N // 10, 0.0, rng.normal(size=N)) for _ in range(3)]
    return {
        "coarse": coded(age, sex, trade),
        "dependent": coded(city, 7 * city, sex, trade),
        "numbers": coded(rng.normal(size=N), rng.normal(size=N), sex),
        "stuck": coded(*stuck),
    }


def judged(columns: np.ndarray, repeated: int) -> tuple[int, int]:
    """Rows dropped and kept alike, with so many drawn rows delivered again."""
    drawn = np.random.default_rng(1).choice(N, repeated, replace=False)
    whole = np.concatenate([columns, columns[:, drawn]], axis=1)
    found = repeated_rows(whole, np.arange(whole.shape[1]))
    return int(found.dropped.sum()), found.alike


@pytest.mark.parametrize("name", ["coarse", "dependent"])
def test_chance_explains_coarse_rows(name):
    """None is dropped, also where two columns determine each other."""
    dropped, alike = judged(made(np.random.default_rng(0))[name], 0)
    assert dropped == 0 and alike > N / 4


@pytest.mark.parametrize("repeated", [40, N // 2, N])
def test_repeated_numbers_are_dropped_all(repeated):
    """Few or many: no pair that is almost equal speaks for chance."""
    assert judged(made(np.random.default_rng(0))["numbers"], repeated) == (repeated, 0)


def test_frequent_rows_do_not_hide_repeated_ones():
    """Four hundred equal rows of a stuck sensor, which chance did not make either, and a hundred rows again."""
    dropped, _ = judged(made(np.random.default_rng(0))["stuck"], 100)
    assert dropped == N // 10 - 1 + 100


def test_the_newest_of_equal_rows_stays_and_twins_across_columns_are_none():
    """By its place; cells that change columns make another row."""
    columns = np.array([[1, 2, 1, 9], [2, 1, 2, 9]], dtype=np.uint64)
    assert repeated_rows(columns, np.array([3, 1, 2, 0])).dropped.tolist() == [False, False, True, False]
