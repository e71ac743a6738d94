"""Commands that need no service: init, compare, check and doctor."""

from pathlib import Path
from typing import Annotated, Any

import typer

from daemon.cli.session import (
    FAILED,
    NO,
    SESSION,
    WRONG_USE,
    Exit,
    column_progress,
    console,
    known_model,
    print_json,
    write_page,
)
from daemon.reports.performance import estimate_sentence, rise_sentence

Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (init, compare, check, doctor):
        app.command()(command)


def init(
    file: Annotated[Path, typer.Argument(help="A data file: CSV, JSON lines or Parquet.", show_default=False)],
    target: Annotated[str, typer.Option(help="The column to predict.", show_default=False)],
    task: Annotated[str, typer.Option(help="classification or regression; default: by the target's values.")] = "",
    name: Annotated[str, typer.Option(help="The model's name; default: the file's.")] = "",
) -> None:
    """Look at a sample of a file and write a commented config.toml with the schema found in it."""
    from daemon.tools.init import write_config
    from retrain.records.errors import Refused

    if task not in ("", "classification", "regression"):
        raise Exit(WRONG_USE, f"--task is {task!r}; expected classification or regression")
    path = SESSION.config_path
    if path.exists():
        raise Exit(WRONG_USE, f"{path} exists; name another with `driftd -c FILE init …`, or move it away")
    try:
        for line in write_config(file, target, task, name, path):
            print(line)
    except Refused as error:
        raise Exit(FAILED, f"driftd: {error}") from None


def compare(
    reference: Annotated[Path, typer.Argument(help="What it was.", show_default=False)],
    current: Annotated[Path, typer.Argument(help="What it is now.", show_default=False)],
    alpha: Annotated[float, typer.Option(help="False alarm rate of the whole comparison.", min=1e-9, max=0.5)] = 0.05,
    exact: Annotated[
        bool, typer.Option("--exact", help="Exact Wasserstein distances, and further statistics of each column.")
    ] = False,
    calendar: Annotated[bool, typer.Option("--calendar", help="Compare hour and weekday of dates too.")] = False,
    multivariate: Annotated[
        bool, typer.Option("--multivariate", help="Test all columns together: domain classifier, MMD, PCA.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="Also write the report as one HTML file.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Compare two data files column by column: did the data drift? Status 1 means yes."""
    from daemon.reports.compare_text import render
    from daemon.tools.compare.compare import compare as run
    from retrain.records.errors import Refused

    shapes: dict[str, dict[str, Any]] | None = None if html is None else {}
    try:
        with column_progress() as told:
            result = run(
                reference,
                current,
                alpha,
                exact,
                calendar=calendar,
                multivariate=multivariate,
                shapes=shapes,
                progress=told,
            )
    except Refused as error:
        raise Exit(FAILED, f"driftd: {error}") from None
    if html is not None and shapes is not None:
        from drift.report.compare import compare_page

        write_page(html, compare_page(result, shapes))
    if json:
        print_json(result)
    else:
        render(result, console())
    raise Exit(NO if result["drift"] else 0)


def check(
    file: Annotated[Path, typer.Argument(help="A data file.", show_default=False)],
    model: Annotated[str, typer.Option(help="The model whose champion judges it.", show_default=False)],
    json: Json = False,
) -> None:
    """Judge a file against the champion's reference; changes nothing. Status 1 means drift."""
    from daemon.reports.compare_text import render
    from daemon.tools.check_file import judge_file
    from retrain.records.errors import Refused

    config = SESSION.config()
    known_model(config, model)
    ledger = SESSION.ledger(config)
    try:
        result = judge_file(config, ledger, model, file)
    except Refused as error:
        raise Exit(FAILED, f"driftd: {error}") from None
    finally:
        ledger.close()
    if json:
        print_json(result)
    else:
        render(result, console())
        _print_performance(result["performance"])
        for words in (rise_sentence(result["stream"]), estimate_sentence(result["estimated"])):
            print(words, end="\n" if words else "")
    dropped = any(found and found["dropped"] for found in (result["performance"], result["stream"]))
    raise Exit(NO if result["drift"] or dropped else 0)


def _print_performance(performance: dict[str, Any] | None) -> None:
    if performance is None or performance["value"] is None:
        return
    reference = performance["reference"]
    against = "" if reference is None else f" against {reference:.4f} at its evaluation"
    verdict = ": dropped" if performance["dropped"] else ""
    print(f"{performance['metric']} {performance['value']:.4f} on {performance['rows']:,} rows{against}{verdict}")


def doctor(json: Json = False) -> None:
    """Check configuration, folders, permissions, limits, environment, ledger and store, and say what to do.

    Status 1 means that something is bad, 2 that the configuration cannot be read."""
    from daemon.config.config import ConfigErrors, load_config
    from daemon.tools.doctor import Finding, examine

    try:
        findings = examine(load_config(SESSION.config_path))
        bad = NO if any(finding.level == "error" for finding in findings) else 0
    except ConfigErrors as error:
        findings, bad = [Finding("error", line) for line in error.errors], WRONG_USE
    if json:
        print_json([finding.__dict__ for finding in findings])
    else:
        marks = {"ok": "ok  ", "warning": "note", "error": "BAD "}
        for finding in findings:
            print(
                f"{marks[finding.level]} {finding.what}" + (f"\n       → {finding.way_out}" if finding.way_out else "")
            )
    raise Exit(bad)
