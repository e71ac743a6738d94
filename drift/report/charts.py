"""The one chart module: lines with lanes of marks, two distributions, bars and sparklines, as inline SVG.

Widths are percentages, so that a chart fits a phone with text of readable size: areas and lines are stretched in a
nested picture, while texts and marks keep their size. Each chart has a title, a description and its numbers as a table.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from markupsafe import Markup

from drift.notation import counted, score, share, tick
from drift.report.page import cut, filled, table

Values = Sequence[float | None]
Rows = Sequence[tuple[str, float, float]]
"""Names of categories or bins, with the shares of the reference and of the current data."""

TOPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Where the axis of shares may end."""
MOST_LABELS = 12
LINES_PX, SHARES_PX, LANE_PX, TOP_PX, AXIS_PX = 260, 140, 24, 8, 24
"""Heights of the plots of lines and of shares, of a lane, of the room above a plot and of a line of labels."""

DISC = "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0z"
BAR = "M-2-6h4v12h-4z"
SHAPES = {"promoted": DISC, "kept": DISC, "drift": "M0-6l6 11h-12z", "held": "M-5-5h10v10h-10z",
          "reweigh": BAR, "rollback": BAR}  # fmt: skip
AREA = "M0 1h20v10h-20z"
SIDES = (("reference", "reference", AREA), ("current", "current", AREA))

CAPTION = """
<figure><figcaption><span>{{ caption }}</span>
{% for name, style, drawn in keys %}
<span class="key"><svg viewBox="0 0 20 12" aria-hidden="true"><path class="{{ style }}" d="{{ drawn }}"
{%- if style.startswith('at ') %} transform="translate(10 6)"{% endif %}/></svg>{{ name|cut }}</span>
{% endfor %}</figcaption>
"""

CHART = """
<div class="{{ axes }}"><svg role="img" height="{{ height }}"><title>{{ title }}</title>
<desc>{{ description }}</desc>
<svg y="{{ top }}" height="{{ plot }}" viewBox="0 0 {{ width }} 100" preserveAspectRatio="none">
{% if shaded %}<path class="shade" d="M0 0h{{ shaded }}v100H0z"><title>{{ shade_title }}</title></path>{% endif %}
<path class="grid" d="{% for y, label in y_labels %}M0 {{ y }}h{{ width }}{% endfor %}"/>
{% for x in guides %}<path class="guide" d="M{{ x }} 0v100"/>{% endfor %}
{% for style, drawn, name in paths %}
<path class="{{ style }}" d="{{ drawn }}">{% if name %}<title>{{ name }}</title>{% endif %}</path>
{% endfor %}
</svg>
{% for y, label in y_labels %}
<text x="-8" y="{{ '%.1f'|format(top + plot * y / 100 + 4) }}" text-anchor="end">{{ label }}</text>
{% endfor %}
{% for name, marks in lanes.items() %}
{% set y = top + plot + lane * (loop.index0 + 1) %}
<line class="grid" x2="100%" y1="{{ y }}" y2="{{ y }}"/><text x="-8" y="{{ y + 4 }}" text-anchor="end">{{ name }}</text>
{% for mark in marks %}
<svg x="{{ '%.3f'|format(100 * (mark.at + 0.5) / width) }}%" y="{{ y }}"><path class="at {{ mark.kind }}"
 d="{{ shapes[mark.kind] }}"><title>{{ mark.why }}</title></path></svg>
{% endfor %}
{% endfor %}
{% for x, anchor, label in x_labels %}
<text x="{{ x }}%" y="{{ height - 4 }}" text-anchor="{{ anchor }}">{{ label }}</text>
{% endfor %}
</svg></div>
{{ numbers }}</figure>
"""

BARS = '<div role="group" aria-label="{{ label }}">{{ numbers }}</div></figure>'

SMALL = """
<svg class="{{ kind }}" viewBox="0 0 {{ width }} 100" preserveAspectRatio="none"
{%- if title %} role="img"><title>{{ title }}</title>{% else %} aria-hidden="true">{% endif %}
{% for style, drawn in paths %}<path class="{{ style }}" d="{{ drawn }}"/>{% endfor %}</svg>
"""


