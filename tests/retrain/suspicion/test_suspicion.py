"""Files that look like poison are doubted, with a reason for people; ordinary drift is not."""

import numpy as np
import pytest

from retrain.planning.release import persistent
from retrain.suspicion import Columns, Rows, doubts

KINDS = ("duplicated_rows", "unit_bug", "label_noise", "leaked_target")
COLUMNS = Columns(("score", "temperature", "wait", "hour", "colour"), (*(False,) * 4, True), "answer", 2)
NUMBERS = Columns(COLUMNS.names, COLUMNS.categorical, "answer", 0)


def batch(seed, n=600, shift=0.0, turn=False, numbers=False):
    """A file that was predicted by the true concept; `turn` gives the labels another concept."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([
        rng.normal(shift, 1, n), rng.normal(20, 5, n), rng.exponential(3, n), rng.integers(0, 24, n),
        rng.integers(0, 5, n),
    ]).astype(float)  # fmt: skip
    known = X[:, 0] + (X[:, 1] - 20) / 5
    signal = (X[:, 2] - 2 - X[:, 0]) if turn else known
    noisy = signal + rng.normal(0, 0.5, n)
    y = noisy if numbers else (noisy > 0).astype(float)
    chance = 1 / (1 + np.exp(-2 * known))
    scores = known[:, None] if numbers else np.column_stack([1 - chance, chance])
    return Rows(f"{seed}.csv", X, y, scores)


def recent(numbers=False):
    return [batch(seed, numbers=numbers) for seed in range(6)]


def changed(file, column=None, change=None, y=None):
    X = file.X.copy()
    if column is not None:
        X[:, column] = change(X[:, column])
    return Rows("new.csv", X, file.y if y is None else y, file.scores)


def kinds(file, before=None, columns=COLUMNS):
    return {doubt.kind for doubt in doubts(file, before or recent(), columns, KINDS)}


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_repeated_day_is_doubted_and_the_file_it_repeats_is_named(share):
    """Rows of a recent file, in any order, among new ones."""
    old, new = batch(3), batch(50)
    n = int(share * 600)
    order = np.random.default_rng(0).permutation(600)
    X, y = np.vstack([old.X[:n], new.X[n:]])[order], np.append(old.y[:n], new.y[n:])[order]
    (doubt,) = doubts(Rows("new.csv", X, y), recent(), COLUMNS, KINDS)
    assert doubt.kind == "duplicated_rows" and "3.csv" in doubt.reason
    assert doubt.numbers["share"] == pytest.approx(share, abs=0.01)


def test_categories_and_integers_repeat_legitimately():
    """Where recent files share most rows by chance, so may a new one."""
    columns = Columns(("hour", "colour"), (False, True), "answer", 2)
    files = [Rows(f.name, f.X[:, 3:], f.y, f.scores) for f in (*recent(), batch(50))]
    assert doubts(files[-1], files[:-1], columns, KINDS) == ()


@pytest.mark.parametrize(
    ("column", "change", "told"),
    [
        (1, lambda x: 1000 * x, "kilo"),
        (1, lambda x: 2.54 * x, "inches"),
        (2, lambda x: x / 60, "minutes"),
        (1, lambda x: 1.8 * x + 32, "°F"),
        (1, lambda x: -x, "sign"),
        (0, lambda x: -x, "sign"),
        (2, lambda x: x + 50, "shifted"),
        (0, lambda x: np.full_like(x, 7.0), "stuck at 7"),
        (0, lambda x: np.full_like(x, np.nan), "missing"),
    ],
)
def test_one_column_in_other_units_is_doubted_and_named(column, change, told):
    """The sentence says which column and what became of it."""
    (doubt,) = doubts(changed(batch(50), column, change), recent(), COLUMNS, KINDS)
    assert doubt.kind == "unit_bug" and doubt.numbers["column"] == COLUMNS.names[column]
    assert told in doubt.reason


def test_swapped_columns_are_doubted():
    """Two columns that exchanged their places."""
    file = batch(50)
    swapped = Rows("new.csv", file.X[:, [1, 0, 2, 3, 4]], file.y, file.scores)
    assert kinds(swapped) == {"unit_bug"}


@pytest.mark.parametrize("shift", [0.5, 1.0, 2.0])
def test_a_moderate_shift_is_drift_and_not_doubted(shift):
    """Up to two standard deviations at once."""
    assert kinds(batch(50, shift=shift)) == set()


def test_a_trend_is_not_doubted_however_far_it_goes():
    """Each file a standard deviation beyond the one before."""
    assert kinds(batch(50, shift=6.0), [batch(k, shift=float(k)) for k in range(6)]) == set()


def test_many_columns_that_jump_together_are_the_world():
    """A unit bug has one column or few; all at once is a change of regime."""
    file = batch(50)
    assert kinds(Rows("new.csv", 3 * file.X + 40, file.y, file.scores)) & {"unit_bug"} == set()


def test_a_third_of_flipped_labels_is_noise():
    """Neither the served model nor one made of the file explains them."""
    file, rng = batch(50), np.random.default_rng(1)
    assert kinds(changed(file, y=np.where(rng.random(600) < 0.3, 1 - file.y, file.y))) == {"label_noise"}


def test_a_new_concept_is_learnable_and_not_noise():
    """All at once, and in the middle of the file."""
    before, after = batch(50), batch(51, turn=True)
    halves = Rows(
        "new.csv", *(np.concatenate([getattr(before, k)[:300], getattr(after, k)[300:]]) for k in ("X", "y", "scores"))
    )
    assert kinds(after) == kinds(halves) == set()


@pytest.mark.parametrize("spoil", [lambda y: np.random.default_rng(1).permutation(y), lambda y: 100 * y])
def test_shuffled_and_rescaled_numbers_are_noise(spoil):
    """Of a regression's target."""
    file = batch(50, numbers=True)
    assert kinds(changed(file, y=spoil(file.y)), recent(True), NUMBERS) == {"label_noise"}


