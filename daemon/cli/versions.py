"""`driftd versions MODEL`: its versions and their evaluations."""

from collections.abc import Sequence
from typing import Any

from daemon.cli.arguments import Json, ModelArgument
from daemon.cli.output import print_json, print_table, when
from daemon.cli.session import SESSION, known_model
from daemon.reports.forecast import in_interval
from daemon.reports.performance import BLIND
from retrain.planning.forecast_words import COVERS

COLUMNS = (
    "  version", "made", "metric", "held-out", "expected", "realised", "in service", "rows", "cycle", "state"
)  # fmt: skip
OUTSIDE = " !"


def versions(model: ModelArgument, json: Json = False) -> None:
    """A model's versions, how they were evaluated, and which one is served."""
    from daemon.reports.versions import versions_of

    config = SESSION.config()
    known_model(config, model)
    with SESSION.ledger(config) as ledger, ledger.connect() as conn:
        found = versions_of(conn, config, model)
    facts = [version for _, version in found]
    if json:
        print_json(facts)
    elif not facts:
        print(f"{model} has no version yet; `driftd status` says what it waits for")
    else:
        shown = [
            [("→ " if t["served"] else "  ") + t["version"], when(row.created_at), t["metric"] or "",
             "" if t["value"] is None else f"{t['value']:.4f}", _expected(t), _realised(t),
             _in_service(t), f"{row.train_rows:,}", str(row.cycle_id), _state(row, t)]
            for row, t in found
        ]  # fmt: skip
        print_table(COLUMNS, shown)
        for one in facts:
            if one["rolled_back"] is not None:
                print(f"{one['version']} was rolled back: {one['rolled_back']['reason']}")
        for line in _legend(facts):
            print(line)
        if any(_in_service(t).startswith("≈") for t in facts):
            print(f"≈ estimated on rows without labels: {BLIND}")


def _state(row: Any, version: dict[str, Any]) -> str:
    """Whether it is stored, what its trial comes to where it did not simply pass, and whether it was rolled back."""
    parts, trial, undone = [str(row.state)], version["trial"], version["rolled_back"]
    if trial is not None and trial["outcome"] != "promoted":
        parts.append(trial["outcome"] or "on trial")
    if undone is not None:
        parts.append(f"rolled back {when(undone['at'])}")
    return ", ".join(parts)


def _expected(version: dict[str, Any]) -> str:
    """The 90 % interval of its gain over the champion of then."""
    forecast = version["forecast"]
    return "" if forecast is None else f"{forecast['low']:+.4f} to {forecast['high']:+.4f}"


def _realised(version: dict[str, Any]) -> str:
    """What its gain came to over the files after it, marked where the interval did not hold it."""
    realised, forecast = version["realised"], version["forecast"]
    if realised is None or forecast is None:
        return ""
    return f"{realised['difference']:+.4f}" + ("" if in_interval(realised, forecast) else OUTSIDE)


def _legend(versions: Sequence[dict[str, Any]]) -> list[str]:
    """What the expected and realised gains are, where there are any."""
    lines = [f"expected: {COVERS}"] if any(_expected(one) for one in versions) else []
    outside = any(_realised(one).endswith(OUTSIDE) for one in versions)
    return lines + (["! realised outside of the interval"] if outside else [])


def _in_service(version: dict[str, Any]) -> str:
    """The newest value with labels, else the newest estimate, marked."""
    if version["labelled"] is not None:
        return f"{version['labelled']['value']:.4f}"
    return "" if version["estimated"] is None else f"≈ {version['estimated']['value']:.4f}"
