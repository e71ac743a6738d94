"""Figures of groups are of the largest ones, however many names a window has."""

from retrain.monitoring.groups.figures import MOST_SHOWN, Figures, column_figures, disparities, trails
from retrain.records.groups import FileGroups, GroupCounts

FIGURES = Figures(positive="yes", least=1, level=0.01, most=0.1)


def file(seq: int, names: range) -> FileGroups:
    """Of groups with the more rows, the smaller their number is; a third was answered "yes"."""
    groups = tuple(
        GroupCounts(column="g", group=f"{name:03d}", rows=3000 - 3 * name, selected=1000 - name, score=0.8, se=0.1,
                    scored_rows=9)
        for name in names
    )  # fmt: skip
    return FileGroups(seq=seq, check=seq, own="o", key="k", groups=groups)


def test_names_that_change_from_file_to_file_are_not_all_compared() -> None:
    """Of two hundred groups in four files the fifty largest are compared, and the same are shown with their scores: the
    work of a file has a bound."""
    window = [file(seq, range(50 * seq, 50 * seq + 50)) for seq in range(4)]
    found = disparities(window, ["g"], FIGURES)
    assert [one.compared for one in found] == [MOST_SHOWN]
    column = column_figures(trails(window), window, "g", FIGURES, {}, found)
    assert [one.group for one in column.groups] == [f"{name:03d}" for name in range(50)] and column.left_out == 150
    assert all(one.trail == ((0, 0.8, 0.1),) for one in column.groups)