@pytest.mark.parametrize("numbers", [False, True])
def test_a_leaked_target_is_doubted(numbers):
    """A feature that tells the target almost perfectly, where none did before."""
    file = batch(50, numbers=numbers)
    leaked = changed(file, 2, lambda x: 3 + file.y + np.random.default_rng(1).normal(0, 0.01, len(x)))
    assert "leaked_target" in kinds(leaked, recent(numbers), NUMBERS if numbers else COLUMNS)


def test_clean_files_are_not_doubted():
    """Forty in a row."""
    assert [seed for seed in range(100, 140) if kinds(batch(seed))] == []


def test_labels_may_be_missing():
    """A file without labels can still be in other units, and raises no doubt about labels."""
    file = batch(50)
    bare = Rows("new.csv", file.X, np.full(600, np.nan), file.scores)
    assert kinds(bare) == set()
    assert kinds(changed(bare, 1, lambda x: 1000 * x)) == {"unit_bug"}


def test_a_dry_week_is_not_a_stuck_gauge():
    """A column that is mostly zero may be zero throughout."""
    rain = [np.where(np.random.default_rng(k).random(600) < 0.2, f.X[:, 2], 0) for k, f in enumerate(recent())]
    before = [changed(f, 2, lambda x, r=r: r) for f, r in zip(recent(), rain, strict=True)]
    assert kinds(changed(batch(50), 2, np.zeros_like), before) == set()


def test_a_column_without_values_and_noisy_labels_are_judged():
    """Two poisons at once."""
    file, rng = batch(50), np.random.default_rng(1)
    flipped = np.where(rng.random(600) < 0.3, 1 - file.y, file.y)
    assert kinds(changed(file, 2, lambda x: np.full_like(x, np.nan), flipped)) == {"unit_bug", "label_noise"}


def test_two_recent_files_cannot_tell_what_is_usual():
    """A new model's second and third file raise no doubt."""
    assert kinds(changed(batch(50), 1, lambda x: 1000 * x), recent()[:2]) == set()


def test_a_doubt_that_persists_is_a_new_normal():
    """Only the same kind, and only in so many files without a gap."""
    assert persistent([["unit_bug"]] * 2, 3) == set()
    assert persistent([["unit_bug"]] * 3, 3) == {"unit_bug"}
    assert persistent([["unit_bug"], [], ["unit_bug"]], 3) == set()
    assert persistent([["label_noise"], ["unit_bug"], ["unit_bug"]], 3) == set()
