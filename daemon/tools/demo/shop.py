"""A small shop of outdoor gear, generated, CC0: a catalogue, and the log of a hundred days of its visitors.

What is in it, as in the log of a real shop:

- novelties: items come all the time, most people look at what is new, and interest halves every few weeks;
- a season: in the night to COLLECTION_DAY a new collection of every category comes, and half of the old is sold out;
- people: new ones every day, each with a style and a few categories, who come back to what they know, and go from
  an item to those that belong to it;
- one bad day: on BOT_DAY one account opens one item hundreds of times.

    python -m daemon.tools.demo.shop FOLDER     # items.csv, and a file of events a day
"""

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

START = datetime(2024, 3, 1, tzinfo=UTC)
DAYS, COLLECTION_DAY, BOT_DAY = 100, 60, 80
ITEMS, USERS, VISITS = 900, 2_000, 12_000
AT_START, IN_COLLECTION, SOLD_OUT = 0.4, 0.25, 0.5
"""Of all items: there from the start, new on COLLECTION_DAY, the others come one by one; and how many of the items
from the start are sold out when the collection comes."""
LIFE_DAYS, FLOOR = 20.0, 0.1
"""Half-life of an item's novelty, and what is left of the interest."""
BACK, BELONGS, ASTRAY = 0.06, 0.12, 0.1
"""Shares of events that go back to a known item, that go to an item that belongs to the last one, and, of the others,
that have nothing to do with the person's taste."""
PARTNERS = 4
"""Items that belong to one."""
BOT, BOT_ITEM, BOT_EVENTS = "u9999", 77, 500
BUY, CART = 0.05, 0.1
"""Shares of events; others are views."""
SEASON, PERIOD_DAYS = 0.7, 120
"""How much interest in a category swings, and how long that takes."""
CATEGORIES = (
    "tent", "sleeping bag", "stove", "backpack", "boots", "jacket", "lamp", "rope", "bottle", "map", "mat", "knife",
)  # fmt: skip
STYLES = ("Alpine", "Trail", "Family", "Ultralight", "Winter", "City", "River", "Desert")
"""An item's style is its brand."""
Codes = NDArray[np.int64]
Shares = NDArray[np.float64]


@dataclass(frozen=True)
class Catalogue:
    """Items (n,): category and style as places in the tuples above, days of launch and of the last in stock, how much
    people like it, and the items (n, PARTNERS) that belong to it."""

    category: Codes
    style: Codes
    launch: Codes
    until: Codes
    appeal: Shares
    price: Shares
    partners: Codes

    @cached_property
    def names(self) -> list[str]:
        """The item numbers, as the log has them."""
        return [f"sku-{place:04d}" for place in range(len(self.category))]

    def interest(self, day: int) -> Shares:
        """How much people look at each item on a day; 0 for what is not there."""
        age = day - self.launch
        there = (age >= 0) & (day <= self.until)
        return np.where(there, self.appeal * (FLOOR + np.exp2(-age / LIFE_DAYS)), 0.0)

    def table(self, day: int) -> pa.Table:
        """The file of items as it stands on a day: what is launched by then, and whether it is in stock."""
        there = np.flatnonzero(self.launch <= day)
        return pa.table({
            "item": [self.names[place] for place in there],
            "title": [self._title(int(place)) for place in there],
            "category": [CATEGORIES[self.category[place]] for place in there],
            "brand": [STYLES[self.style[place]] for place in there],
            "price": self.price[there],
            "available": pa.array(self.until[there] >= day),
        })  # fmt: skip

    def _title(self, place: int) -> str:
        return f"{STYLES[self.style[place]]} {CATEGORIES[self.category[place]]} No. {place}"


def catalogue(seed: int = 0) -> Catalogue:
    """All items that are ever sold."""
    rng = np.random.default_rng((seed, 1))
    draw = rng.random(ITEMS)
    launch = np.where(draw < AT_START, -rng.integers(0, 40, ITEMS), rng.integers(1, DAYS, ITEMS))
    launch[draw > 1 - IN_COLLECTION] = COLLECTION_DAY
    ends = (draw < AT_START) & (rng.random(ITEMS) < SOLD_OUT)
    style = rng.integers(0, len(STYLES), ITEMS)
    return Catalogue(
        category=rng.integers(0, len(CATEGORIES), ITEMS),
        style=style,
        launch=launch,
        until=np.where(ends, COLLECTION_DAY - 1, DAYS),
        appeal=rng.lognormal(0, 0.8, ITEMS),
        price=np.round(rng.lognormal(4, 0.7, ITEMS), 2),
        partners=_partners(rng, style, launch),
    )


def _partners(rng: np.random.Generator, style: Codes, launch: Codes) -> Codes:
    """Of each item some of the same style that came at about the same time."""
    found = np.empty((len(style), PARTNERS), np.int64)
    for place in range(len(style)):
        distance = np.abs(launch - launch[place]) + rng.uniform(0, 20, len(style)) + 1e6 * (style != style[place])
        distance[place] = np.inf
        found[place] = np.argsort(distance)[:PARTNERS]
    return found