@dataclass(frozen=True)
class Line:
    """Values by place; `style` is a class of the stylesheet. A value of None leaves a gap."""

    name: str
    values: Values
    style: str


@dataclass(frozen=True)
class Mark:
    """What happened at a place (with a half: after it): `kind` is one of SHAPES; `why` tells it."""

    at: float
    kind: str
    why: str


def lines(
    title: str, caption: str, drawn: Sequence[Line], lanes: Mapping[str, Sequence[Mark]], initial: int, place: str
) -> Markup | str:
    """Lines by place, the last one on top; below them a lane of marks for each name. The first `initial` places are
    shaded; `place` is what they are called. Nothing where there is nothing to draw."""
    count = max((len(line.values) for line in drawn), default=0)
    values = [value for line in drawn for value in line.values if value is not None]
    if not values or count < 2:
        return ""
    ticks = nice_ticks(min(values), max(values))
    y_labels = [(round(100 * at / (len(ticks) - 1), 2), f"{value:g}") for at, value in enumerate(reversed(ticks))]
    promoted = [mark for marks in lanes.values() for mark in marks if mark.kind == "promoted"]
    rows = [[at, *map(score, scores)] for at, scores in enumerate(zip_longest(*(line.values for line in drawn)))]
    keys = [(line.name, f"line {line.style}", "M0 6h20") for line in reversed(drawn)]
    return plot(
        LINES_PX, title, f"From {ticks[0]:g} to {ticks[-1]:g}, {counted(count, 'value')} each.", caption=caption,
        keys=[*keys, *((kind, f"at {kind}", SHAPES[kind]) for kind in ("promoted", "kept") if lanes),
              ("trains the first model", "shade", AREA)],
        axes="lanes", width=count, y_labels=y_labels, x_labels=_places(count, place), lanes=lanes, shaded=initial,
        shade_title=f"the first {initial} train the first model", guides=[_short(mark.at + 0.5) for mark in promoted],
        paths=[(f"line {line.style}", path_of(line.values, ticks[0], ticks[-1]), line.name) for line in drawn],
        numbers=table([(place, ""), *((line.name, "num") for line in drawn)], rows, folded=True),
    )  # fmt: skip


def histogram(name: str, rows: Rows, edges: Sequence[float], dates: bool = False) -> Markup:
    """Shares of two sides by bin; the outer bins also hold what lies beyond."""
    span = edges[-1] - edges[0]
    low, middle, high = (tick(edge, span, dates) for edge in (edges[0], edges[0] / 2 + edges[-1] / 2, edges[-1]))
    ends = [(0, "start", f"≤ {low}"), (50, "middle", middle), (100, "end", f"≥ {high}")]
    most = [max(side) for side in _sides(rows)]
    top = _top(max(most))
    fullest = f"Fullest bin: reference {share(most[0])}, current {share(most[1])}."
    heads = [("from", ""), ("reference", "num"), ("current", "num")]
    return plot(
        SHARES_PX, f"Histogram of {cut(name)}", f"{len(rows)} bins from {low} to {high}. {fullest}",
        caption="Share of values by bin", keys=SIDES, width=len(rows),
        y_labels=[(0, share(top)), (50, share(top / 2)), (100, "0")],
        x_labels=ends if low != high else [(50, "middle", low)], paths=[(*path, "") for path in _areas(rows, top)],
        numbers=table(heads, ((bin, share(a), share(b)) for bin, a, b in rows), folded=True),
    )  # fmt: skip


def bars(name: str, rows: Rows) -> Markup:
    """Shares of two sides by category: a table whose pictures repeat its numbers."""
    top = _top(max(map(max, _sides(rows))))
    heads = [("category", ""), ("", "wide"), ("reference", "num"), ("current", "num")]
    lines = ((cut(value), _pair(a / top, b / top), share(a), share(b)) for value, a, b in rows)
    return filled(
        CAPTION + BARS, caption="Share of values by category", keys=SIDES, numbers=table(heads, lines),
        label=f"Shares of {cut(name)}, reference above current",
    )  # fmt: skip


