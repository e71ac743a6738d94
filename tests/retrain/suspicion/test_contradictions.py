"""Labels that change labels already given are doubted beyond the usual rate of changes, however they come; new labels are
not, whatever they say."""

from dataclasses import replace

import numpy as np
import pytest

from retrain.suspicion.contradictions import Told, are_exchanged, changes, contradiction, without_provisional

SETTLED = np.zeros(200, dtype=bool)
LABELS = np.array(["no"] * 150 + ["yes"] * 50, dtype=object)


def pool(before=(), now=(), first=LABELS, unsettled=False):
    """A pool of rows in which the labels of so many, by place, are others `before`, and also with the new file."""
    values = [first.copy() for _ in range(3)]
    for labels, places in ((values[1], before), (values[2], (*before, *now))):
        for place in places:
            labels[place] = "no" if labels[place] == "yes" else "yes"
    return Told(*values, np.full(len(first), unsettled))


def judged(pools, others=(), negative=None, target="y"):
    pools = without_provisional(pools, negative)
    return contradiction([*map(changes, pools)], [*map(changes, others)], target, are_exchanged(pools))


def doubted(pools, others=(), negative=None):
    return judged(pools, others, negative) is not None


def provisional(now=()):
    """Every fifth "no" became "yes"."""
    return pool(range(0, 150, 5), now)


def test_inverted_labels_are_doubted_and_counted():
    """The reason has the numbers, by class where that says most."""
    doubt = judged([pool(now=range(200))], [pool()] * 6, target="churned").doubt
    assert doubt.numbers == {"given": 200, "before": 0, "now": 200, "usual": 0.0}
    assert "contradicts labels already given" in doubt.reason and "churned" in doubt.reason


@pytest.mark.parametrize("changed", [0, 8, 12])
def test_a_few_corrections_are_none(changed):
    """Six of a hundred labels are corrected at once, where hitherto none were."""
    assert not doubted([pool(now=range(changed))], [pool()] * 6)


def test_what_is_usual_is_not_doubted():
    """Where every fifth "no" becomes "yes" in time, the next file's may; all of them may not, nor a "yes" become "no"."""
    before = [provisional()] * 6
    assert not doubted([pool(now=range(0, 150, 5))], before)
    assert doubted([pool(now=range(150))], before)
    assert doubted([pool(now=range(150, 200))], before)


@pytest.mark.parametrize("negative", [None, "no"])
def test_before_maturity_labels_may_leave_one_class(negative):
    """Half of the "no" become "yes" while rows are too young to be believed: that is what is waited for. That "yes" become
    "no" as well is not."""
    leaving = range(0, 150, 2)
    assert not doubted([pool(now=leaving, unsettled=True)], [pool()] * 6, negative)
    assert doubted([pool(now=leaving)], [pool()] * 6, negative)
    assert doubted([pool(now=range(200), unsettled=True)], [pool()] * 6, negative)
    other = doubted([pool(now=range(150, 200), unsettled=True)], [pool()] * 6, negative)
    assert other == (negative is not None)


def test_many_small_changes_of_one_file_are_one():
    """Eight labels a request: what counts is how many changed since they were first given."""
    requests = [doubted([pool(range(8 * k), range(8 * k, 8 * k + 8))], [pool()] * 6) for k in range(5)]
    assert requests == [False, False, True, True, True]


def test_a_rare_class_that_is_denied_in_every_file_is_seen_in_all_together():
    """Three of three "yes" a file: no file alone has enough to tell."""
    first = np.array(["no"] * 197 + ["yes"] * 3, dtype=object)
    others = [pool(range(197, 200), first=first)] * 6 + [pool(first=first)] * 6
    assert doubted([pool((), range(197, 200), first=first)], others)
    assert not doubted([pool((), range(197, 200), first=first)], [pool(first=first)] * 12)


def test_a_tenth_of_each_file_is_seen_in_a_few_together():
    """In one file chance could do that."""
    tenth = range(0, 200, 10)
    told = [doubted([pool((), tenth)], [pool()] * 8 + [pool(tenth)] * before) for before in (0, 5)]
    assert told == [False, True]


def test_what_takes_changes_back_is_not_doubted():
    """Labels that become again what they were first contradict nothing."""
    told = pool(range(100))
    assert not doubted([replace(told, now=told.first)], [pool()] * 6)


@pytest.mark.parametrize(("change", "expected"), [(0.001, False), (5.0, True)])
def test_numbers_are_other_ones_beyond_a_tenth_of_their_spread(change, expected):
    """A rounding corrects, another amount contradicts."""
    first = np.random.default_rng(0).normal(100, 10, 200)
    assert doubted([Told(first, first, first + change, SETTLED)], [Told(first, first, first, SETTLED)] * 6) == expected


def test_labels_that_are_exchanged_agree_with_nobody():
    """Labels that leave one class may become usual, a half of each class that became the other may not; nor numbers
    that have nothing to do with those before."""
    assert judged([pool(now=range(0, 150, 2))], [pool()] * 6).leaves == "no"
    assert judged([pool(now=range(0, 200, 2))], [pool()] * 6).leaves is None
    few = [pool(now=[0])] * 20
    assert judged([pool(now=range(0, 200, 2)), *few], [pool()] * 6).leaves is None
    first = np.random.default_rng(0).normal(100, 10, 200)
    untouched = [Told(first, first, first, SETTLED)] * 6
    assert judged([Told(first, first, first * 1.1, SETTLED)], untouched).leaves == ""
    assert judged([Told(first, first, 200 - first, SETTLED)], untouched).leaves is None
    moved = [Told(first, first, first * 1.1, SETTLED)] * 20
    assert judged([Told(first, first, 200 - first, SETTLED), *moved], untouched).leaves is None
