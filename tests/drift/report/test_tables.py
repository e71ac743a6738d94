"""Tables of pages: what a reader of the screen, or of the text alone, gets."""

from drift.report.page import table


def test_a_column_without_a_name_has_an_empty_cell_above_it() -> None:
    """No heading that says nothing: who hears the page would be told of it for each cell."""
    html = str(table([("column", ""), ("", "num"), ("p", "num")], [("x", 0.5, 0.01)]))
    assert html.count('<th scope="col"') == 2 and '<td class="num"></td>' in html
    assert '<th scope="col"></th>' not in html
