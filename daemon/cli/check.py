"""`driftd check FILE`: a file against the champion's reference."""

from typing import Any

from daemon.cli.arguments import Columns, DataFile, Ignore, Json, MinEffect, ModelOption
from daemon.cli.output import console, print_json
from daemon.cli.session import NO, SESSION, Exit, only_model, refusal_is_failure
from daemon.reports.performance import estimate_sentence, reference_words, rise_sentence
from drift.notation import counted


def check(
    file: DataFile,
    model: ModelOption = None,
    min_effect: MinEffect = None,
    ignore: Ignore = None,
    columns: Columns = None,
    json: Json = False,
) -> None:
    """Judge a file against the champion's reference; changes nothing. Status 1 means drift."""
    from daemon.reports.compare_text import render
    from daemon.tools.check_file import judge_file

    config = SESSION.config()
    model = only_model(config, model)
    with SESSION.ledger(config) as ledger, refusal_is_failure():
        result = judge_file(config, ledger, model, file, ignore or (), columns or (), min_effect)
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
    words = reference_words(performance)
    verdict = ": dropped" if performance["dropped"] else ""
    measured = f"{performance['metric']} {performance['value']:.4f} on {counted(performance['rows'], 'row')}"
    print(f"{measured}{words and f'; {words}'}{verdict}")
