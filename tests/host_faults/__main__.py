"""`make hosts`: faults on three hosts with one ledger and one store, all from one seed; prints each and what it broke."""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from host_faults.cluster import MODELS, made_cluster, remove
from host_faults.faults import KINDS, Faults, audit, plugged
from host_faults.network import why_none
from host_faults.story import Story

ROUND = 5
"""So many faults between two times of rest."""


def main() -> int:
    """The status: 1 if a promise was broken."""
    options = _options()
    if why := why_none():
        print(why)
        return 2
    folder = Path(options.folder or tempfile.mkdtemp(prefix="driftd-hosts-"))
    print(f"seed {options.seed}, folder {folder}", flush=True)
    broken = told(folder, options.faults, options.seed, tuple(options.only or KINDS))
    if not broken:
        remove(folder)
    return int(bool(broken))


def told(folder: Path, count: int, seed: int, kinds: tuple[str, ...]) -> list[str]:
    """Have so many faults happen, and rest after each few; all that was broken."""
    chance, counted, begun_s = random.Random(seed), Counter[str](), time.monotonic()
    with made_cluster(folder) as cluster, plugged(cluster):
        audit(cluster)
        story, faults = Story(cluster, chance), Faults(cluster, chance)
        story.begin()
        try:
            while counted.total() < count:
                for _ in range(min(ROUND, count - counted.total())):
                    for model in chance.sample(MODELS, 2):
                        story.drop(model)
                    story.tell(chance.choice(MODELS))
                    kind = chance.choice(kinds)
                    counted[kind] += faults.one(kind)
                    story.keep_alive()
                rested_s = time.monotonic()
                story.come_to_rest()
                print(
                    f"{counted.total()} of {count} after {time.monotonic() - begun_s:.0f} s, at rest after "
                    f"{time.monotonic() - rested_s:.0f} s, {story.asked} requests, slowest {story.slowest_s:.1f} s",
                    flush=True,
                )
            broken = story.end()
        except AssertionError as error:
            broken = [str(error)]
        for host in cluster.hosts if broken else ():
            (host.folder / "log").write_text("\n".join(host.raw))
    kinds_told = ", ".join(f"{n} {kind}" for kind, n in sorted(counted.items()))
    print(*broken, sep="\n")
    print(f"{counted.total()} faults ({kinds_told}), {len(broken)} promises broken, seed {seed}", flush=True)
    return broken


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make hosts", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--only", nargs="+", choices=sorted(KINDS), help="these kinds alone")
    parser.add_argument("--folder", help="where to work; kept where something broke")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
