"""What deciding cost: added up by day, cycle and purpose, and told of a model and of a cycle."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ledgers import new_ledger
from sqlalchemy import Connection

from daemon.ledger import Ledger, cpu, cycles
from daemon.ledger.standing import standings
from daemon.reports.cpu import SHOWN_DAYS, cpu_json, cpu_of_cycle
from retrain.records.cycle import Cycle, CycleState
from retrain.records.trigger import Trigger

DAY_S = cpu.DAY_S


@pytest.fixture
def ledger(tmp_path: Path, ledger_url: str | None) -> Iterator[Ledger]:
    """An empty one."""
    made = new_ledger(tmp_path, ledger_url)
    yield made
    made.close()


def finish(conn: Connection, cycle: Cycle, state: CycleState, now: float) -> None:
    """End it so."""
    cycles.save(conn, replace(cycle, state=state), now)


def test_status_adds_up_days_and_tells_what_was_lost(ledger: Ledger) -> None:
    """Of 30 days; retrains that changed nothing are told apart; other models and older days are not in it."""
    now = 100 * DAY_S
    with ledger.begin() as conn:
        cpu.add(conn, "m", {"checks": 50.0}, now - 40 * DAY_S)
        for number, state in enumerate((CycleState.PROMOTED, CycleState.KEPT), 1):
            cycle = cycles.open_cycle(conn, "m", Trigger("drift", "why", {}), number, 0, now)
            cpu.add(conn, "m", {"retrains": 4.0 * number}, now)
            cpu.add(conn, "m", {"retrains": 1.0, "checks": 0.5}, now)
            finish(conn, cycle, state, now)
        cpu.add(conn, "other", {"probes": 9.0}, now)
        found = standings(conn, ["m"], now - SHOWN_DAYS * DAY_S)["m"]
        told = cpu_json(found.cpu, found.without_gain)
    assert told == {
        "days": 30, "probes": 0.0, "checks": 1.0, "retrains": 14.0, "cycles": 2, "lost": 9.0, "lost_cycles": 1,
    }  # fmt: skip


def test_a_cycle_tells_what_it_took_to_come_to_it(ledger: Ledger) -> None:
    """Probes and checks since the cycle before was opened; those after it belong to the next one."""
    with ledger.begin() as conn:
        cpu.add(conn, "m", {"probes": 2.0, "checks": 1.0}, 0.0)
        first = cycles.open_cycle(conn, "m", Trigger("drift", "why", {}), 1, 0, DAY_S)
        cpu.add(conn, "m", {"retrains": 3.0, "probes": 7.0}, DAY_S)
        finish(conn, first, CycleState.PROMOTED, DAY_S)
        second = cycles.open_cycle(conn, "m", Trigger("drift", "why", {}), 2, 0, 5 * DAY_S)
        told = [cpu_of_cycle(conn, one, {"train": {"cpu_s": 2.5}}) for one in (first, second)]
    assert told[0] == {"cycle": 3.0, "stages": {"train": 2.5}, "probes": 2.0, "checks": 1.0}
    assert (told[1]["cycle"], told[1]["probes"], told[1]["checks"]) == (0.0, 7.0, 0.0)


def test_days_of_more_than_a_year_ago_are_forgotten(ledger: Ledger) -> None:
    """A row a day and purpose, for 400 days."""
    with ledger.begin() as conn:
        for day in (0, 1, cpu.KEPT_DAYS + 1):
            cpu.add(conn, "m", {"checks": 1.0}, day * DAY_S)
        assert cpu.by_cycle(conn, "m", 0.0) == {0: {"probes": 0.0, "checks": 2.0, "retrains": 0.0}}
