"""When a file counts as settled: tests own the clock and the looks."""

from daemon.intake.settle import Pending, Settled, Unchanged, judge_look, rescan_pause_s
from daemon.reading.look import Look

FIRST = Look(size=10, mtime_ns=1, ctime_ns=1, inode=7)
GROWN = Look(size=20, mtime_ns=2, ctime_ns=2, inode=7)


def test_a_new_file_waits_for_a_second_look() -> None:
    """One look is never enough."""
    assert judge_look(FIRST, None, None, 100.0, 1.0) == Pending(FIRST, 101.0, 100.0, 100.0)


def test_two_equal_looks_a_settle_time_apart_settle_it() -> None:
    """Equal looks settle a file, but not before the settle time has passed."""
    pending = Pending(FIRST, 101.0, 100.0, 100.0)
    assert judge_look(FIRST, None, pending, 100.5, 1.0) == pending
    assert judge_look(FIRST, None, pending, 101.0, 1.0) == Settled(FIRST)


def test_a_growing_file_begins_anew() -> None:
    """Every change restarts the wait, and remembers since when the file is being written."""
    pending = Pending(FIRST, 101.0, 100.0, 100.0)
    assert judge_look(GROWN, None, pending, 101.0, 1.0) == Pending(GROWN, 102.0, 100.0, 101.0)


def test_a_file_that_the_ledger_knows_is_left_alone() -> None:
    """A repeated event about a known file does nothing."""
    assert judge_look(FIRST, FIRST, None, 100.0, 1.0) == Unchanged()


def test_a_rewrite_of_the_same_size_and_time_is_noticed() -> None:
    """The change time and the inode betray a rewrite that restores size and modification time."""
    rewritten = Look(size=10, mtime_ns=1, ctime_ns=9, inode=8)
    assert isinstance(judge_look(rewritten, FIRST, None, 100.0, 1.0), Pending)


def test_rescans_back_off_as_the_folder_grows() -> None:
    """Scanning takes a bounded share of the time, however large the folder."""
    assert rescan_pause_s(60.0, 0.01) == 60.0
    assert rescan_pause_s(60.0, 5.0) == 1000.0
