"""How far the labels of a model are in, and which are judged by, in words."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from daemon.cycles.label_warnings import wait_words
from daemon.ledger.files import path_of
from drift.notation import counted, percent
from retrain.records.label_state import Arrival, LabelState
from retrain.records.settings import LabelSettings, Maturity

MOST_CLASSES, MOST_FILES = 5, 12
"""Named in a sentence, and in a story."""
NEARLY_ALL = 0.995
"""Of the recent rows: from here on labels are not late."""


def labels_json(name: str, state: LabelState | None, settings: LabelSettings) -> dict[str, Any] | None:
    """As `driftd status --json` has it, with the sentence; None before labels were looked at, and where a model's are
    there with their rows."""
    if state is None:
        return None
    found = state.to_json() | {"wait": wait_words(name, state), "sentence": labels_sentence(state, settings)}
    return {key: value for key, value in found.items() if key not in ("by_file", "from_seq")}


def is_late(state: LabelState, settings: LabelSettings) -> bool:
    """Whether there is anything to tell: labels that come after their rows, that lack, or that are not believed."""
    lacking = state.recent_rows > 0 and state.recent_labelled < NEARLY_ALL * state.recent_rows
    late = any(one.slow > 0 for one in state.arrivals.values())
    return bool(lacking or late or state.trust or state.wait or settings.maturity is not None)


def labels_sentence(state: LabelState, settings: LabelSettings) -> str | None:
    """The line of `driftd status`; None where labels are there with their rows."""
    if not is_late(state, settings):
        return None
    share = percent(state.recent_labelled / state.recent_rows) if state.recent_rows else "none"
    parts = [f"of the {_recent(state)} {share} are in{_arrivals(state)}"]
    until = None if state.up_to is None else day(state.up_to)
    parts += [f"judged on settled ones up to {until}" if until and state.settled else "none is settled yet"]
    if state.selected:
        parts += ["who gets one depends on the answer"]
    if settings.maturity is not None:
        parts += [_configured(settings, settings.maturity)]
    return "; ".join(parts)


def settled_words(state: LabelState) -> str:
    """Which labels a cycle could use when it was opened.

    >>> settled_words(LabelState(rows=900, labelled=500, settled=300, classes={"no": 260, "yes": 40}))
    'of 900 rows 500 had a label, and 300 one that was settled ("no" 260, "yes" 40)'
    """
    classes = ", ".join(f'"{name}" {rows:,}' for name, rows in sorted(state.classes.items())[:MOST_CLASSES])
    counts = (
        f"of {counted(state.rows, 'row')} {state.labelled:,} had a label, and {state.settled:,} one that was settled"
    )
    parts = [counts + (f" ({classes})" if classes else "")]
    parts += [] if state.up_to is None else [f"these are rows up to {day(state.up_to)}"]
    parts += [f"labels came{_arrivals(state)}"] if _arrivals(state) else []
    return "; ".join(parts)


def labels_of_cycle(conn: Connection, cycle: Any) -> dict[str, Any] | None:
    """How far labels were in when a cycle was opened, and of the `files` that decided, how many rows were `settled`
    since when; None where labels were there with their rows."""
    told = cycle.trigger["evidence"]
    if "labels" not in told:
        return None
    state, settings = LabelState.from_json(told["labels"]), LabelSettings()
    if not is_late(state, settings) and state.next_at is None:
        return None
    files = [
        {"file": path_of(conn, cycle.model, seq) or f"file {seq}", "settled": rows, "at": at}
        for seq, rows, at in told.get("settled", ())
    ]
    return state.to_json() | {"sentence": settled_words(state), "files": files}


def labels_text(labels: Mapping[str, Any], when: Callable[[float], str] | None = None) -> str:
    """The same in words; `when` words moments, else local time."""
    shown = labels["files"][-MOST_FILES:]
    lines = [f"Labels when it was opened: {labels['sentence']}."]
    if more := len(labels["files"]) - len(shown):
        lines.append(f"  - {counted(more, 'file')} before these")
    return "\n".join([*lines, *(_settled(one, when or _second) for one in shown)])


def _settled(one: Mapping[str, Any], when: Callable[[float], str]) -> str:
    return f"  - {one['file']}: {counted(one['settled'], 'row')} settled by {when(one['at'])}"


def _second(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """As short as it can be read.

    >>> duration(172_800.0), duration(5400.0), duration(100.0)
    ('2 d', '1.5 h', '1.7 m')
    """
    for unit, length in (("d", 86_400.0), ("h", 3_600.0), ("m", 60.0)):
        if seconds >= length:
            return f"{round(seconds / length, 1):g} {unit}"
    return f"{seconds:.0f} s"


def day(seconds: float) -> str:
    """A date, in local time."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d")


def _recent(state: LabelState) -> str:
    if state.recent_s is not None:
        return f"last {duration(state.recent_s).replace(' d', ' days')}"
    return f"newest {counted(state.recent_files, 'file')}" if state.recent_files != 1 else "newest file"


def _arrivals(state: LabelState) -> str:
    """By class, within which time nine of ten labels come, the quickest first."""
    ordered = sorted(state.arrivals.items(), key=lambda entry: (entry[1].slow, entry[0]))
    if not any(one.slow > 0 for one in state.arrivals.values()):
        return ""
    more = f" and {len(ordered) - MOST_CLASSES} more" if len(ordered) > MOST_CLASSES else ""
    named = ", ".join(f'"{name}" {_after(one, state.unit)}' for name, one in ordered[:MOST_CLASSES])
    return f" ({named}{more})"


def _after(arrival: Arrival, unit: str) -> str:
    if arrival.slow <= 0:
        return "at once"
    return f"after {duration(arrival.slow) if unit == 'seconds' else counted(round(arrival.slow), 'file')}"


def _configured(settings: LabelSettings, maturity: Maturity) -> str:
    silence = "" if settings.negative is None else f', then silence means "{settings.negative}"'
    return f"labels count from an age of {maturity}{silence} (labels.maturity)"
