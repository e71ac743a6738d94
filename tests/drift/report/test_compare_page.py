"""The page of a comparison is one file that holds every column, runs nothing, and survives every name."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from page_parser import HOSTILE, Page

from daemon.tools.compare import compare
from drift.report.compare import compare_page
from drift.statistics.registry import STATISTICS


def _column(name: str, drift: bool = False, kind: str = "numeric", **more: Any) -> dict[str, Any]:
    decisive = {"statistic": 0.21, "p_value": 1e-9}
    column = {
        "name": name,
        "kind": kind,
        "drift": drift,
        "tests": {
            "ks" if kind == "numeric" else "chi_squared": decisive,
            "wasserstein": {"statistic": 1.5, "normalized": None, "error": 0.0, "reason": "the reference is constant"},
        },
        "p_adjusted": 2e-8,
        "effect": 0.21,
        "missing": {"reference": 0.0, "current": 0.105, "p_value": None, "p_adjusted": None, "reason": "none"},
        **more,
    }
    if kind == "categorical":
        values = [HOSTILE, *(f"new{place}" for place in range(30))]
        column["unseen"] = {"share": 0.1, "values": values, "expected": 0.0, "p_value": 0.001, "p_adjusted": 0.01}
    return {**column, "sentence": f"{name} shifted: KS 0.21"} if drift else column


def _result(columns: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "reference": {"path": "a.csv", "rows": 12345},
        "current": {"path": "b.csv", "rows": 678},
        "drift": any(column["drift"] for column in columns),
        "alpha": 0.05,
        "min_effect": 0.07,
        "columns": columns,
        "outputs": [],
        "notes": ["only the reference has z<1>"],
        "seconds": 1.25,
    }


def _numeric(bins: int = 40) -> dict[str, list[float]]:
    shares = [(place % 7 + 0.123456789) / bins for place in range(bins)]
    return {"edges": [1.5 * place for place in range(bins + 1)], "reference": shares, "current": shares[::-1]}


def _categorical(count: int) -> dict[str, list[Any]]:
    shares = [1 / count] * count
    return {"categories": [f"value {place}" for place in range(count)], "reference": shares, "current": shares}


def test_the_page_of_two_files_holds_every_column(tmp_path: Path) -> None:
    """What `compare` returns can be rendered, with and without distributions."""
    (tmp_path / "a.csv").write_text("x,c,empty,only\n" + "1,a,,1\n2,b,,1\n" * 100)
    (tmp_path / "b.csv").write_text("x,c,empty\n" + "5,a,\n6,b,\n" * 100)
    page = Page(compare_page(compare(tmp_path / "a.csv", tmp_path / "b.csv"), {}))
    assert not page.open and not page.all("svg")
    for said in ("Drift in 1 of 3 columns", "x shifted", "only the reference has only", "all values are missing in"):
        assert said in page.text
    assert (len(page.all("article")), len(page.all("details"))) == (1, 2)


def test_a_column_of_dates_is_told_in_dates(tmp_path: Path) -> None:
    """The sentence and the axis of a file's dates are dates, not seconds since 1970."""
    for name, month in (("a", 1), ("b", 6)):
        days = [f"2026-{month:02}-{day:02}T12:00:00,1\n" for day in range(1, 21)]
        (tmp_path / f"{name}.csv").write_text("day,x\n" + "".join(days * 20))
    shapes: dict[str, dict[str, Any]] = {}
    result = compare(tmp_path / "a.csv", tmp_path / "b.csv", shapes=shapes)
    text = compare_page(result, shapes)
    assert "mean 2026-01-11 00:00 → 2026-06-11 00:00" in result["columns"][0]["sentence"]
    assert "≤ 2026-01-01" in text and "≥ 2026-06-20" in text


def test_figures_reasons_and_missing_numbers_are_shown() -> None:
    """Rows, limits, seconds and notes; null statistics as "-" beside their reason."""
    blank = {"statistic": None, "p_value": None, "reason": "the current data is empty"}
    untested = _column("u", tests={"ks": blank}, p_adjusted=None, effect=None, reason="the current data is empty")
    text = compare_page(_result([_column("x", True), _column("y"), untested]), {"x": _numeric()})
    page = Page(text)
    for said in ("12,345 rows", "678 rows", "a.csv", "at most 0.05", "0.07", "1.25 s", "only the reference has z<1>"):
        assert said in page.text
    for said in ("Drifted (1)", "No drift (1)", "Not tested (1)", "normalized -", "the reference is constant", "10.5%"):
        assert said in page.text
    cells = '<th scope="row"><bdi>KS</bdi></th><td class="num">-</td><td class="num">-</td><td class="num">-</td>'
    assert f'{cells}<td class="why">the current data is empty</td>' in text
    assert "≤ 0" in page.text and "≥ 60" in page.text


