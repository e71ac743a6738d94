"""A comparison as one HTML page that needs no network and no script: for a mail, a ticket, a shelf."""

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from drift.check.report import DECISIVE
from drift.check.words import number

Column = Mapping[str, Any]
Distribution = Mapping[str, Any]

MOST_CATEGORIES = 12
MOST_VALUES = 10
OTHER = "(other)"
LONGEST = 60
"""Values, and names in labels, are cut to this many characters; headings hold the whole name."""

TEST_NAMES = {
    "ks": "KS",
    "psi": "PSI",
    "wasserstein": "Wasserstein",
    "jensen_shannon": "Jensen–Shannon",
    "chi_squared": "chi-squared",
}
TOPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Where the axis of shares may end."""

LEGEND = '<span class="key"><i class="r"></i>reference</span> <span class="key"><i class="c"></i>current</span>'
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Nothing that a name smuggles in could load or run."""

CSS = """
:root { color-scheme: light; --page: #f6f7f8; --card: #fff; --text: #1c2128; --soft: #5b6470; --line: #dfe3e8;
  --reference: #878e99; --area: #c3c8cf; --current: #1d5fd0; --tint: #1d5fd022; --drift: #b3261e; --mark: #fbeae8; }
@media screen and (prefers-color-scheme: dark) {
  :root { color-scheme: dark; --page: #14171b; --card: #1c2026; --text: #e4e7eb; --soft: #9ca5b1; --line: #323841;
    --reference: #8b929d; --area: #4b525c; --current: #76aaff; --tint: #76aaff26; --drift: #ff9a8d; --mark: #44211d; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); line-height: 1.5; overflow-wrap: anywhere;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 1.5rem; }
h2 { font-size: 1.15rem; margin: 2.75rem 0 .9rem; }
h3 { font-size: 1.1rem; margin: 0; }
caption { font-size: .82rem; font-weight: 600; color: var(--soft); text-align: left; padding-bottom: .2rem; }
.brand, .soft, dt, figcaption, .kind { color: var(--soft); }
.brand { margin: 0 0 .25rem; font-size: .85rem; }
.brand, dt, figcaption, .kind, .axis, .fact small { font-weight: 400; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 1rem 1.75rem; margin: 0; }
dt { font-size: .8rem; }
dd { margin: 0; font-variant-numeric: tabular-nums; }
dd small { display: block; color: var(--soft); }
.notes { padding-left: 1.1rem; margin: 0; }
.notes li { margin: .3rem 0; }
.card, details { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
.card { padding: 1.4rem 1.5rem; margin: 0 0 1.25rem; border-left: .3rem solid var(--drift); }
.title { display: flex; flex-wrap: wrap; align-items: baseline; gap: .3rem .8rem; }
.kind { font-size: .85rem; }
.mark { color: var(--drift); background: var(--mark); border-radius: .3rem; padding: .05rem .5rem; font-size: .8rem;
  font-weight: 600; white-space: nowrap; }
.card > p { margin: .5rem 0 0; }
.facts { display: flex; flex-wrap: wrap; gap: .1rem 1.4rem; font-variant-numeric: tabular-nums; }
.fact small { color: var(--soft); font-size: .8rem; }
figure { margin: 1.25rem 0 0; }
figcaption { font-size: .82rem; margin-bottom: .6rem; }
figcaption > :first-child { margin-right: .9rem; }
.key { white-space: nowrap; color: var(--text); margin-right: .9rem; }
.key i { display: inline-block; width: .85rem; height: .7rem; margin-right: .35rem; }
i.r { background: var(--area); border-top: .15rem solid var(--reference); }
i.c { background: var(--tint); border: .12rem solid var(--current); }
svg { display: block; width: 100%; overflow: visible; }
svg .r { fill: var(--area); stroke: var(--reference); stroke-width: 1; }
svg .c { fill: var(--tint); stroke: var(--current); stroke-width: 2; }
svg .g { stroke: var(--line); stroke-width: 1; fill: none; }
svg * { vector-effect: non-scaling-stroke; }
.plot { display: grid; grid-template-columns: auto 1fr; gap: .35rem .6rem; }
.plot svg { height: 10rem; }
.axis { display: flex; justify-content: space-between; font-size: .78rem; color: var(--soft);
  font-variant-numeric: tabular-nums; }
.y { flex-direction: column; text-align: right; margin: -.55rem 0; }
.x { grid-column: 2; }
.x.one { justify-content: center; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; margin-top: 1.25rem; }
.scroll table { overflow-wrap: normal; }
.scroll th:first-child, .scroll thead td { width: 22%; min-width: 8rem; }
th, td { padding: .3rem .8rem .3rem 0; text-align: right; vertical-align: top; border-top: 1px solid var(--line); }
th { font-weight: 400; }
thead th { white-space: nowrap; }
thead th, thead td { color: var(--soft); font-size: .8rem; border-top: 0; }
th:first-child, td.note, th.note { text-align: left; }
td.note, th.note { padding: .3rem 0 .3rem .6rem; width: 42%; min-width: 12rem; overflow-wrap: anywhere; }
td.n { white-space: nowrap; }
.shares th:first-child { width: 30%; }
.shares td:nth-child(2) { width: 42%; text-align: left; }
.shares svg { height: 1.3rem; }
details { border-radius: .45rem; margin: 0 0 .4rem; }
summary { display: grid; grid-template-columns: minmax(0, 1fr) 7.5rem minmax(0, 26rem); gap: .3rem 1.25rem;
  align-items: center; padding: .5rem .9rem; cursor: pointer; list-style: none; }
summary::-webkit-details-marker { display: none; }
summary .name::before { content: "▸"; display: inline-block; width: 1.1rem; color: var(--soft); }
details[open] .name::before { content: "▾"; }
summary:focus-visible { outline: 2px solid var(--current); outline-offset: 2px; border-radius: .45rem; }
summary svg { height: 1.7rem; }
summary .facts { font-size: .86rem; }
summary .r, summary .c { stroke-width: 1; }
.body { padding: 0 .9rem 1.1rem; }
footer { margin-top: 2.5rem; font-size: .8rem; color: var(--soft); }
@media (max-width: 46rem) {
  main { padding: 1.5rem .9rem 3rem; }
  .card { padding: 1.1rem 1rem; }
  summary { grid-template-columns: minmax(0, 1fr) 6rem; }
  summary .facts { grid-column: 1 / -1; padding-left: 1.1rem; }
  .shares td:nth-child(2) { width: 25%; }
  th, td { padding-right: .55rem; }
  table { font-size: .8rem; }
  .scroll th:first-child, .scroll thead td { min-width: 5.5rem; }
}
@media print {
  @page { margin: 15mm; }
  body { background: none; font-size: 10pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  details, figure, table { break-inside: avoid; }
  h2, .title { break-after: avoid; }
  .scroll { overflow: visible; }
}
"""