def events(seed: int = 0) -> pa.Table:
    """The log (about 60,000 rows) in order of time: user, item, type ("view", "cart" or "buy") and time (UTC)."""
    rng, shop = np.random.default_rng((seed, 2)), catalogue(seed)
    people = _People(rng)
    rows: list[tuple[int, str, int]] = []
    for day in np.sort(rng.integers(0, DAYS, VISITS)):
        user, at = people.visitor(int(day)), int(day) * 86_400 + _time_of_day(rng)
        for item in people.visit(user, int(day), shop):
            rows.append((at, f"u{user:04d}", item))
            at += 2 + int(rng.exponential(60))
    times = BOT_DAY * 86_400 + np.sort(rng.choice(86_400, BOT_EVENTS, replace=False))
    rows += [(int(at), BOT, BOT_ITEM) for at in times]
    rows = sorted(row for row in rows if row[0] < DAYS * 86_400)
    kinds = np.select([(draw := rng.random(len(rows))) < BUY, draw < BUY + CART], ["buy", "cart"], "view")
    kinds[[user == BOT for _, user, _ in rows]] = "view"
    return pa.table({
        "user": [user for _, user, _ in rows],
        "item": [shop.names[item] for _, _, item in rows],
        "type": kinds,
        "time": pa.array([START + timedelta(seconds=at) for at, _, _ in rows], pa.timestamp("s", "UTC")),
    })  # fmt: skip


class _People:
    """Everybody who ever comes: since when, how often, with what taste, and what they know by now."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.since = np.where(rng.random(USERS) < 0.4, 0, rng.integers(0, DAYS, USERS))
        self.activity = rng.lognormal(0, 1, USERS)
        self.taste = rng.dirichlet(np.full(len(CATEGORIES), 2.0), USERS)
        self.style = rng.dirichlet(np.full(len(STYLES), 0.3), USERS)
        self.known: list[list[int]] = [[] for _ in range(USERS)]

    def visitor(self, day: int) -> int:
        """Who comes."""
        weight = self.activity * (self.since <= day)
        return int(np.searchsorted(np.cumsum(weight), self.rng.random() * weight.sum(), side="right"))

    def visit(self, user: int, day: int, shop: Catalogue) -> list[int]:
        """The items of one visit, in their order; from now on they are known."""
        interest = shop.interest(day)
        wanted = self.taste[user] * _season(day)
        liked = interest * (wanted[shop.category] * self.style[user][shop.style])
        found: list[int] = []
        for _ in range(1 + self.rng.poisson(4)):
            found.append(self._next(found, self.known[user], interest, liked, shop))
            self.known[user].append(found[-1])
        return found

    def _next(self, found: list[int], known: list[int], interest: Shares, liked: Shares, shop: Catalogue) -> int:
        draw = self.rng.random()
        if known and draw < BACK:
            item = known[-1 - int(min(self.rng.geometric(0.3) - 1, len(known) - 1))]
            if interest[item] > 0:
                return item
        if found and BACK <= draw < BACK + BELONGS:
            near = shop.partners[found[-1]]
            if interest[near].sum() > 0:
                return int(near[_drawn(self.rng, interest[near])])
        return _drawn(self.rng, interest if self.rng.random() < ASTRAY else liked)


def _drawn(rng: np.random.Generator, weight: Shares) -> int:
    return int(np.searchsorted(np.cumsum(weight), rng.random() * weight.sum(), side="right"))


def _season(day: int) -> Shares:
    places = np.arange(len(CATEGORIES))
    return 1 + SEASON * np.sin(2 * np.pi * (day / PERIOD_DAYS + places / len(CATEGORIES)))


def _time_of_day(rng: np.random.Generator) -> int:
    """Most come in the evening; in seconds after midnight."""
    return int(np.clip(rng.normal(18, 4), 0, 23.9) * 3600)


def days(log: pa.Table) -> list[tuple[str, pa.Table]]:
    """The log by the day, each with its date."""
    place = (log["time"].to_numpy() - np.datetime64(START.replace(tzinfo=None))) // np.timedelta64(1, "D")
    return [
        ((START + timedelta(days=day)).date().isoformat(), log.filter(pa.array(place == day))) for day in range(DAYS)
    ]


def write(folder: Path, seed: int = 0) -> list[Path]:
    """items.csv as it stands at the end, and each day's events as a file; the files of events."""
    folder.mkdir(parents=True, exist_ok=True)
    pa.csv.write_csv(catalogue(seed).table(DAYS - 1), folder / "items.csv")
    paths = []
    for date, log in days(events(seed)):
        paths.append(folder / f"{date}.csv")
        pa.csv.write_csv(log, paths[-1])
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print(f"{len(write(asked.folder, asked.seed))} days of events and items.csv are in {asked.folder}")
