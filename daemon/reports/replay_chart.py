"""Scores over time as inline SVG: lines of policies, and lanes of what happened, each mark with its reason as title."""

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, LEFT, RIGHT, TOP = 960, 112, 14, 12
HEIGHT, LANE, GAP = 280, 24, 14
TICKS = 5
LONGEST_TITLE = 400
Values = Sequence[float | None]


@dataclass(frozen=True)
class Line:
    """One policy's values by batch; `style` is its CSS class."""

    name: str
    values: Values
    style: str


@dataclass(frozen=True)
class Mark:
    """Something that happened at a batch (or, with a half, after it): `shape` is its CSS class; `title` tells it."""

    at: float
    shape: str
    title: str


def chart(label: str, lines: Sequence[Line], lanes: Mapping[str, Sequence[Mark]], initial: int) -> str:
    """One picture: `lines` above, the last one on top, and a lane for each name below; the first `initial` batches are
    shaded."""
    count = max((len(line.values) for line in lines), default=0)
    known = [value for line in lines for value in line.values if value is not None]
    if not known or count < 2:
        return ""
    ticks = nice_ticks(min(known), max(known))
    plot = _Plot(count, ticks[0], ticks[-1])
    bottom = TOP + HEIGHT + GAP * bool(lanes) + LANE * len(lanes)
    parts = [
        _initial(plot, initial),
        _grid(plot, ticks),
        _guides(plot, [mark for marks in lanes.values() for mark in marks]),
        *(_line(plot, line) for line in lines),
        _lanes(plot, lanes),
        _batches(plot, bottom + 20),
    ]
    return f'<svg viewBox="0 0 {WIDTH} {bottom + 44}" role="img" aria-label="{escaped(label)}">{"".join(parts)}</svg>'


@dataclass(frozen=True)
class _Plot:
    """Where a batch and a value are drawn."""

    count: int
    low: float
    high: float

    def x(self, batch: float) -> float:
        """The middle of a batch."""
        return LEFT + (WIDTH - LEFT - RIGHT) * (batch + 0.5) / self.count

    def y(self, value: float) -> float:
        """The height of a value."""
        return TOP + HEIGHT * (self.high - value) / (self.high - self.low)


def nice_ticks(low: float, high: float, count: int = TICKS) -> list[float]:
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


def escaped(text: Any, longest: int = LONGEST_TITLE) -> str:
    """Any text inside a page, cut to a length; safe in attributes too.

    >>> escaped("<b>")
    '&lt;b&gt;'
    """
    words = str(text).encode("utf-8", "replace").decode("utf-8")
    words = "".join(letter if letter.isprintable() else " " for letter in words)
    return html.escape(words if len(words) <= longest else words[: longest - 1] + "…")


def _initial(plot: _Plot, initial: int) -> str:
    width = plot.x(initial - 0.5) - LEFT
    words = f"<title>the first {initial} batches train the first model</title>"
    return f'<rect class="initial" x="{LEFT}" y="{TOP}" width="{width:.1f}" height="{HEIGHT}">{words}</rect>'


def _grid(plot: _Plot, ticks: Iterable[float]) -> str:
    return "".join(
        f'<path class="grid" d="M{LEFT} {plot.y(tick):.1f}H{WIDTH - RIGHT}"/>'
        f'<text class="tick" x="{LEFT - 8}" y="{plot.y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        for tick in ticks
    )


def _guides(plot: _Plot, marks: Iterable[Mark]) -> str:
    """A line through the plot where a new version began to serve."""
    promoted = [mark for mark in marks if mark.shape == "promoted"]
    return "".join(f'<path class="guide" d="M{plot.x(mark.at):.1f} {TOP}v{HEIGHT}"/>' for mark in promoted)


def _line(plot: _Plot, line: Line) -> str:
    drawn, pen = [], "M"
    for batch, value in enumerate(line.values):
        if value is None:
            pen = "M"
            continue
        drawn.append(f"{pen}{plot.x(batch):.1f} {plot.y(value):.1f}")
        pen = "L"
    return f'<path class="line {line.style}" d="{"".join(drawn)}"><title>{escaped(line.name)}</title></path>'


def _lanes(plot: _Plot, lanes: Mapping[str, Sequence[Mark]]) -> str:
    parts = []
    for place, (name, marks) in enumerate(lanes.items()):
        y = TOP + HEIGHT + GAP + LANE * (place + 0.5)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="lane" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escaped(name)}</text>')
        parts += [f"{_shape(mark, plot.x(mark.at), y)}" for mark in marks]
    return "".join(parts)


def _shape(mark: Mark, x: float, y: float) -> str:
    title = f"<title>{escaped(mark.title)}</title>"
    if mark.shape in ("promoted", "kept"):
        return f'<circle class="{mark.shape}" cx="{x:.1f}" cy="{y:.1f}" r="6">{title}</circle>'
    if mark.shape == "drift":
        return f'<path class="drift" d="M{x:.1f} {y - 6:.1f}l6 11h-12z">{title}</path>'
    if mark.shape == "held":
        return f'<rect class="held" x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10">{title}</rect>'
    return f'<rect class="{mark.shape}" x="{x - 2:.1f}" y="{y - 6:.1f}" width="4" height="12">{title}</rect>'


def _batches(plot: _Plot, y: float) -> str:
    step = next((one for one in (1, 2, 5, 10, 20, 50, 100, 200, 500) if plot.count / one <= 12), 1000)
    numbers = "".join(
        f'<text class="tick" x="{plot.x(batch):.1f}" y="{y:.1f}" text-anchor="middle">{batch}</text>'
        for batch in range(0, plot.count, step)
    )
    middle = (LEFT + WIDTH - RIGHT) / 2
    return f'{numbers}<text class="tick" x="{middle:.0f}" y="{y + 18:.1f}" text-anchor="middle">batch</text>'
