"""The table as a picture: how many times off its goal each figure was, and is."""

import math
from collections.abc import Mapping
from html import escape

from benchmarks.floor.figures import FIGURES, short

WIDTH, LEFT, RIGHT, ROW, TOP = 960, 430, 120, 30, 64
LEAST, MOST = 1 / 8, 16.0
"""Times off the goal at both ends of the axis, which is logarithmic."""
MARKS = (0.25, 0.5, 1, 2, 4, 8)
HEADING = "times off the goal (left of the line it is met); ring: before, dot: now"
STYLE = """\
text { font: 14px system-ui, sans-serif; fill: #1f2430 } .quiet { fill: #667085; font-size: 12px }
.goal { stroke: #1f7a4d; stroke-width: 2 } .grid { stroke: #d9dde5 } .way { stroke: #98a2b3; stroke-width: 2 }
.before { fill: #fff; stroke: #98a2b3; stroke-width: 2 } .met { fill: #1f7a4d } .missed { fill: #b54708 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e9ef } .quiet { fill: #98a2b3 } .grid { stroke: #333b4a } .before { fill: #11151c }
}"""


def picture(measured: Mapping[str, float]) -> str:
    """SVG: a row a figure, left of the line where its goal is met; a ring is before, a dot now."""
    rows = [wanted for wanted in FIGURES if wanted.key in measured]
    height = TOP + ROW * len(rows) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>How many times off its goal each figure is</title>", f"<style>{STYLE}</style>",
        f'<text x="{LEFT}" y="20" class="quiet">{HEADING}</text>',
    ]  # fmt: skip
    for mark in MARKS:
        kind = "goal" if mark == 1 else "grid"
        parts.append(f'<line x1="{_x(mark):.1f}" x2="{_x(mark):.1f}" y1="46" y2="{height - 16}" class="{kind}"/>')
        parts.append(f'<text x="{_x(mark):.1f}" y="40" text-anchor="middle" class="quiet">{mark:g}×</text>')
    for number, wanted in enumerate(rows):
        y, value = TOP + ROW * number + ROW / 2, measured[wanted.key]
        before, now = _x(wanted.off(wanted.before)), _x(wanted.off(value))
        kind = "met" if wanted.off(value) <= 1 else "missed"
        parts += [
            f'<text x="{LEFT - 16}" y="{y + 5:.1f}" text-anchor="end">{escape(wanted.name)}</text>',
            f'<line x1="{before:.1f}" x2="{now:.1f}" y1="{y}" y2="{y}" class="way"/>',
            f'<circle cx="{before:.1f}" cy="{y}" r="5" class="before"/>',
            f'<circle cx="{now:.1f}" cy="{y}" r="6" class="{kind}"/>',
            f'<text x="{WIDTH - 8}" y="{y + 5:.1f}" text-anchor="end">{short(value)} {escape(wanted.unit)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _x(off: float) -> float:
    """Where so many times off the goal is."""
    share = math.log(min(max(off, LEAST), MOST) / LEAST) / math.log(MOST / LEAST)
    return LEFT + share * (WIDTH - LEFT - RIGHT - 8)
