"""`driftd demo [DIR]`: the service on an example."""

from pathlib import Path
from typing import Annotated

import typer

from daemon.cli.session import SESSION, WRONG_USE, Exit


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where it is played: configuration, data and state.")
    ] = Path("driftd-demo"),
    recommender: Annotated[
        bool, typer.Option("--recommender", help="The second example: a shop that recommends.")
    ] = False,
) -> None:
    """Run the service on an example, flights of a year or a shop, until Ctrl-C; again goes on from there.

    DIR is made where it is missing, with the example's config.toml. Months of real flights, or days of a generated
    shop, are dropped into its data folder one after the other, and what driftd makes of each is told."""
    if SESSION.named:
        raise Exit(WRONG_USE, "the example has its own configuration, config.toml in DIR: leave -c out")
    if recommender:
        from daemon.tools.demo.shop_story import main
    else:
        from daemon.tools.demo.flights_story import main
    raise Exit(main(folder))
