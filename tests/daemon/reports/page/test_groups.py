"""A model's view shows its groups: numbers that add up, few rows said so, and names that do nothing."""

import re
from html import unescape
from pathlib import Path

from page_parser import HOSTILE, Page
from page_states import asked, running, seeded
from sqlalchemy import insert

from daemon.ledger import open_ledger
from daemon.ledger.groups import BRIEF
from daemon.ledger.tables import group_summaries
from daemon.reports.groups import groups_json
from daemon.reports.page.groups_html import groups_section
from daemon.reports.page.views import html_of

ESTIMATE = {"value": 0.8, "low": 0.78, "high": 0.82, "rows": 900}
LOW = {"value": 0.61, "low": 0.57, "high": 0.65, "rows": 900}
WORSE = {"column": "region", "group": "north", "value": 0.61, "reference": 0.8, "drop": 0.19}


def group(name: str, score: dict | None, selection: dict | None = None, **more: object) -> dict:
    """A group as the ledger keeps it."""
    trail = [[seq, 0.8 - 0.01 * seq, 0.02] for seq in range(1, 9)] if score else []
    return {"group": name, "rows": 1900, "settled": 900 if score else 12, "score": score, "selection": selection,
            "true_positive": None, "degraded": None, "trail": trail, **more}  # fmt: skip


def summary(name: str = "north") -> dict:
    """Where three groups stand."""
    groups = [group("south", ESTIMATE, {"value": 0.4096, "low": 0.38, "high": 0.44, "rows": 1900}),
              group(name, LOW, {"value": 0.2504, "low": 0.22, "high": 0.28, "rows": 1900}, degraded=WORSE),
              group("east", None)]  # fmt: skip
    apart = {"column": "region", "figure": "selection rate", "high": "south", "low": name, "difference": 0.1592,
             "interval": [0.1, 0.21], "compared": 2, "at_least": 0.09}  # fmt: skip
    return {"era": 1, "version": "v0002", "seq": 8, "files": 8, "metric": "balanced_accuracy", "least": 100,
            "greater_is_better": True, "positive": "yes", "all_rows": group("", ESTIMATE), "degraded": [WORSE],
            "columns": [{"column": "region", "groups": groups, "left_out": 2, "disparities": [apart]}],
            "exceeded": []}  # fmt: skip


def test_a_group_is_shown_with_its_value_its_rows_and_its_state() -> None:
    """Worse than before is said in words; too few rows, too; what is left out is counted; a difference is that of the
    two shares as they are written."""
    section = str(groups_section(groups_json(summary())))
    text = " ".join(unescape(re.sub("<[^>]+>", " ", section)).split())
    for words in (
        "Over the newest 8 files that v0002 answered.",
        "south as before south: 8 scores 0.8000 ± 0.0200 1,900 900 41.0% ± 3.0",
        "north worse than before north: 8 scores 0.6100 ± 0.0400",
        "too few 1,900 12",
        "2 smaller groups are not listed",
        'selection rate of "yes" by region: south 41.0%, north 25.0%, 16.0 points apart (95% interval 10.0 to 21.0)',
    ):
        assert words in text, (words, text)


def test_names_of_groups_do_nothing() -> None:
    """Markup, quotes and marks of direction in a value are text."""
    page = Page(str(groups_section(groups_json(summary(HOSTILE)))))
    assert not page.open and not page.all("script") and not page.all("img") and HOSTILE in page.text


def test_the_overview_says_that_a_group_does_worse(tmp_path: Path) -> None:
    """The model's state, on the overview, its own view and its badge, is no plain "fine"; what waits for a person goes
    before it."""
    for state, word in (("fine", "group worse"), ("held", "2 files are held")):
        (tmp_path / state).mkdir()
        reader = seeded(tmp_path / state, state, days=3)
        ledger = open_ledger(reader.config.state_dir)
        with ledger.begin() as conn:
            brief = {name: summary()[name] for name in BRIEF}
            conn.execute(insert(group_summaries).values(model="flights", brief=brief, found=summary()))
        ledger.close()
        with running(reader.config):
            for path in ((), ("m", "flights"), ("badge", "flights.svg")):
                assert word in Page(html_of(reader, asked(*path)) or "").text, path


def test_nothing_is_shown_where_nothing_is_watched() -> None:
    """A model without `gate.slices`, or before the first file."""
    assert groups_json(None) is None and groups_section(None) == ""
