"""A group is judged by its own earlier scores, at a level that all groups share."""

from dataclasses import replace

import pytest

from retrain.monitoring.groups.judging import DropTest, Series, judged
from retrain.records.groups import GroupCounts

LEVEL = DropTest(sign=1.0, level=0.005, min_drop=0.02)


def scores(values: dict[str, float | None], se: float = 0.02) -> list[GroupCounts]:
    """Of each group a score on 400 rows, or none yet; and all rows, which are no group."""
    named = [("", "", 0.1), *(("g", group, value) for group, value in values.items())]
    return [
        GroupCounts(column=column, group=group, rows=400, settled=400, score=value, se=value and se, scored_rows=400)
        for column, group, value in named
    ]


def after(files: list[dict[str, float | None]], test: DropTest = LEVEL) -> list[list[str]]:
    """Which groups are degraded after each file."""
    series, found = Series(), []
    for seq, values in enumerate(files):
        marked, degraded = judged(series, seq, scores(values), test)
        series.add(seq, marked, degraded)
        found.append([one.group for one in degraded])
    return found


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_worse_is_what_the_metric_says(sign: float) -> None:
    """Less of a metric of which more is better, more of an error; the other direction is no trouble."""
    steady = [{"a": 0.5, "b": 0.5}] * 6
    assert after([*steady, {"a": 0.5 - 0.2 * sign, "b": 0.5}], replace(LEVEL, sign=sign))[-1] == ["a"]
    assert after([*steady, {"a": 0.5 + 0.2 * sign, "b": 0.5}], replace(LEVEL, sign=sign))[-1] == []


def test_more_groups_must_show_more() -> None:
    """What two groups tell at once, fifty do not: they share the chance of a false alarm. Small drops never count."""
    few = {"a": 0.8, "b": 0.8}
    many = {"a": 0.8, **{f"b{place}": 0.8 for place in range(49)}}
    for groups, told in ((few, ["a"]), (many, [])):
        assert after([*[groups] * 6, {**groups, "a": 0.7}])[-1] == told
    assert after([*[few] * 6, {**few, "a": 0.7}], replace(LEVEL, min_drop=0.2))[-1] == []


def test_an_episode_lasts_until_its_scores_are_as_before() -> None:
    """While it lasts its scores are no reference: eight bad files later it is still there, and files without a score
    change nothing; after it the next drop is told again, by the reference of before."""
    good, bad, none = {"a": 0.8}, {"a": 0.6}, {"a": None}
    found = after([*[good] * 6, *[bad] * 9, none, *[good] * 4, none, *[bad] * 2])
    assert found[:6] == [[]] * 6 and found[6:16] == [["a"]] * 10
    assert found[16:20] == [["a"], [], [], []]
    assert found[20:] == [[], ["a"], ["a"]]
