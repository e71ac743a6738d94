"""`driftd files MODEL`: its data files and what became of them."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.arguments import Json, Last, ModelArgument
from daemon.cli.output import iso, print_json, print_table, when
from daemon.cli.session import SESSION, known_model

if TYPE_CHECKING:
    from daemon.config.config import Config
    from retrain.records.label_state import LabelState

MAX_REJECTS = 100
"""Rejected rows of each file in `--json`."""
MAX_UNREAD = 20
"""Lines of a table for files that are not read."""


def files(
    model: ModelArgument,
    held: Annotated[bool, typer.Option("--held", help="Only files kept out of training.")] = False,
    refused: Annotated[bool, typer.Option("--refused", help="Only files that were refused.")] = False,
    last: Last = 1000,
    json: Json = False,
) -> None:
    """A model's data files: what became of each, its rows, rejects and quality."""
    from daemon.ledger import checks, labels
    from daemon.ledger import files as data_files
    from daemon.reading.rejects import printable

    config = SESSION.config()
    known_model(config, model)
    state = "held" if held else "refused" if refused else None
    with SESSION.ledger(config) as ledger, ledger.connect() as conn:
        rows = data_files.listed(conn, model, state, last)
        known, matures = labels.load(conn, model), config.models[model].labels.maturity is not None
        untested = checks.untested(conn, [row.id for row in rows])
        rejects = data_files.first_rejects(conn, [row.id for row in rows if row.rejected], MAX_REJECTS) if json else {}
    others = [] if state else _unread(config, model)
    if json:
        unread = [{"path": printable(path), "state": "unread", "reason": why} for path, why in others]
        told = [
            _file(row, rejects.get(row.id, ()))
            | {"untested": untested.get(row.id), "settled": _settled(row, known, matures)}
            for row in rows
        ]
        print_json([*told, *unread])
    elif not rows and not others:
        print("none")
    else:
        shown = [
            [
                printable(r.path),
                when(r.at),
                r.state,
                f"{r.rows:,}",
                f"{r.labelled_rows:,}",
                str(r.rejected),
                _remark(r, untested.get(r.id), _settled(r, known, matures)),
            ]
            for r in rows
        ]
        shown += [[printable(path), "", "unread", "", "", "", why] for path, why in others[:MAX_UNREAD]]
        print_table(("file", "taken", "state", "rows", "labelled", "rejected", "told"), shown)
        if any(row.state == "refused" for row in rows):
            print(
                "\na refused file is looked at again when it changes, and after a reload or a start with other "
                "columns, roles or intake options"
            )
        if any(row.state == "held" for row in rows):
            print(
                "\nheld files are checked and teach nobody: `driftd release FILE` lets one teach, "
                "`driftd forget FILE` drops it for good"
            )


def _unread(config: "Config", model: str) -> list[tuple[str, str]]:
    """Files in the data folder that are none by their names, and why they are not read."""
    from daemon.config.config import model_data_dir
    from daemon.config.patience import Patience
    from daemon.reading.look import scan, why_unread

    intake, others, folder = config.models[model].intake, list[str](), model_data_dir(config, model)
    if not Patience().answers(folder):
        print(f"{folder} does not answer: files in it that are not read cannot be listed", file=sys.stderr)
        return []
    for _ in scan(folder, intake.patterns, intake.recursive, others):
        pass
    return [(path, why_unread(path)) for path in sorted(others)]


def _file(row: Any, rejects: Sequence[Any]) -> dict[str, Any]:
    from daemon.reading.rejects import printable

    keys = (
        "path", "state", "kind", "source", "sha256", "size", "rows", "labelled_rows", "rejected", "reason", "quality",
        "snapshot", "quarantine",
    )  # fmt: skip
    return {key: getattr(row, key) for key in keys} | {
        "path": printable(row.path),
        "taken": iso(row.at),
        "rejects": [{"line": r.line, "column": r.column, "reason": r.reason, "raw": r.raw} for r in rejects],
    }


def _settled(row: Any, known: "LabelState | None", matures: bool) -> int | None:
    """Of how many rows of a file the label may be believed, where some may not be yet: because of a configured
    maturity, or because the file waits; None of others."""
    if known is None or row.kind != "rows" or row.state != "accepted" or row.seq < known.from_seq:
        return None
    younger = matures and (known.up_to is None or (row.last_time or row.at) > known.up_to)
    return known.by_file.get(row.seq, 0) if younger or known.trust.get(row.seq) == "waiting" else None


def _remark(row: Any, untested: str | None, settled: int | None = None) -> str:
    """The reason, or what the quality report found and why nothing was tested, in a few words."""
    from daemon.reading.rejects import printable

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
