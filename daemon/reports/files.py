"""A model's data files: what became of each, as JSON and in a few words."""

from collections.abc import Sequence
from typing import Any

from daemon.reading.rejects import printable
from daemon.reports.iso import iso
from retrain.records.label_state import LabelState

MAX_REJECTS = 100
"""Rejected rows of each file in `--json`."""


def file_json(row: Any, rejects: Sequence[Any]) -> dict[str, Any]:
    """As `driftd files --json` has it, with its first rejected rows."""
    keys = (
        "path", "state", "kind", "source", "sha256", "size", "rows", "labelled_rows", "rejected", "reason", "quality",
        "snapshot", "quarantine",
    )  # fmt: skip
    return {key: getattr(row, key) for key in keys} | {
        "path": printable(row.path),
        "taken": iso(row.at),
        "rejects": [{"line": r.line, "column": r.column, "reason": r.reason, "raw": r.raw} for r in rejects],
    }


def settled_rows(row: Any, known: LabelState | None, matures: bool) -> int | None:
    """Of how many rows of a file the label may be believed, where some may not be yet: because of a configured
    maturity, or because the file waits; None of others."""
    if known is None or row.kind != "rows" or row.state != "accepted" or row.seq < known.from_seq:
        return None
    younger = matures and (known.up_to is None or (row.last_time or row.at) > known.up_to)
    return known.by_file.get(row.seq, 0) if younger or known.trust.get(row.seq) == "waiting" else None


def remark(row: Any, untested: str | None, settled: int | None = None) -> str:
    """The reason, or what the quality report found and why nothing was tested, in a few words."""
    quality = row.quality or {}
    if row.reason or quality.get("hint"):
        return printable(row.reason or quality["hint"])
    remarks = [printable(text) for text in (*quality.get("unclear", ()), *quality.get("notes", ()))]
    remarks += [f"not tested: {untested}"] if untested else []
    if settled is not None and settled < row.rows:
        remarks.append(f"labels wait: those of {settled:,} rows count so far")
    remarks += [printable(quality["advice"])] if quality.get("advice") else []
    remarks += [f"{quality['duplicate_rows']:,} rows equal an earlier one"] if quality.get("duplicate_rows") else []
    remarks += _counts(quality, "future_times")
    if joined := quality.get("joined"):
        remarks += [f"{joined['joined']:,} of {joined['labels']:,} labels joined", *filter(None, [joined["hint"]])]
    unknown = quality.get("withheld_classes") or {}
    if unknown:
        most = sorted(unknown.items(), key=lambda one: -one[1])[:3]
        remarks.append("do not count: " + ", ".join(f"{rows:,} of {printable(repr(name))}" for name, rows in most))
    for name, counts in (quality.get("columns") or {}).items():
        words = _counts(counts, "unseen", "out_of_range", "infinite")
        remarks += [f"{printable(name)}: {', '.join(words)}"] if words else []
    return "; ".join(remarks[:4])


def _counts(counts: dict[str, Any], *keys: str) -> list[str]:
    return [f"{counts[key]:,} {key.replace('_', ' ')}" for key in keys if counts.get(key)]