def test_drifted_columns_come_first_by_effect() -> None:
    """The order is that of the terminal's table."""
    columns = [_column("a"), _column("b", True, effect=0.1), _column("c", True, effect=0.3), _column("d", effect=0.9)]
    text = compare_page(_result(columns), {})
    places = [text.index(f"<bdi>{name}</bdi>") for name in "cbda"]
    assert places == sorted(places)


@pytest.mark.parametrize("drift", [True, False])
def test_hostile_names_stay_text(drift: bool) -> None:
    """Names of columns, categories and files, reasons and notes make no tag and no attribute."""
    columns = [_column(HOSTILE, drift), _column(HOSTILE + "c", drift, "categorical", reason=HOSTILE)]
    result = {**_result(columns), "notes": [HOSTILE], "current": {"path": HOSTILE, "rows": 1}}
    categories = {"categories": [HOSTILE, "\ud800", "", None], "reference": [1, 0, 0, 0], "current": [0.5, 0.5, 0, 0]}
    text = compare_page(result, {HOSTILE: _numeric(), HOSTILE + "c": categories})
    page = Page(text)
    assert not page.all("script") and not page.all("img") and not page.open
    assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)
    assert page.text.count(HOSTILE) >= 5 and text.encode()


def test_nothing_is_loaded() -> None:
    """No address outside of the page, no script, and a policy that forbids both and allows no style but the page's."""
    text = compare_page(_result([_column("x", True), _column("y", True), _column("z")]), {"x": _numeric()})
    page = Page(text)
    assert not any(key in attributes for _, attributes in page.tags for key in ("src", "action", "style"))
    assert all((link["href"] or "").startswith("#d") for link in page.all("a"))
    assert not page.all("script") and not page.all("link")
    policy = next(meta["content"] or "" for meta in page.all("meta") if "http-equiv" in meta)
    style = text[text.index("<style>") + 7 : text.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert "default-src 'none'" in policy and f"'sha256-{digest}'" in policy and "unsafe" not in policy


def test_each_picture_is_described_and_has_its_numbers_as_a_table() -> None:
    """A title, a description, and the shares of every bin below."""
    text = compare_page(_result([_column("x", True)]), {"x": _numeric(3)})
    page = Page(text)
    assert [picture["role"] for picture in page.all("svg") if "role" in picture] == ["img"]
    assert "<title>Histogram of x</title>" in text and "<desc>3 bins from 0 to 4.5." in text
    assert '<bdi>1.5</bdi></th><td class="num">37.4%</td><td class="num">37.4%</td>' in text


def test_a_statistic_has_the_title_that_it_declares() -> None:
    """Every one of the registry; one that is gone since, in a result of an older version, goes by its name."""
    score = {"statistic": 0.5}
    names = [statistic.name for statistic in STATISTICS]
    page = Page(compare_page(_result([_column("x", tests=dict.fromkeys([*names, "since_gone"], score))]), {}))
    assert all(statistic.title in page.text for statistic in STATISTICS) and "since gone" in page.text


def test_several_drifted_columns_are_listed_first_and_lead_to_their_cards() -> None:
    """Each link has its target, also where two columns have one name."""
    page = Page(compare_page(_result([_column(name, True) for name in ("x", "x", HOSTILE)]), {}))
    places = [article["aria-labelledby"] for article in page.all("article")]
    assert [link["href"] for link in page.all("a")] == [f"#{place}" for place in places] == ["#d0", "#d1", "#d2"]


def test_directions_and_control_characters_stay_within_their_name() -> None:
    """A name from right to left is isolated; one that turns the rest of the line around cannot."""
    text = compare_page(_result([_column("\u0645\u0628\u0644\u063a", True), _column("a\u202eb\x00c")]), {})
    assert "<bdi>\u0645\u0628\u0644\u063a</bdi>" in text and "<bdi>a\ufffdb\ufffdc</bdi>" in text


def test_dates_are_written_as_dates() -> None:
    """On the axis and in the table of a column of dates."""
    shares = {"edges": [1385510400.0, 1385510400.0 + 86400 * 30], "reference": [1.0], "current": [1.0], "dates": True}
    text = compare_page(_result([_column("day", True)]), {"day": shares})
    assert "≤ 2013-11-27" in text and "≥ 2013-12-27" in text and "<bdi>2013-11-27</bdi>" in text


def test_numbers_that_are_none_or_not_finite_are_shown_as_missing() -> None:
    """Never as "nan" or "None"."""
    nan = float("nan")
    column = _column("x", tests={"ks": {"statistic": nan, "p_value": nan}}, effect=None, p_adjusted=nan)
    text = compare_page(_result([column]), {})
    assert "nan" not in text and "None" not in text and "inf" not in text.replace("info", "")


def test_the_same_alarms_and_warnings_as_on_the_terminal() -> None:
    """What the rate of false alarms rests on, and the tests of all columns together."""
    test = {"statistic": 0.93, "p_value": 1e-30}
    several = {"columns": 3, "domain_classifier": test, "mmd": test, "pca": test}
    calibration = {"checks_per_false_alarm": 20.0, "warnings": ["rows depend on each other"]}
    page = Page(compare_page({**_result([]), "multivariate": several, "calibration": calibration}, {}))
    assert "one in 20 such checks" in page.text and "rows depend on each other" in page.text
    assert "All 3 columns together: domain classifier AUC 0.93 (p <0.0001)" in page.text


def test_the_largest_categories_are_shown_and_the_rest_summed() -> None:
    """Of 1,000 categories 12, and one line whose shares complete them to all."""
    shares = _categorical(999)
    shares["categories"].append("(other)")
    shares["reference"], shares["current"] = [0.0005] * 1000, [0.0005] * 1000
    shares["current"][500] = 0.5005
    shares["reference"][999] = 0.5005
    text = compare_page(_result([_column("c", True, "categorical")]), {"c": shares})
    assert text.count("<bdi>value ") == 12
    assert text.index("<bdi>value 500</bdi>") < text.index("<bdi>value 0</bdi>") < text.index("<bdi>(other)</bdi>")
    other = text[text.index("<bdi>(other)</bdi>") :]
    assert other.index(">99.4%<") < other.index(">49.4%<")


@pytest.mark.parametrize(
    "distribution",
    [
        {"edges": [7.0, 7.0], "reference": [1.0], "current": [1.0]},
        {"edges": [0.0, 1.0, 2.0], "reference": [0.5, 0.5], "current": [None, None]},
        {"edges": [0.0, 1.0], "reference": [0.0], "current": [0.0]},
        {"edges": [], "reference": [], "current": []},
        {"edges": [-1e300, 0.0, 1e300], "reference": [0.2, 0.8], "current": [1.0, 0.0]},
        {"categories": [], "reference": [], "current": []},
        {"categories": ["(other)"], "reference": [1.0], "current": [0.0]},
    ],
)
@pytest.mark.parametrize("drift", [True, False])
def test_odd_distributions_are_drawn_or_left_out(distribution: dict[str, Any], drift: bool) -> None:
    """Constant, empty and enormous columns do not break the page."""
    text = compare_page(_result([_column("x", drift)]), {"x": distribution})
    assert not Page(text).open and "nan" not in text and "inf" not in text.replace("infinite", "")


def test_five_hundred_columns_make_a_page_below_5_mb() -> None:
    """Also if all of them drifted, with long names; and the same input gives the same page."""
    names = [f"column {place} with a name that is rather long for a column of a table" for place in range(500)]
    columns = [_column(name, True, "categorical" if at % 2 else "numeric") for at, name in enumerate(names)]
    distributions = {name: _categorical(1000) if at % 2 else _numeric() for at, name in enumerate(names)}
    text = compare_page(_result(columns), distributions)
    assert all(f"<bdi>{name}</bdi>" in text for name in names) and not Page(text).open
    assert text == compare_page(_result(columns), distributions)
    folded = compare_page(_result([{**column, "drift": False} for column in columns]), distributions)
    assert len(text.encode()) < 5_000_000 and len(folded.encode()) < 5_000_000
