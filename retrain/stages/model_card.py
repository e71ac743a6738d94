"""The model card: what a version is, in Markdown, for people (Mitchell et al. 2019)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drift.notation import counted, score, signed
from retrain.model.preprocessing import MAX_CATEGORIES
from retrain.planning.forecast_words import COVERS, OVER, basis, expected_words
from retrain.records.schema import Schema
from retrain.store.versions import environment, read_json

MAX_LISTED = 50


def render_card(folder: Path, name: str) -> str:
    """The card of the staged version in `folder`, from what its training and evaluation wrote."""
    training = read_json(folder / "training.json")
    schema = Schema.from_json(read_json(folder / "schema.json"))
    metrics = folder / "metrics.json"
    evaluation = read_json(metrics) if metrics.exists() else {}
    sections = [
        _what(name, training, schema),
        _data(training),
        _evaluation(evaluation, None if is_as_brought(training) else training["prepare"].get("held_out")),
        _expectation(evaluation.get("forecast")),
        _features(schema),
        _limits(training, schema),
        _environment(),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _what(name: str, training: Mapping[str, Any], schema: Schema) -> str:
    classes = training["classes"]
    answer = "a number" if classes is None else f"one of {_listed(classes)}"
    params = ", ".join(f"{key} = {value!r}" for key, value in sorted(training["params"].items()))
    return (
        f"# {training['model']} {name}\n\n"
        f"Predicts `{schema.target}`, {answer} ({schema.task}).\n\n"
        f"- Estimator: `{training['estimator']}`, {_parameters(training, params)}\n"
        f"- Seed: {training['seed']}{_preparation(training)}"
    )


def _preparation(training: Mapping[str, Any]) -> str:
    """What prepares its rows, where that is the user's own code."""
    own = training.get("preparation")
    return "" if own is None else f"\n- Rows prepared by: `{own['name']}` (sha256 `{own['digest']}`)"


def _parameters(training: Mapping[str, Any], params: str) -> str:
    """Those of a configured estimator, or whose make an adopted one is."""
    origin = training.get("adopted")
    if origin is None:
        return params or "default parameters"
    source = f"`{origin['file']}` (sha256 `{origin['digest']}`)"
    own = f" with {params}" if params else ""
    return f"adopted from {source}" if "cloned" not in origin else f"a clone of what was adopted from {source}{own}"


def is_as_brought(training: Mapping[str, Any]) -> bool:
    """Whether nothing was trained here: it was adopted, and is no clone of what was."""
    origin = training.get("adopted")
    return origin is not None and "cloned" not in origin


def _data(training: Mapping[str, Any]) -> str:
    is_taken = is_as_brought(training)
    title = "Rows that it is described by" if is_taken else "Training data"
    lines = [f"## {title}", "", f"- Rows: {training['rows']:,}"]
    if training["window"] and not is_taken:
        lines.append(f"- Window: {training['window']}")
    if training["cut_time"] is not None:
        lines.append(f"- Up to: {_moment(training['cut_time'])} (event time)")
    lines.append(f"- Snapshots: {len(training['snapshots'])}")
    lines += [f"  - `{digest}`" for digest in training["snapshots"][:MAX_LISTED]]
    lines += [f"- Note: {note}" for note in training["notes"]]
    return "\n".join(lines)


def _moment(seconds: float) -> str:
    """As a date, where it is one: a time column of numbers may count something else.

    >>> _moment(0.0), _moment(1.78e12)
    ('1970-01-01 00:00 UTC', '1,780,000,000,000 s after 1970')
    """
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M UTC}"
    except (OverflowError, OSError, ValueError):
        return f"{seconds:,.0f} s after 1970"


def _evaluation(evaluation: Mapping[str, Any], held_out: str | None) -> str:
    if not evaluation:
        return ""
    lines = [
        "## Evaluation", "",
        f"On {counted(evaluation.get('rows', 0), 'held-out row')}{held_out and f': {held_out}'}.", "",
        f"| | {evaluation.get('metric', 'metric')} | standard error |", "|---|---|---|",
    ]  # fmt: skip
    for who in ("challenger", "champion", "baseline"):
        entry = evaluation.get(who)
        if isinstance(entry, Mapping):
            label = "this version" if who == "challenger" else who
            lines.append(f"| {label} | {_number(entry.get('value'))} | {_number(entry.get('se'))} |")
    if notes := evaluation.get("notes"):
        lines += ["", *(f"- Note: {note}" for note in notes)]
    if evaluation.get("reason"):
        lines += ["", str(evaluation["reason"])]
    return "\n".join(lines)


def _expectation(forecast: Mapping[str, Any] | None) -> str:
    """What the gate foretold of it, and what its earlier forecasts came to."""
    if forecast is None:
        return ""
    lines = [
        "## Expectation", "", f"Expected {OVER}: {expected_words(forecast)}.", "",
        *(f"- {one[0].upper()}{one[1:]}." for one in (COVERS, basis(forecast))),
        "- What it came to is in `driftd versions`.",
    ]  # fmt: skip
    if forecast.get("earlier"):
        lines += ["", "| earlier cycle | expected | interval | realised |", "|---|---|---|---|"]
    for one in forecast.get("earlier") or ():
        mean, low, high, came_to = (signed(one[key]) for key in ("mean", "low", "high", "realised"))
        lines.append(f"| {one['cycle']} | {mean} | {low} to {high} | {came_to} |")
    return "\n".join(lines)


def _features(schema: Schema) -> str:
    rows = [f"| `{column.name}` | {column.kind} |" for column in schema.features[:MAX_LISTED]]
    more = len(schema.features) - len(rows)
    table = "\n".join(["## Features", "", "| column | kind |", "|---|---|", *rows])
    return table + (f"\n\nand {more} more." if more else "")


def _limits(training: Mapping[str, Any], schema: Schema) -> str:
    unseen = (
        f"- Categories that were not in the training rows are treated as missing, as are all but the {MAX_CATEGORIES} "
        "(or fewer) most frequent ones."
    )
    if training.get("adopted") is not None:
        unseen = "- Missing values and unseen categories are answered as its own pipeline answers them."
    lines = [
        "## Limits",
        "",
        "- Valid for rows like those of its training window; driftd watches how far newer rows differ.",
        unseen,
    ]
    if schema.task == "classification":
        lines.append(f"- Classes other than {_listed(training['classes'])} are never predicted.")
    elif training.get("adopted") is None:
        lines.append("- Trees do not extrapolate: beyond the range of a feature in training they answer as at its end.")
    return "\n".join(lines)


def _environment() -> str:
    packages = "\n".join(f"- {name} {version}" for name, version in environment().items())
    return f"## Environment\n\n{packages}"


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:MAX_LISTED])
    return shown if len(names) <= MAX_LISTED else f"{shown} and {len(names) - MAX_LISTED} more"


def _number(value: Any) -> str:
    return "–" if value is None else score(value)
