"""`driftd compare REFERENCE CURRENT`: did the data drift?"""

from pathlib import Path
from typing import Annotated, Any

import typer

from daemon.cli.arguments import Columns, Ignore, Json, MinEffect
from daemon.cli.output import console, print_json, write_page
from daemon.cli.progress import STEPS, progress_bars
from daemon.cli.session import NO, Exit, imports_at_once, refusal_is_failure


def compare(
    reference: Annotated[
        Path, typer.Argument(metavar="REFERENCE", help="What it was: CSV, JSON, Parquet or Excel.", show_default=False)
    ],
    current: Annotated[Path, typer.Argument(metavar="CURRENT", help="What it is now.", show_default=False)],
    alpha: Annotated[float, typer.Option(help="False alarm rate of the whole comparison.", min=1e-9, max=0.5)] = 0.05,
    exact: Annotated[
        bool, typer.Option("--exact", help="Exact Wasserstein distances, and further statistics of each column.")
    ] = False,
    calendar: Annotated[bool, typer.Option("--calendar", help="Compare hour and weekday of dates too.")] = False,
    min_effect: MinEffect = None,
    ignore: Ignore = None,
    columns: Columns = None,
    multivariate: Annotated[
        bool, typer.Option("--multivariate", help="Test all columns together: domain classifier, MMD, PCA.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="Also write the report as one HTML file.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Compare two data files column by column: did the data drift? Status 1 means yes."""
    with imports_at_once():
        from daemon.reports.compare_text import render
        from daemon.tools.compare import compare as run
        from drift.check.check_columns import MIN_EFFECT

    shapes: dict[str, dict[str, Any]] | None = None if html is None else {}
    with refusal_is_failure(), progress_bars(STEPS) as show:
        result = run(
            reference, current, alpha, exact, MIN_EFFECT if min_effect is None else min_effect, calendar=calendar,
            multivariate=multivariate, ignore=ignore or (), columns=columns or (), shapes=shapes,
            progress=lambda name, number, total: show(f"comparing {name}", number - 1, total),
        )  # fmt: skip
    if html is not None and shapes is not None:
        from drift.report.compare import compare_page

        write_page(html, compare_page(result, shapes))
    if json:
        print_json(result)
    else:
        render(result, console())
    raise Exit(NO if result["drift"] else 0)
