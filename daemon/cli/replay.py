"""`driftd replay FILE…`: the daemon's decisions over history."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.arguments import Columns, Ignore, Json, known_task
from daemon.cli.interactions import BATCHES, INITIAL, TASK, EventOptions, one_thread, replay_interactions
from daemon.cli.late_labels import LateLabels, with_time
from daemon.cli.output import tell_result
from daemon.cli.progress import STEPS, progress_bars
from daemon.cli.session import SESSION, WRONG_USE, Exit, refusal_is_failure

if TYPE_CHECKING:
    from daemon.config.config import Config
    from daemon.tools.replay.subject import Request, Subject

BASELINE = re.compile(r"^(never|every([1-9]\d*)?)$")
Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="CSV, JSON, Parquet or Excel.", show_default=False)
]


def replay(
    files: Files,
    target: Annotated[str, typer.Option(help="The column to predict; enough without a configuration.")] = "",
    task: Annotated[
        str, typer.Option(help="classification or regression (default: by the target's values), or recommendation.")
    ] = "",
    user: Annotated[str, typer.Option(help="Of a recommendation: the column of users, with --item and --time.")] = "",
    item: Annotated[str, typer.Option(help="The column of items.")] = "",
    time: Annotated[str, typer.Option(help="The column of times of rows or events.")] = "",
    value: Annotated[str, typer.Option(help="A column of numbers, such as ratings, with --positive.")] = "",
    positive: Annotated[
        float | None, typer.Option(help="Events with a smaller value are known and teach nothing.", show_default=False)
    ] = None,
    event: Annotated[str, typer.Option(help="The column of event types.")] = "",
    event_weights: Annotated[str, typer.Option(help="What types count: view=1,buy=5; others count 1.")] = "",
    batches: Annotated[
        int | None,
        typer.Option(
            help="Pieces that a single file is cut into; default: 50, or fewer, of 100 rows; 30 of a recommendation.",
            min=3,
            show_default=False,
        ),
    ] = None,
    initial: Annotated[
        int | None,
        typer.Option(help="Batches that train the first model.", min=1, show_default="4; 6 of a recommendation"),
    ] = None,
    delay: Annotated[str, typer.Option(help="How late labels come: in batches, or 30d by the rows' times.")] = "0",
    label_time: Annotated[
        str, typer.Option(help="The column that says when each label came, with --time for the rows.")
    ] = "",
    arrival: Annotated[
        str,
        typer.Option(
            help="How labels come: random:5 (within 5 batches, or 30d), positives-only:5 (the others never), "
            "provisional:5 (first of another class), share:0.05 or rated:0.5 (of the rows, the others never)."
        ),
    ] = "",
    positives_first: Annotated[
        str, typer.Option(help="The positive class within so many batches (or 30d), the others after them.")
    ] = "",
    positive_class: Annotated[str, typer.Option(help="Which class that is; default: the rarest at first.")] = "",
    baselines: Annotated[
        str,
        typer.Option(
            help="never, every (best of four windows), everyN (each N batches); of a recommendation never, every, "
            "popularity; or none.",
            show_default="never,every; all of a recommendation",
        ),
    ] = "",
    config: Annotated[
        Path | None, typer.Option(help="A configuration whose settings apply, as with -c.", show_default=False)
    ] = None,
    model: Annotated[str | None, typer.Option(help="Its model, if it has several.", show_default=False)] = None,
    variant: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A further configuration to compare; may be repeated.", show_default=False),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write the result as one HTML file.", show_default=False)
    ] = None,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Try thresholds and budgets, and propose some with the evidence.")
    ] = False,
    approve_classes: Annotated[
        bool, typer.Option("--approve-classes", help="As if a person had approved each new class of the target.")
    ] = False,
    ignore: Ignore = None,
    columns: Columns = None,
    json: Json = False,
) -> None:
    """Run the daemon's own decisions over history: would this configuration have paid?

    FILE is cut into batches in the order of its rows (several files: a batch each). Each batch is served first, then
    its labels are shown, then the daemon's planner decides, exactly as it would have. The result is compared with never
    retraining and with retraining at every batch. Nothing is changed; no daemon and no state is needed.

    Labels that come late, class by class or never are replayed so: --delay, --label-time, --positives-first, --arrival.

    With --user, --item and --time, FILE is an event log and the task a recommendation: live counters, a trained version
    and their blend, against popularity, never and always retraining.

    Examples:

      driftd replay history.parquet --target late

      driftd replay months/*.csv --target late --initial 3 --html replay.html

      driftd -c config.toml replay history.csv --model flights --variant cheaper.toml --delay 2

      driftd replay history.csv --target fraud --time at --label-time told_at

      driftd replay history.csv --target late --baselines never,every7 --suggest

      driftd replay clicks.csv --task recommendation --user visitor --item product --time at

    Exit status: 0 done, 2 wrong use or bad configuration, 3 the files cannot be replayed."""
    options = EventOptions(user, item, time, value, positive, event, event_weights)
    late = LateLabels(delay, label_time, arrival, positives_first, positive_class)
    if task == TASK or replace(options, time="").given or (time and not (target or config or SESSION.named)):
        others = {
            "--target": target, "--config": config, "--model": model, "--variant": variant, "--suggest": suggest,
            **late.given, "--approve-classes": approve_classes, "--ignore": ignore, "--columns": columns,
        }  # fmt: skip
        _only_interactions(task, others)
        _check_batches(batches or BATCHES, initial or INITIAL, 1, html)
        replay_interactions(files, options, batches or BATCHES, initial or INITIAL, baselines, html, json)
        return
    one_thread()
    from daemon.tools.replay.subject import Request

    initial = initial or 4
    config = config or (SESSION.config_path if SESSION.named else None)
    names = _baselines(baselines or "never,every")
    known_task(task)
    _check_batches(batches, initial, len(files), html)
    subject = with_time(_subject(files, target, task, config, model), time)
    subject = replace(subject, ignore=tuple(ignore or ()), columns=tuple(columns or ()))
    variants = _variants(variant or [], subject, model)
    executor = _executor(config) if variants else None
    result = _run(
        Request(files, subject, batches, initial, late.times(), names, variants, suggest, approve_classes, executor)
    )
    from daemon.reports.replay_text import render
    from drift.report.replay import replay_page

    tell_result(result, render, replay_page, html, json)


def _baselines(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == ["none"]:
        return []
    for name in names:
        if not BASELINE.match(name):
            raise Exit(WRONG_USE, f"--baselines has {name!r}; expected never, every, or everyN such as every7")
    return list(dict.fromkeys(names))


def _only_interactions(task: str, others: Mapping[str, object]) -> None:
    """Exit 2 for another task, and for options that do not go with an event log."""
    if task not in ("", TASK):
        raise Exit(WRONG_USE, f"--user, --item and --time are of --task recommendation, not of {task}")
    wrong = [name for name, value in others.items() if value]
    if wrong:
        raise Exit(
            WRONG_USE, f"{wrong[0]} does not go with a recommendation, whose columns are --user, --item and --time"
        )


def _check_batches(batches: int | None, initial: int, files: int, html: Path | None) -> None:
    total, what = (batches, "--batches") if files == 1 else (files, "files")
    if total is not None and initial + 2 > total:
        hint = "give fewer --initial batches" + (" or more --batches" if files == 1 else " or more files")
        raise Exit(WRONG_USE, f"--initial {initial} of {total} {what} leaves too few to replay; {hint}")
    if html is not None and not html.absolute().parent.is_dir():
        raise Exit(WRONG_USE, f"--html {html}: there is no folder {html.absolute().parent}")


def _subject(files: Sequence[Path], target: str, task: str, config: Path | None, model: str | None) -> "Subject":
    from daemon.tools.replay.subject import inferred_subject

    if config is None and (not target or model is not None) and SESSION.config_path.is_file():
        config = SESSION.config_path
    if config is not None:
        return _configured(config, model, target, task)
    if model is not None:
        raise Exit(WRONG_USE, f"--model {model} needs a configuration; name one with --config FILE")
    if not target:
        raise Exit(WRONG_USE, "name the column to predict with --target COLUMN, or a configuration with --config FILE")
    with refusal_is_failure(files[0]):
        return inferred_subject(files[0], target, task)


def _configured(path: Path, model: str | None, target: str, task: str) -> "Subject":
    from daemon.config.config import ConfigErrors, load_config
    from daemon.tools.replay.subject import configured_subject

    try:
        config = load_config(path)
    except ConfigErrors as error:
        raise Exit(WRONG_USE, str(error), names_file=True) from None
    with refusal_is_failure():
        return configured_subject(config, model, target, task)


def _executor(path: Path | None) -> "Config | None":
    """The configuration, where variants are played elsewhere by it."""
    from daemon.config.config import ConfigErrors, load_config

    path = path or SESSION.config_path
    try:
        config = load_config(path) if path.is_file() else None
    except ConfigErrors as error:
        raise Exit(WRONG_USE, str(error), names_file=True) from None
    return None if config is None or config.service.executor == "local" else config


def _variants(paths: Sequence[Path], subject: "Subject", model: str | None) -> list["Subject"]:
    from daemon.tools.replay.subject import named_apart

    found = []
    for path in paths:
        other = _configured(path, model, "" if model else subject.settings.target, "")
        for key in ("target", "task"):
            mine, its = getattr(subject.settings, key), getattr(other.settings, key)
            if mine != its:
                raise Exit(WRONG_USE, f"--variant {path}: {key} is {its!r}, the replay's is {mine!r}")
        found.append(replace(other, name=path.stem))
    return named_apart(found)


def _run(request: "Request") -> dict[str, Any]:
    from daemon.tools.replay.run import replay as run

    with (
        refusal_is_failure(),
        TemporaryDirectory(prefix="driftd-replay-") as work,
        progress_bars(STEPS, one_bar=False) as show,
    ):
        return run(request, Path(work), show)