def render_html(result: dict[str, Any], distributions: Mapping[str, Mapping[str, Any]]) -> str:
    """The report of `compare` as one page: the verdict, its figures, drifted columns as cards, the others folded.

    `distributions` holds by column either `edges` or `categories`, and the shares of both sides, `reference` and
    `current`; the first and the last bin also hold what lies beyond. A column without one has no picture. The same
    input gives the same page.
    """
    columns = sorted(
        [*result["columns"], *result.get("outputs", ())],
        key=lambda column: (not column["drift"], -(column["effect"] or 0.0)),
    )
    drifted = [column for column in columns if column["drift"]]
    judged = [column for column in columns if not column["drift"] and not column.get("reason")]
    untested = [column for column in columns if not column["drift"] and column.get("reason")]
    verdict = _verdict(len(drifted), len(columns))
    cards = [_card(place, column, distributions.get(column["name"])) for place, column in enumerate(drifted)]
    parts = [
        f'<header><p class="brand">driftd compare</p><h1>{verdict}</h1>{_figures(result)}</header>',
        _section("Notes", _notes(result["notes"])),
        _section(f"Drifted ({len(drifted)})", "\n".join(cards)),
        _section(f"No drift ({len(judged)})", _folded(judged, distributions)),
        _section(f"Not tested ({len(untested)})", _folded(untested, distributions)),
        f"<footer>{_footer(result)}</footer>",
    ]
    return _page(verdict, "\n".join(part for part in parts if part))


