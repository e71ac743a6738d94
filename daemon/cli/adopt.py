"""`driftd adopt MODEL FILE…`: a fitted pipeline becomes the champion."""

from pathlib import Path
from typing import Annotated

import typer

from daemon.cli.arguments import Json, ModelArgument
from daemon.cli.request import request
from daemon.cli.session import NO, SESSION, Exit, known_model
from retrain.records.errors import Refused


def adopt(
    model: ModelArgument,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE…",
            help="model.skops; or with --trust model.joblib, beside it the file.py of code that it needs, or "
            "file.py:function, which is called with its path and returns the pipeline.",
            show_default=False,
        ),
    ],
    rows: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Labelled rows to prove and describe it with, in place of those of the data folder.",
            show_default=False,
        ),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Run the code that the files hold: you know who wrote them.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of a champion.")] = False,
    json: Json = False,
) -> None:
    """Make a fitted pipeline of scikit-learn the champion; retraining clones it.

    Its inputs are the columns that it was fitted on, as the data files have them, and its answers are its own. A skops
    file holds no code; reading a joblib file runs whatever code it holds, so that it needs --trust. The files are
    copied: they need not stay.

    driftd adopt flights model.skops"""
    from daemon.tools.adopt import bring, sources_of

    config = SESSION.config()
    known_model(config, model)
    with SESSION.ledger(config) as ledger:
        try:
            about = bring(config, ledger, model, sources_of(files), rows, trust, replace)
        except Refused as error:
            raise Exit(NO, str(error)) from None
    request("adopt", {"model": model, **about}, json)
