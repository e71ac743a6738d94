"""Charts survive every series, keep their promises to readers, and escape their labels."""

import pytest
from page_parser import HOSTILE, Page

from drift.report.charts import Line, Mark, effect, lines, sparkline


def _drawn(values: list[float | None], lanes: dict[str, list[Mark]] | None = None) -> str:
    return str(lines("scores by batch", "scores", [Line("a", values, "main")], lanes or {}, 1, "batch"))


def test_a_gap_is_left_where_a_value_is_missing() -> None:
    """The line ends and begins anew; the table says "-"."""
    text = _drawn([None, 0.5, 0.6, None, 0.7, 0.8])
    path = text[text.index('class="line main" d="M1.5') :].split('"')[3]
    assert path.count("M") == 2 and path.count("L") == 2
    assert text.count('<td class="num">-</td>') == 2


@pytest.mark.parametrize("values", [[], [None, None], [0.5]])
def test_nothing_is_drawn_of_too_little(values: list[float | None]) -> None:
    """No axes around nothing."""
    assert _drawn(values) == ""


@pytest.mark.parametrize("values", [[0.5, 0.5], [0.0, 0.0], [-1e300, 1e300], [1e-300, 2e-300]])
def test_level_and_extreme_series_have_axes(values: list[float | None]) -> None:
    """Neither a division by zero nor a number that is none."""
    text = _drawn(values)
    assert '<svg role="img"' in text and "nan" not in text and "inf" not in text


def test_marks_stand_in_lanes_with_their_reasons() -> None:
    """Each lane is named, each mark tells why, and a promotion leads through the plot."""
    lanes = {"retrained": [Mark(1.5, "promoted", f"why {HOSTILE}")], HOSTILE: [Mark(0, "held", "held")]}
    page = Page(text := _drawn([0.1, 0.2, 0.3, 0.4], lanes))
    assert not page.open and not page.all("script") and not page.all("img")
    assert f"why {HOSTILE}" in page.text and text.count('class="guide"') == 1
    assert [svg["x"] for svg in page.all("svg") if "x" in svg] == ["50.000%", "12.500%"]


def test_small_charts_are_described_or_hidden() -> None:
    """A sparkline has a title; a bar whose number stands beside it is decoration."""
    assert "<title>&lt;b&gt;</title>" in sparkline("<b>", [0.1, None, 0.3], 0.0, 1.0)
    assert "aria-hidden" in effect(0.4, 0.05) and "M5 0v100" in effect(0.4, 0.05)
