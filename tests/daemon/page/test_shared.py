"""What many ask for at once is made once, and never of an older ledger than the newest."""

import itertools
import threading

from daemon.page.shared import LARGEST_BYTES, MOST_KEPT, Shared


def counted():
    """Makes another answer each time, and the list of those made."""
    made: list[bytes] = []

    def make() -> bytes:
        made.append(b"%d" % len(made))
        return made[-1]

    return make, made


def test_the_same_is_made_once_while_the_ledger_stands_still():
    """Who asks for the same within a second is given the same answer; who asks for another is not."""
    make, made = counted()
    shared = Shared(lambda: 1, clock=lambda: 5.0)
    assert [shared.get("a", make), shared.get("a", make), shared.get("b", make), shared.get("a", make)] == [
        b"0", b"0", b"1", b"0",
    ]  # fmt: skip
    assert len(made) == 2


def test_each_commit_and_each_second_make_it_anew():
    """A reader who acted sees what came of it at once, and ages on a page are a second old at most."""
    make, _ = counted()
    version, now_s = [1], [5.0]
    shared = Shared(lambda: version[0], clock=lambda: now_s[0])
    first = shared.get("a", make)
    version[0] = 2
    second = shared.get("a", make)
    now_s[0] = 6.5
    assert (first, second, shared.get("a", make)) == (b"0", b"1", b"2")


def test_nothing_is_kept_where_the_ledger_cannot_be_read():
    """A ledger without a version: an answer that says so ends with the trouble."""
    make, _ = counted()
    shared = Shared(lambda: None, clock=lambda: 5.0)
    assert [shared.get("a", make), shared.get("a", make)] == [b"0", b"1"]


def test_a_commit_while_an_answer_is_made_counts_for_the_next():
    """The version is that of before the making: what it may have missed, nobody else misses."""
    versions = itertools.count()
    make, _ = counted()
    shared = Shared(lambda: next(versions), clock=lambda: 5.0)
    assert [shared.get("a", make), shared.get("a", make)] == [b"0", b"1"]


def test_who_comes_while_it_is_made_waits_for_it():
    """Fifty threads at once, one making."""
    make, made = counted()
    gate = threading.Event()

    def slow() -> bytes:
        gate.wait(30)
        return make()

    shared = Shared(lambda: 1, clock=lambda: 5.0)
    threads = [threading.Thread(target=shared.get, args=("a", slow)) for _ in range(50)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(30)
    assert made == [b"0"]


def test_what_is_kept_is_bounded():
    """Neither many addresses nor a huge answer fill the process."""
    make, made = counted()
    shared = Shared(lambda: 1, clock=lambda: 5.0)
    for key in range(MOST_KEPT + 1):
        shared.get(key, make)
    shared.get(0, make)
    assert len(made) == MOST_KEPT + 2
    large = b"x" * (LARGEST_BYTES + 1)
    assert [len(shared.get("large", lambda: large) or b""), shared.get("large", make)] == [len(large), b"18"]
