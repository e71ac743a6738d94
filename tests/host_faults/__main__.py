"""`make hosts`: faults on three hosts with one ledger and one store, all from one seed; prints each and what it broke."""

import argparse
import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from host_faults.cluster import MODELS, Cluster, made_cluster, remove
from host_faults.faults import KINDS, Fault, Faults, audit, plugged
from host_faults.network import why_none
from host_faults.story import Story

BEGUN_S = time.monotonic()


def main() -> int:
    """The status: 1 if a promise was broken."""
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # whoever ends it leaves no server and no network behind
    if why := why_none():
        print(why)
        return 2
    folder = Path(options.folder or tempfile.mkdtemp(prefix="driftd-hosts-"))
    print(f"seed {options.seed}, folder {folder}", flush=True)
    broken = told(folder, options.faults, options.seed, tuple(options.only or KINDS), options.rest)
    if not broken:
        remove(folder)
    return int(bool(broken))


def told(folder: Path, count: int, seed: int, kinds: tuple[str, ...], rest: int) -> list[str]:
    """Have so many faults happen, and rest after every `rest` of them; all that was broken."""
    chance, happened = random.Random(seed), list[Fault]()
    with made_cluster(folder) as cluster, plugged(cluster):
        audit(cluster)
        story, faults = Story(cluster, chance, say), Faults(cluster, chance)
        try:
            story.begin()
            while len(happened) < count:
                for _ in range(min(rest, count - len(happened))):
                    story.drop(chance.choice(MODELS))
                    story.tell(chance.choice(MODELS))
                    happened += _told_one(faults.one(chance.choice(kinds)), len(happened) + 1)
                    story.keep_alive()
                rested_s = time.monotonic()
                story.come_to_rest()
                say(f"at rest after {time.monotonic() - rested_s:.1f} s; {story.requests()}")
            restless = list[str]()
        except AssertionError as error:
            restless = [str(error)]
        broken = {"comes to rest": restless} | story.end()
        lines = [line for each in broken.values() for line in each]
        for host in cluster.hosts:
            host.write_log()
        print(table(cluster, happened), story.requests(), *lines, sep="\n")
    print(", ".join(f"{promise}: {len(each)} broken" for promise, each in broken.items()))
    print(f"{len(happened)} faults, {len(lines)} promises broken, seed {seed}", flush=True)
    return lines


def table(cluster: Cluster, happened: list[Fault]) -> str:
    """Of each kind how often it happened, to whom, and how long it took until another host led, by the time at which the
    database gave it the lease."""
    rows = [f"{'kind':16}{'faults':>8}{'to leaders':>12}{'taken over':>12}{'p50 s':>8}{'max s':>8}"]
    ends = [*(fault.at for fault in happened[1:]), float("inf")]
    for kind in sorted({fault.kind for fault in happened}):
        ours = [(fault, end) for fault, end in zip(happened, ends, strict=True) if fault.kind == kind]
        taken = [taken_s for fault, end in ours if (taken_s := fault.taken_over_s(cluster, end)) is not None]
        times = f"{statistics.median(taken):8.1f}{max(taken):8.1f}" if taken else ""
        rows.append(f"{kind:16}{len(ours):8}{sum(fault.led for fault, _ in ours):12}{len(taken):12}{times}")
    return "\n".join(rows)


def _told_one(fault: Fault, number: int) -> list[Fault]:
    """The fault, if it happened."""
    whom = "all hosts" if not fault.host else f"host {fault.host}, which led" if fault.led else f"host {fault.host}"
    say(f"{number:5} {fault.kind:16} {f'{fault.lasted_s:.1f} s, {whom}' if fault.happened else 'could not be'}")
    return [fault] if fault.happened else []


def say(line: str) -> None:
    """With the time since the start."""
    print(f"{time.monotonic() - BEGUN_S:7.1f} {line}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make hosts", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--rest", type=int, default=10, help="so many between two times of rest")
    parser.add_argument("--only", nargs="+", choices=sorted(KINDS), help="these kinds alone")
    parser.add_argument("--folder", help="where to work; kept where something broke")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
