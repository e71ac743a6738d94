"""The model card of a recommender: what a version is, in Markdown, for people (Mitchell et al. 2019)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drift.notation import counted, date, number, percent, score
from retrain.recommendation.blend import Blend
from retrain.recommendation.version import LoadedRecommender, load_staged_recommender
from retrain.store.versions import environment

MAX_LISTED = 50
PARTIES = {"challenger": "this version", "champion": "champion", "baseline": "popularity at its best half-life"}
DAY_MS = 86_400_000


def render_card(folder: Path, name: str) -> str:
    """The card of the staged version in `folder`, from what its training and evaluation wrote."""
    version = load_staged_recommender(folder)
    sections = [
        _what(name, version),
        _data(version.training),
        _evaluation(version.evaluation),
        _blend(version.blend),
        _limits(version),
        _environment(),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _what(name: str, version: LoadedRecommender) -> str:
    training = version.training
    params = ", ".join(f"{key} = {value!r}" for key, value in sorted(training.get("params", {}).items()))
    return (
        f"# {training['model']} {name}\n\n"
        f"Recommends `{version.schema.target}` to users (recommendation).\n\n"
        f"- Estimator: `{training.get('estimator', 'EASE')}`, {params or 'default parameters'}\n"
        f"- Items that it knows: {len(version.items):,}; weights: {version.table.nnz:,}\n"
        f"- Unit of half-lives: {version.trained.unit_ms / DAY_MS:.2f} days"
    )


def _data(training: Mapping[str, Any]) -> str:
    lines = ["## Training data", "", f"- Events: {training.get('rows', 0):,}"]
    lines += [f"- {name.capitalize()}: {training[name]:,}" for name in ("users", "items") if name in training]
    if training.get("cut_time") is not None:
        lines.append(f"- Up to: {date(training['cut_time'])} (event time)")
    lines.append(f"- Snapshots: {len(training['snapshots'])}")
    lines += [f"  - `{digest}`" for digest in training["snapshots"][:MAX_LISTED]]
    lines += [f"- Note: {note}" for note in training.get("notes", ())]
    return "\n".join(lines)


def _evaluation(evaluation: Mapping[str, Any]) -> str:
    if not evaluation:
        return ""
    lines = [
        "## Evaluation", "",
        f"On {counted(evaluation.get('rows', 0), 'held-out moment')}.", "",
        f"| | {evaluation.get('metric', 'metric')} | standard error |", "|---|---|---|",
    ]  # fmt: skip
    for who, label in PARTIES.items():
        entry = evaluation.get(who)
        if isinstance(entry, Mapping):
            lines.append(f"| {label} | {_number(entry.get('value'))} | {_number(entry.get('se'))} |")
    if evaluation.get("reason"):
        lines += ["", str(evaluation["reason"])]
    lists = evaluation.get("lists") or {}
    if lists:
        lines += [
            "", f"Its lists of ten hold {percent(lists['coverage'])} of all items (Gini of exposure "
            f"{number(lists['gini'])}); {percent(lists['fallback_share'])} of them are answered by popularity alone.",
        ]  # fmt: skip
    return "\n".join(lines)


def _blend(blend: Blend) -> str:
    """The weights at training, the largest first; what is served follows the newest files."""
    ranked = sorted(blend.warm.items(), key=lambda one: -abs(one[1]))
    rows = [f"| {name} | {number(weight)} |" for name, weight in ranked if weight]
    seen = "left out of lists" if blend.exclude_seen else "kept in lists"
    head = ["## Blend", "", f"Learned on {counted(blend.choices, 'choice')}; items that a user had are {seen}.", ""]
    return "\n".join([*head, "| part | weight |", "|---|---|", *rows])


def _limits(version: LoadedRecommender) -> str:
    return "\n".join([
        "## Limits", "",
        f"- Items beyond the {len(version.items):,} that it knows are recommended by the live counters alone.",
        "- Users without a history are answered by popularity.",
        "- It answers what was chosen, not what was shown: what nobody saw could not be chosen.",
    ])  # fmt: skip


def _environment() -> str:
    packages = "\n".join(f"- {name} {version}" for name, version in environment().items())
    return f"## Environment\n\n{packages}"


def _number(value: Any) -> str:
    return "–" if value is None else score(value)