def _page(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title} – driftd</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _section(heading: str, content: str) -> str:
    return f"<section>\n<h2>{heading}</h2>\n{content}\n</section>" if content else ""


def _verdict(drifted: int, columns: int) -> str:
    return f"Drift in {drifted} of {columns} columns" if drifted else f"No drift in {columns} columns"


def _figures(result: dict[str, Any]) -> str:
    figures = [
        ("Reference", *_side(result["reference"])),
        ("Current", *_side(result["current"])),
        ("False alarms", f"at most {result['alpha']:g}", "of comparisons without drift (alpha)"),
        ("Smallest effect", f"{result['min_effect']:g}", "smaller ones are no drift"),
    ]
    cells = (f"<div><dt>{name}</dt><dd>{value}<small>{more}</small></dd></div>" for name, value, more in figures)
    return f"<dl>{''.join(cells)}</dl>"


def _side(side: Mapping[str, Any]) -> tuple[str, str]:
    return f"{side['rows']:,} rows", _text(side["path"], 300) if "path" in side else ""


def _footer(result: dict[str, Any]) -> str:
    took = f"Compared in {number(result['seconds'])} s. " if result.get("seconds") is not None else ""
    return (
        f"{took}Effect: the KS distance of a numeric column, the total variation of a categorical one. "
        "p adjusted: for all tests of this comparison. Shares in pictures are of the values that are not missing."
    )


def _notes(notes: Sequence[str]) -> str:
    return f'<ul class="notes">{"".join(f"<li>{_text(note)}</li>" for note in notes)}</ul>' if notes else ""


def _card(place: int, column: Column, distribution: Distribution | None) -> str:
    said = [column.get("sentence", ""), column.get("reason") or ""]
    return (
        f'<article class="card" aria-labelledby="d{place}">\n'
        f'<div class="title"><h3 id="d{place}">{_name(column)}</h3><span class="kind">{_text(column["kind"])}</span>'
        '<span class="mark">▲ drift</span></div>\n'
        f"{''.join(f'<p>{_text(words)}</p>' for words in said if words)}\n"
        f'<p class="facts">{_facts(column)}</p>\n{_picture(column, distribution)}\n{_tables(column)}\n</article>'
    )


def _folded(columns: Iterable[Column], distributions: Mapping[str, Distribution]) -> str:
    return "\n".join(_row(column, distributions.get(column["name"])) for column in columns)


def _row(column: Column, distribution: Distribution | None) -> str:
    reason = column.get("reason")
    facts = _text(reason) if reason else _facts(column)
    return (
        f'<details><summary><span class="name">{_name(column)} <span class="kind">{_text(column["kind"])}</span></span>'
        f'<span>{_spark(column, distribution)}</span><span class="facts">{facts}</span></summary>\n'
        f'<div class="body">{_picture(column, distribution)}\n{_tables(column)}</div></details>'
    )


def _facts(column: Column) -> str:
    missing = column["missing"]
    facts = [
        ("effect", _number(column["effect"])),
        ("p adjusted", _number(column["p_adjusted"])),
        ("missing", f"{_share(missing['reference'])} → {_share(missing['current'])}"),
    ]
    return " ".join(f'<span class="fact"><small>{name}</small> {value}</span>' for name, value in facts)


def _tables(column: Column) -> str:
    heads = ("test", "statistic", "p value", "p adjusted")
    tests = _table("Tests", heads, [_test(column, name, score) for name, score in column["tests"].items()])
    return tests + _table("Shares of rows", ("", "before", "now", "p value", "p adjusted"), _share_lines(column))


def _test(column: Column, name: str, score: Mapping[str, Any]) -> tuple[str, ...]:
    adjusted = _number(column["p_adjusted"]) if name in DECISIVE else ""
    p_value = _number(score["p_value"]) if "p_value" in score else ""
    extras = [(key, value) for key, value in score.items() if key not in ("statistic", "p_value", "reason")]
    more = [f"{_words(key)} {_extra(value)}" for key, value in extras]
    note = "; ".join([", ".join(more), *_reason(score)] if more else _reason(score))
    return TEST_NAMES.get(name, _words(name)), _number(score["statistic"]), p_value, adjusted, note


