"""What a look at a file means, given what is known of it: pure, so that tests own the clock and the folder.

A file that pauses while it is written looks settled in each pause. What helps: signs that it is not whole, for which it
gets more time (`patience_s`), and the pauses of files of the same folder that grew after they had been taken."""

from dataclasses import dataclass

from daemon.reading.look import Look

PATIENCE_SETTLES, LONGEST_PATIENCE_S = 10, 60.0
"""A file that seems not whole is taken as it is after so many settle times, or so many seconds, without a change."""
LONGEST_PAUSE_S = 60.0
"""A file that grows after a longer pause is appended to, not still being written."""
PAUSES = 2.0
"""A learned settle time is so many times the longest pause that was seen."""
POLLED = 0.1
"""A share of the time without news, and of all time that listings may take."""
REMEMBERED_S = 30 * 86_400.0
"""A pause that was seen so long ago is forgotten."""
APPENDED = 3
"""A file that grew so often after it had been taken is appended to: it waits for no learned time."""


@dataclass(frozen=True)
class Pending:
    """A file seen but not yet settled: the newest look, and when the next one is due (monotonic seconds); since when it
    is noticed, and since when it has not changed."""

    look: Look
    due_s: float
    since_s: float
    still_since_s: float


@dataclass(frozen=True)
class Unchanged:
    """The ledger knows this content: nothing to do."""


@dataclass(frozen=True)
class Settled:
    """Two equal looks, a settle time apart: take it in."""

    look: Look


@dataclass(frozen=True)
class Pause:
    """The longest pause after which a file of the folder grew that had been taken: of which file, and when (Unix
    seconds)."""

    pause_s: float
    path: str
    at: float

    @property
    def settle_s(self) -> float:
        """The settle time that would have outlasted it."""
        return min(PAUSES * self.pause_s, LONGEST_PAUSE_S)


Judgement = Unchanged | Pending | Settled


def judge_look(look: Look, known: Look | None, pending: Pending | None, now_s: float, settle_s: float) -> Judgement:
    """Compare a fresh look with the ledger's and with the one before.

    A file is settled when two looks at least `settle_s` apart agree on size, times and inode; a file that
    still changes begins anew.
    """
    if look == known:
        return Unchanged()
    if pending is None:
        return Pending(look, now_s + settle_s, now_s, now_s)
    if look != pending.look:
        return Pending(look, now_s + settle_s, pending.since_s, now_s)
    if now_s + 1e-6 >= pending.due_s:
        return Settled(look)
    return pending


def settle_time_s(configured_s: float, learned: Pause | None, now: float, waited_s: float, growths: int) -> float:
    """How long a file is to stay unchanged: as configured, or what the folder taught. A file that is appended to, by
    `growths` or since it goes on changing for `waited_s`, is not kept waiting by that.

    >>> settle_time_s(1.0, Pause(6.0, "a.csv", 0.0), 9.0, 2.0, 1)
    12.0
    """
    if learned is None or now - learned.at > REMEMBERED_S or growths >= APPENDED:
        return configured_s
    if waited_s > PATIENCE_SETTLES * learned.settle_s:
        return configured_s
    return max(configured_s, learned.settle_s)


def patience_s(settle_s: float) -> float:
    """How long a file that seems not whole is waited for without a change."""
    return max(settle_s, min(PATIENCE_SETTLES * settle_s, LONGEST_PATIENCE_S))


def pause_of(before: Look, after: Look) -> float | None:
    """The pause after which a file grew, in seconds; None where it is another content, or is appended to."""
    pause = (after.mtime_ns - before.mtime_ns) / 1e9
    grew = after.inode == before.inode and after.size > before.size
    return pause if grew and 0 < pause <= LONGEST_PAUSE_S else None


def longer(known: Pause | None, found: Pause, configured_s: float) -> Pause | None:
    """What is to be remembered now; None where nothing new was learned. A pause as long as before renews it."""
    if found.settle_s <= configured_s:
        return None
    if known is None or found.pause_s >= known.pause_s or found.at - known.at > REMEMBERED_S:
        return found
    return None


def poll_pause_s(quiet_s: float, took_s: float, least_s: float, most_s: float) -> float:
    """How long to wait before a prefix is listed again, in which nothing was new for `quiet_s`: what comes regularly is
    noticed within a tenth of the time in between. A listing that takes long is seldom.

    >>> [poll_pause_s(quiet_s, 0.1, 5.0, 300.0) for quiet_s in (0.0, 600.0, 86_400.0)]
    [5.0, 60.0, 300.0]
    """
    return max(min(max(least_s, POLLED * quiet_s), most_s), took_s / POLLED)


def rescan_pause_s(configured_s: float, scan_s: float, share: float = 0.005) -> float:
    """How long to wait before the next full rescan, so that scanning takes at most `share` of the time."""
    return max(configured_s, scan_s / share)
