"""`driftd files MODEL`: its data files and what became of them."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.arguments import Json, Last, ModelArgument
from daemon.cli.output import print_json, print_table, when
from daemon.cli.session import SESSION, known_model

if TYPE_CHECKING:
    from daemon.config.config import Config

MAX_UNREAD = 20
"""Lines of a table for files that are not read."""


def files(
    model: ModelArgument,
    held: Annotated[bool, typer.Option("--held", help="Only files kept out of training.")] = False,
    refused: Annotated[bool, typer.Option("--refused", help="Only files that were refused.")] = False,
    scored: Annotated[
        bool, typer.Option("--scored", help="Instead the files that were dropped to be scored, and their results.")
    ] = False,
    last: Last = 1000,
    json: Json = False,
) -> None:
    """A model's data files: what became of each, its rows, rejects and quality."""
    from daemon.ledger import checks, labels
    from daemon.ledger import files as data_files
    from daemon.reading.rejects import printable
    from daemon.reports.files import MAX_REJECTS, file_json, remark, settled_rows

    config = SESSION.config()
    known_model(config, model)
    if scored:
        _scored(config, model, "refused" if refused else None, last, json)
        return
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
            file_json(row, rejects.get(row.id, ()))
            | {"untested": untested.get(row.id), "settled": settled_rows(row, known, matures)}
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
                remark(r, untested.get(r.id), settled_rows(r, known, matures)),
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


def _scored(config: "Config", model: str, state: str | None, last: int, json: bool) -> None:
    """The files that were dropped to be scored, oldest first."""
    from daemon.ledger import scored

    shown = (
        "path", "state", "sha256", "result", "result_sha256", "version", "rows", "rejected", "logged", "reason", "at",
        "finished_at",
    )  # fmt: skip
    with SESSION.ledger(config) as ledger, ledger.connect() as conn:
        rows = scored.listed(conn, model, last, state)
    if json:
        print_json([{name: getattr(row, name) for name in shown} for row in rows])
    elif not rows:
        print("none")
    else:
        heads = ("file", "seen", "state", "version", "rows", "rejected", "told")
        cells = [
            (row.path, when(row.at), row.state, row.version or "", f"{row.rows:,}", f"{row.rejected:,}", _told(row))
            for row in rows
        ]
        print_table(heads, cells)


def _told(row: Any) -> str:
    """What is to be said of a file that was to be scored."""
    return row.reason or f"→ {row.result}"


def _unread(config: "Config", model: str) -> list[tuple[str, str]]:
    """Files in the data folder that are none by their names, and why they are not read."""
    from daemon.config.config import model_data_dir
    from daemon.config.patience import Patience
    from daemon.reading.look import scan, why_unread

    if config.models[model].data_uri is not None:  # a listing costs, and `driftd doctor` makes one
        return []
    intake, others, folder = config.models[model].intake, list[str](), model_data_dir(config, model)
    if not Patience().answers(folder):
        print(f"{folder} does not answer: files in it that are not read cannot be listed", file=sys.stderr)
        return []
    for _ in scan(folder, intake.patterns, intake.recursive, others):
        pass
    return [(path, why_unread(path)) for path in sorted(others)]
