"""The second example: runs driftd on a generated shop and plays its days into its folder.

The catalogue and the first forty days are there from the start. A visitor then asks, does something, and is answered
otherwise at once; each later day is dropped when driftd is done with the one before.
"""

import json
import shlex
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import pyarrow.csv

from daemon.config.config import Config, model_data_dir
from daemon.tools.demo import shop
from daemon.tools.demo.playing import Daemon, Quiet, place, rest, run, say, shown, write

MODEL = "shop"
FIRST_DAYS = 40
CATALOGUE_DAYS = 7  # so often the file of items is renewed
QUIET_S = 1.5  # a day without a cycle after so long is done
VISITOR, K = "u0042", 5
TOLD = {
    shop.COLLECTION_DAY: "a new collection: half of the old items are sold out, and nobody knows the new ones yet",
    shop.BOT_DAY: f"among its visitors is {shop.BOT}, who opens {shop.BOT_EVENTS} times the same item",
}


class Days:
    """The generated days as files, and the catalogue as it stands on one."""

    def __init__(self, work: Path) -> None:
        self._work, self._catalogue = work, shop.catalogue()
        self.files = shop.write(work)

    def place(self, day: int, folder: Path) -> bool:
        """Have a day in the folder, and before it the catalogue where that is renewed; False if it was there."""
        if (
            not (folder / self.files[day].name).exists()
            and day % CATALOGUE_DAYS == shop.COLLECTION_DAY % CATALOGUE_DAYS
        ):
            items = self._work / "items.csv"
            pyarrow.csv.write_csv(self._catalogue.table(day), items)
            place(items, folder, again=True)
        return place(self.files[day], folder)


def place_first(config: Config, days: Days) -> None:
    """Have the first days in the folder before the daemon looks."""
    folder = model_data_dir(config, MODEL)
    placed = [day for day in range(FIRST_DAYS) if days.place(day, folder)]
    if placed:
        say(f"placed items.csv and {len(placed)} days of events in {shown(folder)}")
    else:
        say(f"going on from {shown(folder)}, where {len(list(folder.glob('2024-*.csv')))} days are already")


def play(daemon: Daemon, config: Config, days: Days) -> NoReturn:
    """The story: a first version, a visitor, then day after day."""
    folder = model_data_dir(config, MODEL)
    daemon.until(lambda: recommended(daemon) is not None)
    tell_visit(daemon, sum((folder / file.name).exists() for file in days.files))
    for day, file in enumerate(days.files):
        if not days.place(day, folder):
            continue
        say(f"dropped {file.name}" + (f": {TOLD[day]}" if day in TOLD else ""))
        daemon.until(Quiet(daemon, MODEL, file.name, QUIET_S))
    rest(daemon, f"all {shop.DAYS} days are in.", ("status", f"history {MODEL}", "explain", f"files {MODEL}"))


def recommended(daemon: Daemon) -> dict[str, Any] | None:
    """What the visitor is recommended now; None while there is no answer."""
    return daemon.post(f"/models/{MODEL}/recommend", {"users": [VISITOR], "k": K, "explain": True})


def tell_visit(daemon: Daemon, there: int) -> None:
    """A visitor asks, puts an item into the cart at the end of the days that are there, and asks again."""
    answer = recommended(daemon)
    if answer is None:
        return
    say(f"{answer['version']} is served. Ask it, in another terminal, what to recommend to {VISITOR}:")
    tell_curl(daemon, "recommend", {"users": [VISITOR], "k": K, "explain": True})
    tell_list(answer)
    bought = answer["recommendations"][0]["items"][-1]["item"]
    moment = f"{shop.START + timedelta(days=there):%Y-%m-%dT%H:%M:%S.000Z}"  # now would be years after the log
    event = {"events": [{"user": VISITOR, "item": bought, "type": "cart", "time": moment}]}
    say(f"{VISITOR} puts {bought} into the cart; the shop posts that:")
    tell_curl(daemon, "feedback", event)
    if daemon.post(f"/models/{MODEL}/feedback", event) is None:
        return
    daemon.until(lambda: (recommended(daemon) or answer)["counters_as_of"] >= moment)
    say("and is recommended, without any training:")
    tell_list(recommended(daemon) or answer)


def tell_curl(daemon: Daemon, what: str, body: Any) -> None:
    """A request that works when pasted."""
    request = shlex.quote(json.dumps(body))
    write(f"\ncurl -s {daemon.url}/models/{MODEL}/{what} -H 'content-type: application/json' -d {request}\n")


def tell_list(answer: dict[str, Any]) -> None:
    """An item a line, with what speaks for it."""
    for item in answer["recommendations"][0]["items"]:
        because = ", ".join(one["item"] for one in item.get("because", ()))
        write(f"      {item['item']}" + (f"   because of {because}" if because else f"   {item['source']}"))


def main(folder: Path) -> int:
    """Run until Ctrl-C; the exit status."""
    with tempfile.TemporaryDirectory(prefix="driftd-shop-") as work:
        days = Days(Path(work))
        return run(
            folder, MODEL, lambda config: place_first(config, days), lambda daemon, config: play(daemon, config, days),
            "--recommender",
        )  # fmt: skip
