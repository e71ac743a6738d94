"""The dashboard and the alert rules ask for the metrics that there are, and for all of them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daemon.config.metrics import BY_NAME

CONTRIB = Path(__file__).parents[2] / "contrib"
DASHBOARD = json.loads((CONTRIB / "grafana" / "driftd.json").read_text("utf-8"))
RULES = (CONTRIB / "prometheus" / "driftd.rules.yml").read_text("utf-8")
NAME = re.compile(r"\bdriftd_[a-z_]+")


def panels() -> list[dict[str, Any]]:
    """Those that draw something."""
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def queries() -> Iterator[str]:
    """All of the dashboard: of panels, variables and annotations."""
    yield from (target["expr"] for panel in panels() for target in panel["targets"])
    yield from (one["definition"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query")
    yield from (one["expr"] for one in DASHBOARD["annotations"]["list"])


def asked(text: str) -> set[tuple[str, str]]:
    """The metrics that an expression names, each with the ending of a histogram's series."""
    found = NAME.findall(text)
    return {(name, "") if name in BY_NAME else tuple(name.rpartition("_")[::2]) for name in found}


def expressions() -> list[str]:
    """Those of the alert rules."""
    return re.findall(r"expr: (?:\|\n)?((?:.|\n)*?)\n        (?:for|labels):", RULES)


def test_dashboard_and_rules_name_metrics_that_are_declared():
    """And of a histogram its buckets."""
    assert len(expressions()) == RULES.count("- alert: ")
    for text in [*queries(), *expressions()]:
        for name, ending in asked(text):
            assert name in BY_NAME, text
            assert ending == ("bucket" if BY_NAME[name].kind == "histogram" else ""), text


def test_every_metric_is_on_the_dashboard():
    """None is told that nobody sees."""
    assert {name for text in queries() for name, _ in asked(text)} == set(BY_NAME)


def test_labels_in_queries_are_those_of_their_metrics():
    """A misspelt label would select nothing for ever."""
    for text in [*queries(), *expressions()]:
        for name, selector in re.findall(r"\b(driftd_[a-z_]+?)(?:_bucket)?\{([^}]*)\}", text):
            labels = set(re.findall(r"(\w+)(?:=~|=|!=|!~)", selector))
            assert labels <= {*BY_NAME[name].labels, "instance", "job"}, text


def test_panels_have_titles_queries_and_places_that_do_not_overlap():
    """And ids of their own."""
    cells = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        of_panel = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert panel["title"] and not cells & of_panel and max(x for x, _ in of_panel) < 24, panel["title"]
        cells |= of_panel
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(
        target["refId"] and target["legendFormat"] is not None for panel in panels() for target in panel["targets"]
    )
