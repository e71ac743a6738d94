"""Measures false alarms and power of the test of a drop, and prints them as Markdown.

Of each setting many lives: 25 files in which nothing changes, and a drop of ROC AUC by .08 after 3, 6 or 12 files."""

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

from benchmarks.drops import streams
from benchmarks.drops.lives import DROP, WITHIN, Setting
from benchmarks.drops.rates import EARLIER, Rates, generated, trained
from benchmarks.figures import machine

FILES = 25
HEAD = ("files", "trained on", "a drop was told in", "began in", *(f"found after {n}" for n in EARLIER))


def main() -> None:
    """Measure all settings on `--jobs` processes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drops", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--lives", type=int, default=100, help="of each setting; of trained models a fifth")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("generated", "trained"))
    asked = parser.parse_args()
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}", flush=True)
    with ProcessPoolExecutor(asked.jobs, mp_context=get_context("spawn")) as pool:
        if asked.only != "trained":
            of_each = partial(generated, asked.lives, asked.seed)
            for setting, found in zip(settings(), pool.map(of_each, settings()), strict=True):
                print(_line(setting.words + _size(setting), setting.folds, found), flush=True)
        if asked.only != "generated":
            of_each = partial(trained, max(2, asked.lives // 5), asked.seed)
            for name, found in zip(streams.STEADY, pool.map(of_each, streams.STEADY), strict=True):
                print(_line(f"stream {name}, trained model", streams.TRAINED, found), flush=True)
    told = ", ".join(f"{key}: {value}" for key, value in machine().items())
    print(f"\nA drop by {DROP} is to be found within {WITHIN} files. {told}")


def settings() -> Iterator[Setting]:
    """Files of 1,000 rows whose rows, labels, levels or shares depend; smaller and larger ones; one in ten positive."""
    base = Setting()
    yield base
    yield replace(base, folds=1)
    yield replace(base, rows=200)
    yield replace(base, rows=5_000)
    yield replace(base, share=0.1)
    for strength in (0.9, 0.99):
        yield replace(base, kind="near", strength=strength)
    yield replace(base, kind="labels", strength=0.9)
    yield replace(base, kind="shares", strength=0.1)
    for kind in ("level", "wander"):
        for strength in (0.05, 0.1, 0.25):
            yield replace(base, kind=kind, strength=strength)
    yield replace(base, kind="level", strength=0.1, folds=1)
    yield replace(base, kind="wander", strength=0.1, folds=1)


def _size(setting: Setting) -> str:
    rows = "" if setting.rows == Setting.rows else f", {setting.rows:,} rows a file"
    return rows + ("" if setting.share == Setting.share else f", {setting.share:.0%} positive")


def _line(words: str, folds: int, found: Rates) -> str:
    power = " | ".join(f"{found.power[earlier]:.2f}" for earlier in EARLIER)
    false = f"{found.false:.2%} ± {found.false_se:.2%}"
    return f"| {words} | {folds} | {false} of {found.files:,} | {found.began:.2%} | {power} |"


if __name__ == "__main__":
    main()
