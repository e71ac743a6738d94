"""Quality over time: measured values with their band, estimates dashed, and what happened as marks beneath."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from drift.notation import counted, score
from drift.report.charts import AREA, LINES_PX, SHAPES, Line, Mark, Values, nice_ticks, path_of, plot
from drift.report.page import table

LANES = (("drift", "drift"), ("promoted", "promoted"), ("rollback", "rolled back"), ("held", "held"))
"""Kinds of marks, from above, with the names of their lanes."""


def quality(
    metric: str,
    places: Sequence[str],
    measured: Values,
    bands: Sequence[tuple[float, float] | None],
    estimated: Values,
    evaluated: float | None,
    marks: Sequence[Mark],
    days: Sequence[str],
    ghosts: Sequence[Line] = (),
) -> Markup | str:
    """Values by file. `places` names the files, `days` says when they came; a band is the 95 % interval of a measured
    value, and a `None` leaves a gap. `evaluated` is the value of the evaluation of what is served; `ghosts` are what
    would have been. Nothing where fewer than two values are known."""
    known = [value for value in (*measured, *estimated) if value is not None]
    if len(known) < 2:
        return ""
    ghosts = [one for one in ghosts if sum(value is not None for value in one.values) > 1]
    ends = [end for band in bands if band is not None for end in band] + _one(evaluated)
    ends += [value for one in ghosts for value in one.values if value is not None]
    ticks = nice_ticks(min([*known, *ends]), max([*known, *ends]))
    low, high = ticks[0], ticks[-1]
    lanes = {name: [mark for mark in marks if mark.kind == kind] for kind, name in LANES}
    rows = [(name, day, *(score(one) if one is not None else "" for one in (value, estimate, *would)), _between(band))
            for name, day, value, estimate, band, *would in
            zip(places, days, measured, estimated, bands, *(one.values for one in ghosts), strict=True)]  # fmt: skip
    heads = [("file", ""), ("came", ""), (metric, "num"), ("estimated", "num"), *((one.name, "num") for one in ghosts),
             ("95 % interval", "num")]  # fmt: skip
    count = len(places)
    return plot(
        LINES_PX - 40, f"{metric} of {counted(count, 'file')}", f"From {low:g} to {high:g}.",
        caption=f"{metric} on labels, file by file",
        keys=[("measured", "line main", "M0 6h20"), ("95 % interval", "band", AREA),
              ("estimated, labels are not in", "line est", "M0 6h20"),
              *([("at its evaluation", "line evaluated", "M0 6h20")] if evaluated is not None else []),
              *((one.name, f"line ghost {one.style}", "M0 6h20") for one in ghosts),
              *((name, f"at {kind}", SHAPES[kind]) for kind, name in LANES if lanes[name])],
        axes="lanes", width=count, lanes={name: found for name, found in lanes.items() if found},
        y_labels=[(round(100 * at / (len(ticks) - 1), 2), f"{tick:g}") for at, tick in enumerate(reversed(ticks))],
        x_labels=_days(days), guides=[round(mark.at + 0.5, 1) for mark in marks if mark.kind == "promoted"],
        paths=[("band", _band(bands, low, high), ""), *_evaluated(evaluated, count, low, high),
               *((f"line ghost {one.style}", _through(one.values, low, high), one.name) for one in ghosts),
               ("line est", path_of(_joined(measured, estimated), low, high), "estimated"),
               ("line main", path_of(measured, low, high), "measured")],
        numbers=table(heads, list(reversed(rows)), folded=True),
    )  # fmt: skip


def _through(values: Values, low: float, high: float) -> str:
    """A line through all known values, also where some between are not known."""
    known = [(at, value) for at, value in enumerate(values) if value is not None]
    return "M" + "L".join(f"{at + 0.5:g} {100 * (high - value) / (high - low):.1f}" for at, value in known)


def _one(value: float | None) -> list[float]:
    return [] if value is None else [value]


def _between(band: tuple[float, float] | None) -> str:
    return "" if band is None else f"{score(band[0])} to {score(band[1])}"


def _joined(measured: Values, estimated: Values) -> list[float | None]:
    """Estimates where nothing is measured, and the measured values beside them, so that the lines meet."""
    lacks = [value is None for value in measured]
    shown = []
    for at, (value, estimate) in enumerate(zip(measured, estimated, strict=True)):
        near = any(lacks[max(0, at - 1) : at + 2])
        shown.append(estimate if value is None else value if near else None)
    return shown


def _evaluated(value: float | None, count: int, low: float, high: float) -> list[tuple[str, str, str]]:
    if value is None:
        return []
    height = 100 * (high - value) / (high - low)
    return [("line evaluated", f"M0 {height:.1f}H{count}", "at its evaluation")]


def _band(bands: Sequence[tuple[float, float] | None], low: float, high: float) -> str:
    """An area for each run of files that have an interval."""
    drawn, run = [], list[tuple[float, float, float]]()
    for at, band in enumerate([*bands, None]):
        if band is not None:
            lower_y, upper_y = (100 * (high - end) / (high - low) for end in band)
            run.append((at + 0.5, lower_y, upper_y))
            continue
        if len(run) > 1:
            upper = "L".join(f"{x:g} {top:.1f}" for x, _, top in run)
            lower = "L".join(f"{x:g} {bottom:.1f}" for x, bottom, _ in reversed(run))
            drawn.append(f"M{upper}L{lower}Z")
        run = []
    return "".join(drawn)


def _days(days: Sequence[str]) -> list[tuple[float, str, str]]:
    count = len(days)
    chosen: Mapping[int, str] = {0: "start", count // 2: "middle", count - 1: "end"}
    return [(round(100 * (at + 0.5) / count, 2), anchor, days[at]) for at, anchor in chosen.items()]
