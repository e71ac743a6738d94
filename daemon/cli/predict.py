"""`driftd predict FILE…`: files of rows, answered as the server would."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.arguments import Json, ModelOption
from daemon.cli.output import print_json
from daemon.cli.progress import ROWS, progress_bars
from daemon.cli.session import NO, SESSION, Exit, only_model, refusal_is_failure
from drift.notation import counted

if TYPE_CHECKING:
    from daemon.scoring.files import Job
    from daemon.scoring.score import Scored


def predict(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="Rows: Parquet, CSV, JSON or Excel, text also .gz.", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            show_default=False,
            help="The result; its ending says the format: .parquet, .csv or .jsonl, text also .gz. A folder takes the "
            "results of several files, each named as its file.",
        ),
    ],
    model: ModelOption = None,
    version: Annotated[
        str, typer.Option(help="Another version than the served one: v0003 or its whole name.", show_default=False)
    ] = "",
    prefix: Annotated[str, typer.Option(help="Put before the names of the answers' columns.", show_default=False)] = "",
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a file of which a row cannot be answered; status 1.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a result that is there already.")] = False,
    json: Json = False,
) -> None:
    """Answer the rows of files as the server would, to the bit, whether it runs or not.

    Beside its own columns each row of OUT has `prediction`, `probability_CLASS` for each class, and `version`, who
    answered; of a model that explores, `explored`. A file that has such a column already is refused; --prefix gives the
    answers other names. Rows whose values are not of the model's types are left out and listed, each with its line and
    reason, in OUT.rejects.jsonl. Files of any size take the same memory; OUT is there when it is whole.

    driftd predict tonight.csv --model flights -o scored.parquet"""
    from tempfile import TemporaryDirectory

    import pyarrow as pa

    from daemon.runtime.memory import one_arena
    from daemon.scoring import chosen, loaded
    from daemon.scoring.files import NotAll, jobs, score_file
    from daemon.scoring.score import Scorer

    # Flat memory: one thread, whose allocator gives back what a batch took.
    one_arena()
    pa.set_memory_pool(pa.system_memory_pool())
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)

    config = SESSION.config()
    name = only_model(config, model)
    settings = config.models[name]
    told: list[dict[str, Any]] = []
    with SESSION.ledger(config) as ledger, refusal_is_failure():
        chosen.refuse_unanswering(name, settings)
        work_list = jobs(files, out, force)
        with ledger.connect() as conn:
            deployment, promotion = chosen.deployment_of(conn, name, version)
            now = chosen.schema_now(conn, name, settings)
        served = chosen.load(config, name, deployment, promotion)
        how = loaded.how_to_read(served, now, settings, prefix)
        with TemporaryDirectory(prefix="driftd-predict-") as work, progress_bars(ROWS) as show:
            scorer = Scorer(served, how, settings.intake, Path(work))
            for job in work_list:
                try:
                    scored = score_file(job, scorer, strict, force, show)
                except NotAll as error:
                    raise Exit(NO, str(error)) from None
                told.append(_told(job, scored, served.name, name))
    if json:
        print_json(told)
        return
    for one in told:
        _tell(one)


def _told(job: "Job", scored: "Scored", version: str, model: str) -> dict[str, Any]:
    """What is said of a file, as plain JSON values."""
    return {
        "file": str(job.source), "out": str(job.out), "model": model, "version": version, "rows": scored.rows,
        "rejected": scored.rejected, "rejects": str(job.rejects) if scored.rejected else None,
        "columns": scored.answers, "notes": list(scored.notes),
    }  # fmt: skip


def _tell(one: dict[str, Any]) -> None:
    for note in one["notes"]:
        print(f"{one['file']}: {note}")
    print(f"{one['out']}: {counted(one['rows'], 'row')} answered by {one['version']} of {one['model']}")
    if one["rejected"]:
        print(f"{counted(one['rejected'], 'row')} cannot be answered: {one['rejects']} says why of each")