def spark(name: str, rows: Rows) -> Markup:
    """Two distributions, small."""
    top = max(map(max, _sides(rows)))
    return _small("spark", len(rows), _areas(rows, top), f"{cut(name)}, reference and current distribution")


def sparkline(title: str, values: Values, low: float, high: float, style: str = "main") -> Markup:
    """Values by place between two limits, without axes."""
    return _small("spark", len(values), [(f"line {style}", path_of(values, low, high))], title)


def effect(value: float, limit: float, style: str = "effect") -> Markup:
    """A bar between 0 and 1, with a line at `limit`; its number stands beside it. `style` is a class of bars."""
    bar = f"M0 20h{_short(100 * min(1.0, value))}v60H0z"
    return _small("pair", 100, [(style, bar), ("guide", f"M{_short(100 * min(1.0, limit))} 0v100")])


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that enclose two values, about `count` of them.

    >>> nice_ticks(0.71, 0.88)
    [0.7, 0.75, 0.8, 0.85, 0.9]
    """
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    raw = (high - low) / (count - 1)
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(one * scale for one in (1, 2, 2.5, 5, 10) if one * scale >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{place * step:.10g}") for place in range(first, last + 1)]


def plot(height: int, title: str, description: str, **values: Any) -> Markup:
    """The frame of any chart: axes with their labels, paths, and lanes of marks below. `height` is the plot's, in
    pixels; `values` are those of the template."""
    empty: dict[str, Any] = {"lanes": {}, "shaded": 0, "shade_title": "", "guides": (), "axes": "axes"}
    values = empty | values
    whole = TOP_PX + height + LANE_PX * len(values["lanes"]) + AXIS_PX + 10 * bool(values["lanes"])
    return filled(CAPTION + CHART, title=title, description=description, plot=height, height=whole, top=TOP_PX,
                  lane=LANE_PX, shapes=SHAPES, **values)  # fmt: skip


def _small(kind: str, width: int, paths: Sequence[tuple[str, str]], title: str = "") -> Markup:
    return filled(SMALL, kind=kind, width=width, paths=paths, title=title)


def _places(count: int, place: str) -> list[tuple[float, str, str]]:
    step = next((one for one in (1, 2, 5, 10, 20, 50, 100, 200, 500) if count / one <= MOST_LABELS), 1000)
    middles = [(round(100 * (at + 0.5) / count, 3), "middle", str(at)) for at in range(0, count, step)]
    return [(-1.0, "end", place), *middles]


def path_of(values: Values, low: float, high: float) -> str:
    """A line through values by place, between two limits; a value of None leaves a gap."""
    drawn, pen, span = [], "M", high - low or 1.0
    for at, value in enumerate(values):
        if value is not None:
            drawn.append(f"{pen}{at + 0.5:g} {_short(100 * (high - value) / span)}")
        pen = "M" if value is None else "L"
    return "".join(drawn)


def _areas(rows: Rows, top: float) -> list[tuple[str, str]]:
    steps = [
        "".join(f"V{_short(100 - 100 * value / top)}H{at}" for at, value in enumerate(side, 1)) for side in _sides(rows)
    ]
    return [("reference", f"M0 100{steps[0]}V100Z"), ("current", f"M0 100{steps[1]}V100Z")]


def _pair(before: float, now: float) -> Markup:
    drawn = [("reference", f"M0 5h{_short(100 * before)}v42H0z"), ("current", f"M0 55h{_short(100 * now)}v42H0z")]
    return _small("pair", 100, drawn)


def _sides(rows: Rows) -> tuple[list[float], list[float]]:
    return [before for _, before, _ in rows], [now for _, _, now in rows]


def _top(most: float) -> float:
    return next((top for top in TOPS if most <= top), 1.0)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
