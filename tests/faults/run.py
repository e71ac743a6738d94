"""Tells the story with faults and compares its end with that of the story without."""

import contextlib
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from daemon_harness import Daemon

from faults.ending import differences, normal_form, unchecked_told, violations
from faults.moments import CHANCES, KINDS, Moments
from faults.mounts import Mounts
from faults.story import Story, Stuck, age_ledger, config, wait_gone

ROLES = ("control", "analyst", "trainer", "server")
ERRORS = ("ENOSPC", "EIO", "EACCES")
MOST_TIMES = 3


@dataclass(frozen=True)
class Fault:
    """At the `nth` passing of a point in a round (counted from 1), `times` times; without a point at a moment, seconds
    after the round began."""

    round: int
    role: str
    point: str
    nth: int
    what: str
    times: int = 1
    after_s: float = 0.0

    def __str__(self) -> str:
        where = f"{self.point}:{self.nth}" if self.point else f"+{self.after_s:.2f}s"
        return f"{self.round} {self.role} {where} {self.what}" + (f"*{self.times}" if self.times > 1 else "")


Passed = list[dict[tuple[str, str], int]]


@dataclass
class Told:
    """What came of one telling."""

    passed: Passed = field(default_factory=list)
    happened: list[str] = field(default_factory=list)
    ending: dict[str, Any] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0
    log: list[str] = field(default_factory=list)


def tell(
    folder: Path, faults: Sequence[Fault] = (), default_layers: bool = False, chapters: Sequence[str] = ()
) -> Told:
    """Tell the story, or the named rounds of it, in an empty folder, with these faults."""
    folder.mkdir(parents=True)
    daemon = Daemon(folder, config(default_layers))
    _merge_columns(daemon)
    daemon.plan()
    mounts = Mounts(folder, {fault.what for fault in faults})
    told, story, started_s = Told(), Story(daemon), time.monotonic()
    moments = Moments(daemon, mounts, told.happened, told.violations)
    story.meanwhile = moments.act
    try:
        if any(fault.point.startswith("migration.") for fault in faults):
            age_ledger(folder / "state")
        rounds = [happen for happen in story.rounds() if not chapters or happen.__name__ in chapters]
        for number, happen in enumerate(rounds):
            mine = [fault for fault in faults if fault.round == number]
            before = _passings(daemon)
            _plan(daemon, [fault for fault in mine if fault.point], before)
            moments.begin([fault for fault in mine if not fault.point])
            since = len(daemon.events), len(daemon.raw)
            story.keep_alive()
            happen()
            moments.end()
            story.come_to_rest()
            _plan(daemon, [], before)
            after = _passings(daemon)
            told.passed.append({key: n - before.get(key, 0) for key, n in after.items() if n > before.get(key, 0)})
            told.violations += _untold(daemon, since)
            _collect(daemon, told)
        story.come_to_rest()
        told.ending = normal_form(story)
        told.violations += violations(story)
    except (Stuck, AssertionError) as error:
        told.violations.append(str(error))
        _collect(daemon, told)
    finally:
        moments.end()
        daemon.close()
        with contextlib.suppress(AssertionError):
            wait_gone(daemon)
        mounts.close()
        told.log = daemon.raw
        told.seconds = time.monotonic() - started_s
    return told


def compare(told: Told, reference: Told) -> list[str]:
    """All that went wrong in a telling."""
    if not told.ending:
        return told.violations
    failed = sum('"check_failed"' in line for line in told.log)
    return told.violations + differences(told.ending, unchecked_told(reference.ending, told.ending, failed))


def _merge_columns(daemon: Daemon) -> None:
    """The story declares one more column."""
    first, second = daemon.config.read_text().split("[models.m.columns]\n", 1)
    daemon.config.write_text(f"{first}[models.m.columns]\n" + second.replace("[models.m.columns]\n", ""))


def _passings(daemon: Daemon) -> dict[tuple[str, str], int]:
    found = {}
    for path in (daemon.faults / "passed").iterdir():
        role, _, point = path.name.partition(" ")
        found[role, point] = path.stat().st_size
    return found


def _plan(daemon: Daemon, faults: list[Fault], passed: dict[tuple[str, str], int]) -> None:
    lines = [
        f"{f.role} {f.point} {passed.get((f.role, f.point), 0) + f.nth} {f.times} {f.what}" for f in faults
    ]  # fmt: skip
    temporary = daemon.faults / "plan.new"
    temporary.write_text("\n".join(lines))
    temporary.replace(daemon.faults / "plan")


def _collect(daemon: Daemon, told: Told) -> None:
    path = daemon.faults / "happened"
    if path.exists():
        told.happened += path.read_text().splitlines()
        path.unlink()


