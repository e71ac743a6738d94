"""`driftd versions MODEL`: its versions and their evaluations."""

from collections.abc import Sequence
from typing import Any

from daemon.cli.arguments import Json, ModelArgument
from daemon.cli.output import print_json, print_table, when
from daemon.cli.session import SESSION, known_model
from daemon.reports.performance import BLIND
from drift.notation import score
from retrain.planning.forecast_words import COVERS

COLUMNS = (
    "  version", "made", "metric", "held-out", "expected", "realised", "in service", "rows", "cycle", "state"
)  # fmt: skip
OUTSIDE = " !"


def versions(model: ModelArgument, json: Json = False) -> None:
    """A model's versions, how they were evaluated, and which one is served."""
    from daemon.reports.forgotten import since_sentence
    from daemon.reports.versions import expected_cell, realised_cell, service_cell, versions_of

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
             "" if t["value"] is None else score(t['value']), expected_cell(t), realised_cell(t, OUTSIDE),
             service_cell(t), f"{row.train_rows:,}", str(row.cycle_id), _state(row, t)]
            for row, t in found
        ]  # fmt: skip
        print_table(COLUMNS, shown)
        for one in facts:
            if one["adopted"] is not None:
                file, digest = one["adopted"]["file"], one["adopted"]["digest"]
                print(f"{one['version']} was adopted from {file} (sha256 {digest[:12]})")
            if one["learned"] is not None:
                print(f"{one['version']} was {one['learned']}")
            if one["rolled_back"] is not None:
                print(f"{one['version']} was rolled back: {one['rolled_back']['reason']}")
            if one["forgotten"] is not None:
                print(f"{one['version']} {since_sentence(one['forgotten'])}")
        for line in _legend(facts):
            print(line)
        if any(service_cell(t).startswith("≈") for t in facts):
            print(f"≈ estimated on rows without labels: {BLIND}")


def _state(row: Any, version: dict[str, Any]) -> str:
    """Whether it is stored, what its trial comes to where it did not simply pass, and whether it was rolled back."""
    parts, trial, undone = [str(row.state)], version["trial"], version["rolled_back"]
    if trial is not None and trial["outcome"] != "promoted":
        parts.append(trial["outcome"] or "on trial")
    if undone is not None:
        parts.append(f"rolled back {when(undone['at'])}")
    return ", ".join(parts)


def _legend(versions: Sequence[dict[str, Any]]) -> list[str]:
    """What the expected and realised gains are, where there are any."""
    from daemon.reports.versions import expected_cell, realised_cell

    lines = [f"expected: {COVERS}"] if any(expected_cell(one) for one in versions) else []
    outside = any(realised_cell(one, OUTSIDE).endswith(OUTSIDE) for one in versions)
    return lines + (["! realised outside of the interval"] if outside else [])
