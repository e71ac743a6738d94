"""The first example: runs driftd on real flights and plays the months into its folder.

January to March of 2013 are there from the start; each later month is dropped when driftd is done with the
one before.
"""

import json
import shlex
from pathlib import Path
from typing import NoReturn

from daemon.config.config import Config, model_data_dir
from daemon.tools.demo.playing import Daemon, Quiet, place, rest, run, say, shown, write

MONTHS = Path(__file__).with_name("flights")
MODEL = "flights"
FIRST_MONTHS = 3
QUIET_S = 12.0  # longer than the cool-down of config.toml: a month may still open its cycle that late

# Delta 2594 from JFK to San Antonio on Saturday, 14 December 2013, 19:00, in sleet: it arrived late.
FLIGHT = {
    "scheduled_departure": 1140, "scheduled_arrival": 1350, "weekday": "sat", "carrier": "DL",
    "origin": "JFK", "dest": "SAT", "distance": 1587, "plane_year": 1998, "plane_seats": 182,
    "plane_engines": 2, "temp": 30.02, "dewp": 26.06, "humid": 85.0, "wind_dir": 50.0,
    "wind_speed": 17.2617, "precip": 0.03, "pressure": 1021.1, "visib": 1.25,
}  # fmt: skip
ROW = {"rows": [FLIGHT]}
PREDICT = f"/models/{MODEL}/predict"


def place_first(config: Config) -> None:
    """Have the first months in the folder before the daemon looks."""
    folder = model_data_dir(config, MODEL)
    placed = [month.name for month in months()[:FIRST_MONTHS] if place(month, folder)]
    if placed:
        say(f"placed {', '.join(placed)} in {shown(folder)}")
    else:
        there = len(list(folder.glob("2013-*.parquet")))
        say(f"going on from {shown(folder)}, where {there} months are already")


def play(daemon: Daemon, config: Config) -> NoReturn:
    """The story: a first version, then month after month."""
    folder = model_data_dir(config, MODEL)
    daemon.until(lambda: daemon.post(PREDICT, ROW) is not None)
    tell_served(daemon)
    for month in months()[FIRST_MONTHS:]:
        if not place(month, folder):
            continue
        say(f"dropped {month.name} into {shown(folder)}: watch its check, and what driftd makes of it")
        daemon.until(Quiet(daemon, MODEL, month.name, QUIET_S))
    rest(daemon, "all twelve months are in.", ("status", f"history {MODEL}", "explain 2"))


def tell_served(daemon: Daemon) -> None:
    """Print a request that works when pasted, and its answer now."""
    answer = daemon.post(PREDICT, ROW)
    if answer is None:
        return
    say(f"{answer['version']} is served. Ask it, in another terminal, about a real flight in December sleet:")
    request = shlex.quote(json.dumps(ROW))
    write(f"\ncurl -s {daemon.url}{PREDICT} -H 'content-type: application/json' -d {request}\n")
    say(f"it answers: late? {answer['predictions'][0]}, {answer['probabilities'][0]}")


def months() -> list[Path]:
    """The example's files, in order."""
    return sorted(MONTHS.glob("2013-*.parquet"))


def main(folder: Path) -> int:
    """Run until Ctrl-C; the exit status."""
    return run(folder, MODEL, place_first, play)