def _untold(daemon: Daemon, since: tuple[int, int]) -> list[str]:
    """An error of the world that neither an event told of nor the sentence with which a start ended."""
    path = daemon.faults / "happened"
    lines = path.read_text().splitlines() if path.exists() else []
    failed = [line for line in lines if not line.endswith("KILL")]
    told = any(event.get("level") in ("warning", "error") for event in daemon.events[since[0] :])
    refused = any(line.startswith("driftd: ") for line in daemon.raw[since[1] :])
    return [f"not told: {failed}"] if failed and not told and not refused else []


# --- which faults ---------------------------------------------------------------------------------------------


def kills_everywhere(passed: Passed) -> list[Fault]:
    """A kill at each named point of each role, at its first passing and at a later one."""
    found: list[Fault] = []
    for key in sorted({key for round_ in passed for key in round_}):
        rounds = [number for number, round_ in enumerate(passed) if key in round_]
        found.append(Fault(rounds[0], *key, 1, "KILL"))
        last = rounds[-1]
        if passed[last][key] > 1 or last != rounds[0]:
            found.append(Fault(last, *key, passed[last][key] // 2 + 1, "KILL"))
    return found


def errors_everywhere(passed: Passed, chance: random.Random) -> list[Fault]:
    """Each effect of each role failing in some way, at some passing, for one to three times."""
    found: list[Fault] = []
    for role, point in sorted({key for round_ in passed for key in round_}):
        if ".before_" not in point:
            continue
        rounds = [number for number, round_ in enumerate(passed) if (role, point) in round_]
        number = chance.choice(rounds)
        short = (
            ("SHORT",)
            if point in ("spool.append.before_write",)
            or (point.startswith(("train.", "evaluate.", "promote.")) and point.endswith(".before_write"))
            else ()
        )
        for what in (*chance.sample(ERRORS, 2), *short):
            nth = chance.randint(1, passed[number][role, point])
            found.append(Fault(number, role, point, nth, what, chance.randint(1, MOST_TIMES)))
    return found


def kills_in_migration() -> list[Fault]:
    """The start with a ledger of the first schema, killed and failing, twice at the same step, too."""
    return [
        Fault(0, "control", f"migration.{point}", 1, what, times)
        for point in ("before_commit", "committed")
        for what, times in (("KILL", 1), ("KILL", 2), ("ENOSPC", 1))
        if what == "KILL" or point == "before_commit"
    ]


def some_moments(rounds: int, count: int, chance: random.Random, kinds: Sequence[str] = tuple(KINDS)) -> list[Fault]:
    """What happens to some process, or to all, at some moment."""
    roles = chance.choices(ROLES, (4, 2, 2, 2), k=count)
    drawn = chance.choices(kinds, [CHANCES[kind] for kind in kinds], k=count)
    return [
        Fault(chance.randrange(rounds), role, "", 0, what, after_s=chance.uniform(0.0, 4.0))
        for role, what in zip(roles, drawn, strict=True)
    ]


def doubled(faults: Sequence[Fault], share: float, chance: random.Random) -> list[Fault]:
    """With some of them a second fault: the same step is fatal to the next process again, or while what happens at a
    moment lasts, or just after it, something dies."""
    return [one for fault in faults for one in (_double(fault, chance) if chance.random() < share else [fault])]


def _double(fault: Fault, chance: random.Random) -> list[Fault]:
    if fault.point:
        return [replace(fault, times=fault.times + 1)]
    after_s, role = fault.after_s + chance.uniform(0.0, 2.0), chance.choice(ROLES)
    return [fault, replace(fault, role=role, what=chance.choice(("KILL", "KILL", "STOP", "LOCK")), after_s=after_s)]


def some_points(passed: Passed, count: int, chance: random.Random) -> list[Fault]:
    """Kills and errors at points drawn by chance, the seldom passed ones as likely as the others."""
    found = []
    for _ in range(count):
        number = chance.randrange(len(passed))
        role, point = chance.choice(sorted(passed[number]))
        what = chance.choice(("KILL", "KILL", *ERRORS)) if ".before_" in point else "KILL"
        nth, times = (
            chance.randint(1, passed[number][role, point]),
            1 if what == "KILL" else chance.randint(1, MOST_TIMES),
        )
        found.append(Fault(number, role, point, nth, what, times))
    return found


def portions(faults: list[Fault], a_round: int, chance: random.Random) -> list[list[Fault]]:
    """The faults dealt out to tellings, at most so many a round."""
    left, dealt = chance.sample(faults, len(faults)), []
    while left:
        counted: Counter[int] = Counter()
        mine, rest = [], []
        for fault in left:
            (mine if counted[fault.round] < a_round else rest).append(fault)
            counted[fault.round] += 1
        dealt.append(mine)
        left = rest
    return dealt


def remove(folder: Path) -> None:
    """Throw a telling's folder away."""
    shutil.rmtree(folder, ignore_errors=True)
    os.sync()