def _share_lines(column: Column) -> list[tuple[str, ...]]:
    missing, unseen = column["missing"], column.get("unseen")
    none: list[str] = []
    lines = [("missing", missing["reference"], missing["current"], missing, none)]
    if unseen is not None:
        values = [f"<bdi>{_text(value, LONGEST)}</bdi>" for value in unseen["values"][:MOST_VALUES]]
        more = ["…"] if len(unseen["values"]) > MOST_VALUES else []
        lines.append(("never seen before", unseen["expected"], unseen["share"], unseen, [", ".join([*values, *more])]))
    return [
        (name, _share(before), _share(now), _number(test["p_value"]), _number(test["p_adjusted"]),
         "; ".join(word for word in [*words, *_reason(test)] if word))
        for name, before, now, test, words in lines
    ]  # fmt: skip


def _table(caption: str, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """The last cell of each line is its note, which needs no heading if all are empty."""
    noted = any(line[-1] for line in lines)
    head = "".join(f'<th scope="col">{name}</th>' if name else "<td></td>" for name in heads)
    head += '<th scope="col" class="note">note</th>' if noted else ""
    rows = "".join(_line(line, noted) for line in lines)
    return (
        f'<div class="scroll"><table><caption>{caption}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _line(line: Sequence[str], noted: bool) -> str:
    cells = "".join(f'<td class="n">{cell}</td>' for cell in line[1:-1])
    note = f'<td class="note">{line[-1]}</td>' if noted else ""
    return f'<tr><th scope="row">{line[0]}</th>{cells}{note}</tr>'


def _picture(column: Column, distribution: Distribution | None) -> str:
    if not _drawable(distribution):
        return ""
    assert distribution is not None
    if "edges" in distribution:
        said, drawn = "Share of values by bin, in %", _histogram(column["name"], distribution)
    else:
        said, drawn = "Share of values by category, in %", _bars(distribution)
    return f"<figure><figcaption><span>{said}</span> {LEGEND}</figcaption>{drawn}</figure>"


def _histogram(name: str, distribution: Distribution) -> str:
    reference, current = _shares(distribution)
    edges, bins, top = distribution["edges"], len(reference), _top([*reference, *current])
    low, middle, high = (_place(edge, edges) for edge in (edges[0], (edges[0] + edges[-1]) / 2, edges[-1]))
    ends = [low] if low == high else [f"≤ {low}", middle, f"≥ {high}"]
    label = (
        f"Histogram of {_text(name, LONGEST)}, {bins} bins from {low} to {high}. "
        f"Fullest bin: reference {_share(max(reference))}, current {_share(max(current))}"
    )
    return (
        f'<div class="plot">{_axis("y", [_share(share) for share in (top, top / 2, 0)])}'
        f'<svg viewBox="0 0 {bins} 100" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f'<path class="g" d="M0 0H{bins}M0 50H{bins}M0 100H{bins}"/>{_areas(reference, current, top)}</svg>'
        f"{_axis('x' if len(ends) > 1 else 'x one', ends)}</div>"
    )


def _axis(side: str, labels: Iterable[str]) -> str:
    return f'<div class="axis {side}">{"".join(f"<span>{label}</span>" for label in labels)}</div>'


def _bars(distribution: Distribution) -> str:
    """A table, so that the shares can also be read: the pictures repeat them."""
    lines = _categories(distribution)
    top = _top([share for _, *shares in lines for share in shares])
    rows = "".join(
        f'<tr><th scope="row"><bdi>{name}</bdi></th><td>{_pair(100 * before / top, 100 * now / top)}</td>'
        f'<td class="n">{_share(before)}</td><td class="n">{_share(now)}</td></tr>'
        for name, before, now in lines
    )
    heads = '<th scope="col">category</th><td></td><th scope="col">reference</th><th scope="col">current</th>'
    return f'<table class="shares"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _pair(before: float, now: float) -> str:
    """Two bars, the reference above; their lengths are in the cells beside them."""
    return (
        '<svg viewBox="0 0 100 9" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="r" width="{_length(before)}" height="4"/>'
        f'<rect class="c" y="5" width="{_length(now)}" height="4"/></svg>'
    )


def _categories(distribution: Distribution) -> list[tuple[str, float, float]]:
    """The categories with the largest shares on either side, as escaped names; all others as one line."""
    lines = list(zip(map(str, distribution["categories"]), *_shares(distribution), strict=True))
    rest = [line for line in lines if line[0] == OTHER]
    lines = sorted((line for line in lines if line[0] != OTHER), key=lambda line: -max(line[1:]))
    shown = [(_text(name, LONGEST), before, now) for name, before, now in lines[:MOST_CATEGORIES]]
    rest += lines[MOST_CATEGORIES:]
    return [*shown, (OTHER, sum(line[1] for line in rest), sum(line[2] for line in rest))] if rest else shown


def _spark(column: Column, distribution: Distribution | None) -> str:
    """The picture of a folded column, small."""
    if not _drawable(distribution):
        return ""
    assert distribution is not None
    if "edges" in distribution:
        reference, current = _shares(distribution)
        width, drawn = len(reference), _areas(reference, current, max(*reference, *current))
    else:
        lines = _categories(distribution)
        width, drawn = 3 * len(lines), _columns(lines)
    label = f"{_text(column['name'], LONGEST)}, reference and current distribution"
    return f'<svg viewBox="0 0 {width} 100" preserveAspectRatio="none" role="img" aria-label="{label}">{drawn}</svg>'


def _areas(reference: Sequence[float], current: Sequence[float], top: float) -> str:
    return _path("r", f"M0 100{_steps(reference, top)}V100Z") + _path("c", f"M0 100{_steps(current, top)}V100Z")


def _steps(shares: Sequence[float], top: float) -> str:
    return "".join(f"V{_length(100 - 100 * share / top)}H{place}" for place, share in enumerate(shares, 1))


def _columns(lines: Sequence[tuple[str, float, float]]) -> str:
    _, reference, current = zip(*lines, strict=True)
    top = max(*reference, *current)
    return _path("r", _standing(reference, top, 0)) + _path("c", _standing(current, top, 1))


def _standing(shares: Sequence[float], top: float, side: int) -> str:
    return "".join(f"M{3 * at + side} 100v-{_length(100 * share / top)}h1V100z" for at, share in enumerate(shares))


def _path(name: str, drawn: str) -> str:
    return f'<path class="{name}" d="{drawn}"/>'


def _drawable(distribution: Distribution | None) -> bool:
    return distribution is not None and any(share for shares in _shares(distribution) for share in shares)


def _shares(distribution: Distribution) -> tuple[list[float], list[float]]:
    """Of the reference and of the current data; a side without values has shares of 0."""
    reference, current = ([float(share or 0) for share in distribution[side]] for side in ("reference", "current"))
    return reference, current


def _top(shares: Iterable[float]) -> float:
    most = max(shares)
    return next((top for top in TOPS if most <= top), 1.0)


def _place(value: float, edges: Sequence[float]) -> str:
    """A value on the axis, as exact as its span asks for."""
    span = edges[-1] - edges[0]
    if not span or not 1e-4 <= max(abs(edges[0]), abs(edges[-1])) < 1e12:
        return f"{value:.6g}"
    return f"{round(value, 2 - math.floor(math.log10(span))):,.15g}"


def _length(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _number(value: float | None) -> str:
    return "-" if value is None else number(value)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.3g}%"


def _extra(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return _number(value) if value is None or isinstance(value, float) else _text(value, LONGEST)


def _reason(test: Mapping[str, Any]) -> list[str]:
    return [_text(test["reason"])] if test.get("reason") else []


def _words(key: str) -> str:
    return _text(key.replace("_", " "))


def _name(column: Column) -> str:
    """Isolated, as a name may be written from right to left."""
    return f"<bdi>{_text(column['name'])}</bdi>"


def _text(value: object, longest: int | None = None) -> str:
    """Escaped, for text and attributes alike, and cut where `longest` says so; what UTF-8 cannot write becomes "?".

    >>> _text('<b> & "c"'), _text("abcdef", 4), _text("")
    ('&lt;b&gt; &amp; &quot;c&quot;', 'abc…', '(empty)')
    """
    text = str(value).encode("utf-8", "replace").decode() or "(empty)"
    return html.escape(text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…")
