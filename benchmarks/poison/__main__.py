"""Measures on streams of 50 batches which share of clean batches is held and which share of poisoned ones is caught.

Without --streams on generated ones. Clean batches are judged one after another as the daemon does, held ones left out
and persistent doubts released; each poisoned batch comes after six clean ones."""

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.poison.kinds import KINDS
from benchmarks.poison.streams import BATCHES, INITIAL, Stream, generated, read
from retrain.planning.release import persistent
from retrain.records.settings import SuspicionSettings
from retrain.suspicion import Rows, doubts

RECENT = 6


@dataclass
class Result:
    """Of one stream: clean batches `held` by kind with their numbers, poisoned ones caught and tried, milliseconds."""

    held: list[tuple[int, str, str]] = field(default_factory=list)
    caught: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    other: Counter[str] = field(default_factory=Counter)
    ms: list[float] = field(default_factory=list)


def measure(stream: Stream, step: int, seed: int = 0) -> Result:
    """Clean batches in turn, then every `step`-th one poisoned in each way."""
    result, settings = Result(), SuspicionSettings()
    clean = [stream.clean(batch) for batch in range(BATCHES)]
    accepted, held = _clean(stream, clean, result, settings)
    for batch in range(INITIAL + 3, BATCHES, step):
        recent = [clean[one] for one in accepted if one < batch][-RECENT:]
        if batch in held:
            continue
        for name, poisoned in _poisoned(stream, batch, np.random.default_rng([seed, batch])):
            kinds = {doubt.kind for doubt in doubts(poisoned, recent, stream.columns, settings.kinds)}
            result.tried[name] += 1
            result.caught[name] += bool(kinds)
            result.other[name] += bool(kinds) and KINDS[name][0] not in kinds
    return result


def _clean(
    stream: Stream, clean: list[Rows], result: Result, settings: SuspicionSettings
) -> tuple[list[int], set[int]]:
    """The batches that were accepted in the end, and those that were held at first."""
    accepted, waiting, raised = list(range(INITIAL)), [], [[] for _ in range(INITIAL)]
    for batch in range(INITIAL, BATCHES):
        started = time.perf_counter()
        found = doubts(clean[batch], [clean[one] for one in accepted[-RECENT:]], stream.columns, settings.kinds)
        result.ms.append(1000 * (time.perf_counter() - started))
        raised.append([doubt.kind for doubt in found])
        if set(raised[-1]) - persistent(raised, settings.release_after):
            waiting.append(batch)
            result.held += [(batch, doubt.kind, doubt.reason) for doubt in found]
            continue
        if found:
            accepted, waiting = sorted({*accepted, *waiting[1 - settings.release_after :]}), []
        accepted.append(batch)
    return accepted, {batch for batch, _, _ in result.held}


def _poisoned(stream: Stream, batch: int, rng: np.random.Generator) -> Iterator[tuple[str, Rows]]:
    now, before = stream.bounds(batch), stream.bounds(batch - 1)
    for name, (_, poison) in KINDS.items():
        if name == "labels × 100" and stream.columns.classes:
            continue
        X, y = poison(stream.X[now], stream.y[now], stream.X[before], stream.y[before], stream.columns, rng)
        yield name, stream.rows(batch, X, y, f"batch {batch}")


def main() -> None:
    """Print a line a stream and a table over all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=Path, help="a folder of Parquet files, in order of time, the target last")
    parser.add_argument("--only", nargs="*", default=(), help="streams by name")
    parser.add_argument("--step", type=int, default=4, help="poison every so many batches")
    parser.add_argument("--tell", action="store_true", help="tell why clean batches are held")
    arguments = parser.parse_args()
    results: dict[str, Result] = {}
    print("| stream | clean held | " + " | ".join(KINDS) + " | median ms |")
    print("|---|---|" + "---|" * (len(KINDS) + 1))
    for stream in generated() if arguments.streams is None else read(arguments.streams):
        if arguments.only and stream.name not in arguments.only:
            continue
        found = results[stream.name] = measure(stream, arguments.step)
        print(_line(stream.name, [found]), flush=True)
        for batch, kind, reason in found.held if arguments.tell else ():
            print(f"    {batch} {kind}: {reason}", flush=True)
    print(_line("all", list(results.values())))


def _line(name: str, results: list[Result]) -> str:
    held = sum(len({batch for batch, _, _ in one.held}) for one in results)
    judged = sum(len(one.ms) for one in results)
    shares = []
    for kind in KINDS:
        tried = sum(one.tried[kind] for one in results)
        shares.append(f"{sum(one.caught[kind] for one in results) / tried:.0%}" if tried else "–")
    ms = np.median([value for one in results for value in one.ms])
    return f"| {name} | {held} of {judged} | " + " | ".join(shares) + f" | {ms:.0f} |"


if __name__ == "__main__":
    main()
