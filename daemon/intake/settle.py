"""What a look at a file means, given what is known of it: pure, so that tests own the clock and the folder."""

from dataclasses import dataclass

from daemon.reading.look import Look


@dataclass(frozen=True)
class Pending:
    """A file seen but not yet settled: the newest look, and when the next one is due (monotonic seconds)."""

    look: Look
    due_s: float
    since_s: float


@dataclass(frozen=True)
class Unchanged:
    """The ledger knows this content: nothing to do."""


@dataclass(frozen=True)
class Settled:
    """Two equal looks, a settle time apart: take it in."""

    look: Look


Judgement = Unchanged | Pending | Settled


def judge_look(look: Look, known: Look | None, pending: Pending | None, now_s: float, settle_s: float) -> Judgement:
    """Compare a fresh look with the ledger's and with the one before.

    A file is settled when two looks at least `settle_s` apart agree on size, times and inode; a file that
    still changes begins anew.
    """
    if look == known:
        return Unchanged()
    if pending is None:
        return Pending(look, now_s + settle_s, now_s)
    if look != pending.look:
        return Pending(look, now_s + settle_s, pending.since_s)
    if now_s + 1e-6 >= pending.due_s:
        return Settled(look)
    return pending


def rescan_pause_s(configured_s: float, scan_s: float, share: float = 0.005) -> float:
    """How long to wait before the next full rescan, so that scanning takes at most `share` of the time."""
    return max(configured_s, scan_s / share)
