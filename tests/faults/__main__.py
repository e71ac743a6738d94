"""`make crash`: at least --points kills and faults, all from one seed; prints each telling and what it violated."""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from faults.moments import KINDS
from faults.mounts import FILLS, HANGS, Unmountable
from faults.run import (
    Fault,
    Told,
    compare,
    doubled,
    errors_everywhere,
    kills_everywhere,
    kills_in_migration,
    portions,
    remove,
    some_moments,
    some_points,
    tell,
)

DOUBLED = 0.15
"""The share of faults that a second one follows."""


def main() -> int:
    """The status: 1 if a promise was broken."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that its daemon ends, too
    chance = random.Random(options.seed)
    folder = Path(options.folder or tempfile.mkdtemp(prefix="driftd-crash-"))
    print(f"seed {options.seed}, folder {folder}", flush=True)
    reference = tell(folder / "reference", default_layers=options.layers)
    if bad := reference.violations:
        print("the story without faults:", *bad, sep="\n  ")
        return 1
    print(f"without faults: {reference.seconds:.0f} s, {_places(reference)} points", flush=True)
    sets = [_parsed(options.faults)] if options.faults else _sets(options, reference, chance)
    counted: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    broken, started_s = 0, time.monotonic()
    for number, faults in enumerate(sets):
        if options.only is not None and number != options.only:
            continue
        try:
            told = tell(folder / str(number), faults, options.layers)
        except Unmountable as error:
            skipped.update(fault.what for fault in faults if fault.what in (HANGS, *FILLS))
            print(f"{number}: without the faults that need a mount: {error}", flush=True)
            faults = [fault for fault in faults if fault.what not in (HANGS, *FILLS)]
            told = tell(folder / f"{number}-unmounted", faults, options.layers)
        bad = compare(told, reference)
        counted.update(line.rsplit(" ", 1)[-1] for line in told.happened)
        broken += len(bad)
        print(
            f"{number}: {len(told.happened)} of {len(faults)} in {told.seconds:.0f} s, {len(bad)} violations",
            flush=True,
        )
        if bad:
            print(*(f"  {line}" for line in bad), sep="\n")
            print(f'  again: --seed {options.seed} --faults "{"; ".join(map(str, faults))}"', flush=True)
            (folder / str(number) / "log").write_text("\n".join(told.log))
        elif not options.keep:
            remove(folder / str(number))
        if counted.total() >= options.points and options.only is None and number >= options.least:
            break
    if skipped:
        print("skipped:", ", ".join(f"{n} {what}" for what, n in sorted(skipped.items())))
    ways = ", ".join(f"{n} {what}" for what, n in sorted(counted.items()))
    print(
        f"{counted.total()} points ({ways}) in {time.monotonic() - started_s:.0f} s, {broken} violations, seed {options.seed}"
    )
    return int(broken > 0)


def _sets(options: argparse.Namespace, reference: Told, chance: random.Random) -> list[list[Fault]]:
    """First everything once, with a moment a round, then by chance without end; in some a second fault follows."""
    every = kills_everywhere(reference.passed) + errors_everywhere(reference.passed, chance) + kills_in_migration()
    rounds, count = len(reference.passed), options.a_round * len(reference.passed) // 2
    sets = [
        portion + some_moments(rounds, rounds, chance, _kinds(number))
        for number, portion in enumerate(portions(every, options.a_round, chance))
    ]
    options.least = len(sets) - 1 if options.points >= len(every) else 0
    for number in range(max(0, options.points)):
        moments = some_moments(rounds, count, chance, _kinds(number))
        sets.append(some_points(reference.passed, count, chance) + moments)
    return [doubled(faults, DOUBLED, chance) for faults in sets]


def _kinds(number: int) -> list[str]:
    """A telling in three lies on a mount that can hang, another one on a disk that can be full: both cost time."""
    without = (set(FILLS), {HANGS}, {HANGS, *FILLS})[number % 3]
    return [kind for kind in KINDS if kind not in without]


def _places(reference: Told) -> int:
    return len({key for round_ in reference.passed for key in round_})


def _parsed(text: str) -> list[Fault]:
    """Faults as they were printed."""
    found = []
    for part in text.split(";"):
        number, role, where, what = part.split()
        what, _, times = what.partition("*")
        if where.startswith("+"):
            found.append(Fault(int(number), role, "", 0, what, after_s=float(where[1:-1])))
        else:
            point, _, nth = where.partition(":")
            found.append(Fault(int(number), role, point, int(nth), what, int(times or 1)))
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--points", type=int, default=1000, help="so many kills and faults at least")
    parser.add_argument("--a-round", type=int, default=4, help="faults a round of the story")
    parser.add_argument("--only", type=int, help="this telling alone")
    parser.add_argument("--faults", help="these faults alone, as they were printed")
    parser.add_argument("--layers", action="store_true", help="with adjustment and recalibration, as by default")
    parser.add_argument("--folder", help="where to work; kept")
    parser.add_argument("--keep", action="store_true", help="keep what went well, too")
    options = parser.parse_args()
    options.least = 0
    return options


if __name__ == "__main__":
    sys.exit(main())
