"""A report within a page of somebody else leaves that page alone."""

import re
from html.parser import HTMLParser

from drift.comparison.compare import compare
from drift.report.style import STYLE, scoped

BEFORE, NOW = (
    {"x": [1.0, 2.0, 3.0] * 100, "<b>&": [4.0, 5.0] * 150},
    {"x": [2.0, 3.0, 4.0] * 100, "<b>&": [7.0, 5.0] * 150},
)


class Tags(HTMLParser):
    """What a piece of HTML has: elements, ids, links, attributes that run something, and whether all are closed."""

    VOID = ("meta", "br", "path", "line", "rect", "circle", "polyline", "img", "link", "input", "hr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def selectors(style: str) -> list[str]:
    """Of each rule, those within conditions too."""
    plain = re.sub(r"@media[^{]*\{", "", style)
    return [one.strip() for rule in re.findall(r"([^{}]+)\{[^{}]*\}", plain) for one in rule.split(",")]


def test_every_rule_is_of_the_report_alone():
    """No rule reaches the notebook's own elements, none of the page's is lost but those for paper, and variables are of
    the report's element."""
    style = scoped(STYLE, ".driftd")
    found = selectors(style)
    assert found and all(one == ".driftd" or one.startswith(".driftd ") for one in found), found
    on_screen = STYLE.partition("@media print")[0]
    assert len(found) == len(selectors(on_screen)) and "@page" not in style and ":root" not in style
    assert style.count("{") == style.count("}")


def test_the_report_of_a_notebook_is_one_closed_element_without_script():
    """No document, script, frame, handler or address elsewhere; names of columns are text."""
    html = compare(BEFORE, NOW)._repr_html_()
    tags = Tags(html)
    assert tags.open == [] and tags.names[0] == "div"
    assert not {"html", "head", "body", "script", "iframe", "object", "link", "meta", "base", "form", "b"} & set(
        tags.names
    )
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    assert all(value.startswith("#") for name, value in tags.attributes if name in ("href", "src") and value)
    assert "&lt;b&gt;&amp;" in html


def test_two_reports_of_one_notebook_do_not_share_names():
    """Links of one lead within it, and each names its own parts."""
    one, other = (
        Tags(compare(BEFORE, now)._repr_html_()) for now in (NOW, {name: rows[:200] for name, rows in NOW.items()})
    )
    ids = [{value for name, value in tags.attributes if name == "id"} for tags in (one, other)]
    assert ids[0] and ids[1] and not ids[0] & ids[1]
    links = {value.removeprefix("#") for name, value in one.attributes if name == "href" and value}
    assert links and links <= ids[0]
