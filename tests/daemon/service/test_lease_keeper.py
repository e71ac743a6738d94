"""The lease of a real PostgreSQL, and when it is let run out."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpers import PATIENCE_S, wait_for
from postgresql import Server, needs_postgresql
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from daemon.ledger import Ledger, leases, models, open_ledger
from daemon.service.lease_keeper import LeaseKeeper

pytestmark = [needs_postgresql, pytest.mark.xdist_group("postgresql")]
LEASE_S = 1.0


@pytest.fixture
def hosts(postgresql: Server, tmp_path: Path) -> Iterator[tuple[Ledger, Ledger]]:
    """One that leads, and one that would."""
    with postgresql.ledger() as url, ExitStack() as opened:
        made = [open_ledger(tmp_path / name, url=url, is_copy=True) for name in ("a", "b")]
        for one in made:
            opened.callback(one.close)
            one.fence()
        assert made[0].claim("a", LEASE_S)
        yield made[0], made[1]


@pytest.fixture
def keeping(hosts: tuple[Ledger, Ledger]) -> Iterator[Callable[[Callable[[], str]], threading.Event]]:
    """Keeps the first one's lease, and says when it is lost."""
    keepers = []

    def keep(trouble: Callable[[], str]) -> threading.Event:
        lost = threading.Event()
        keepers.append(LeaseKeeper(hosts[0], LEASE_S, lost.set, trouble))
        keepers[-1].start()
        return lost

    yield keep
    for keeper in keepers:
        keeper.stop()


def is_over(ledger: Ledger) -> bool:
    """Whether the lease is."""
    with ledger.connect() as conn:
        leader = leases.leader(conn)
    return leader is not None and leader.left_s <= 0


def test_who_does_not_do_its_work_lets_another_one_lead(
    hosts: tuple[Ledger, Ledger], keeping: Callable[[Callable[[], str]], threading.Event]
) -> None:
    """Its lease runs out while its thread lives. Until another one takes it, it can write, which keeps nobody from that;
    then it is told, and writes nothing more."""
    first, second = hosts
    with capture_logs() as told:
        lost = keeping(lambda: "it hangs")
        wait_for(lambda: is_over(second))
        with first.begin() as conn:
            models.ensure(conn, "m")
        wait_for(lambda: is_over(second))
        wait_for(lambda: second.claim("b", 60.0))
        assert lost.wait(PATIENCE_S) and first.lost
    with pytest.raises(OperationalError), first.begin() as conn:
        models.ensure(conn, "m")
    assert [(one["event"], one["reason"]) for one in told] == [("lease_held_back", "it hangs")]


def test_who_does_its_work_again_before_another_one_leads_goes_on(
    hosts: tuple[Ledger, Ledger], keeping: Callable[[Callable[[], str]], threading.Event]
) -> None:
    """Under the same term, and the others wait again."""
    first, second = hosts
    trouble = ["the store is away"]
    with capture_logs() as told:
        lost = keeping(lambda: trouble[0])
        wait_for(lambda: is_over(second))
        trouble[0] = ""
        wait_for(lambda: [one["event"] for one in told] == ["lease_held_back", "lease_kept"])
        wait_for(lambda: not is_over(second))
    assert not lost.is_set() and first.term == 1 and not second.claim("b", 60.0)
