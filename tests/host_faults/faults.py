"""What happens to the hosts: each kind does it, and undoes it after a while."""

import contextlib
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
import psycopg
from helpers import answer_of

from host_faults.cluster import Cluster, Host

LASTS_S = 2.0, 9.0
"""How long what passes again lasts: shorter and longer than a lease."""
AWAY_S = 3.0, 20.0
AMID_S = 20.0
"""How long it is waited for a transaction, or a worker, to cut off."""
OTHERS_S = 120.0
"""How long it is waited until another host serves: where none does, a request may fail."""
AUDIT = """
CREATE TABLE lease_owners (name text PRIMARY KEY, address inet);
CREATE TABLE terms_begun (term bigint PRIMARY KEY, address inet, at double precision);
CREATE TABLE written_by_others (at timestamptz, relation text, address inet, owners text);
CREATE FUNCTION note_owner() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_OP = 'INSERT' OR NEW.term <> OLD.term THEN
        INSERT INTO lease_owners VALUES (NEW.name, inet_client_addr())
            ON CONFLICT (name) DO UPDATE SET address = excluded.address;
        INSERT INTO terms_begun VALUES (NEW.term, inet_client_addr(), NEW.since);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER noted AFTER INSERT OR UPDATE ON leases FOR EACH ROW EXECUTE FUNCTION note_owner();
CREATE FUNCTION note_writer() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NOT EXISTS (SELECT 1 FROM lease_owners WHERE address = inet_client_addr()) THEN
        INSERT INTO written_by_others SELECT clock_timestamp(), TG_RELNAME, inet_client_addr(),
            (SELECT string_agg(name || ' ' || address, ', ') FROM lease_owners);
    END IF;
    RETURN NULL;
END $$;
"""
AUDITED = "files", "checks", "assessments", "cycles", "versions", "deployments", "promotions"


def audit(cluster: Cluster) -> None:
    """Have the database note each write of a host that does not own a lease at that moment. A lease is locked while its
    owner writes, so that who owns it cannot change meanwhile."""
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute(AUDIT)
        for table in AUDITED:
            connection.execute(
                f"CREATE TRIGGER noted AFTER INSERT OR UPDATE ON {table} FOR EACH STATEMENT "
                "EXECUTE FUNCTION note_writer()"
            )


@dataclass(frozen=True)
class Fault:
    """What was done to which host (0: to all of them), whether that one led, when (seconds since 1970), and for how
    long. One that could not be, as there was nothing to cut off, did not happen."""

    kind: str
    host: int
    led: bool
    happened: bool
    at: float
    lasted_s: float

    def taken_over_s(self, cluster: Cluster, until: float) -> float | None:
        """After how long another host led; None where none did until then, as where this one was back before."""
        if not (self.led and self.happened):
            return None
        asked = "SELECT min(at) FROM terms_begun WHERE at >= %s AND at < %s AND address <> %s::inet"
        found = cluster.query(asked, self.at, until, cluster.network.address(self.host))[0][0]
        return None if found is None else found - self.at


class Faults:
    """Draws them by chance; each kind returns how it is undone, or None where it could not happen."""

    def __init__(self, cluster: Cluster, chance: random.Random) -> None:
        self._cluster, self._chance = cluster, chance
        self._hit, self._led = 0, False

    def one(self, kind: str) -> Fault:
        """Do it, let it last, undo it."""
        self._hit, self._led = 0, False
        undo, at = KINDS[kind](self), time.time()
        if undo is not None:
            time.sleep(self._chance.uniform(*(AWAY_S if kind.endswith("away") else LASTS_S)))  # its length, not a wait
            undo()
        return Fault(kind, self._hit, self._led, undo is not None, at, time.time() - at)

    def _host(self) -> Host | None:
        """The leader mostly: what happens to others matters less."""
        living, leader = [host for host in self._cluster.hosts if host.lives], None
        with contextlib.suppress(psycopg.Error):
            leader = self._cluster.leader()
        if not living:
            return None
        host = leader if leader in living and self._chance.random() < 0.8 else self._chance.choice(living)
        assert host is not None
        others = [one for one in self._cluster.hosts if one is not host]
        if not answer_of(lambda: any(map(self._cluster.answers, others)), OTHERS_S, 0.2):
            return None  # it would be the only one
        self._hit, self._led = host.number, host is leader
        return host

    # --- the kinds --------------------------------------------------------------------------------------

    def killed(self) -> Callable[[], None] | None:
        """A host's processes are gone at once; it is started again later."""
        host = self._host()
        if host is None:
            return None
        host.signal_all(signal.SIGKILL)
        return host.begin_again

    def stopped(self) -> Callable[[], None] | None:
        """Control stands still, as a host that swaps does; its servers, too, in half of the cases."""
        host = self._host()
        if host is None or host.process is None:
            return None
        if self._chance.random() < 0.5:
            host.signal_all(signal.SIGSTOP)
        else:
            host.process.send_signal(signal.SIGSTOP)
        return lambda: host.signal_all(signal.SIGCONT)

    def unplugged(self) -> Callable[[], None] | None:
        """A host's cable is out."""
        host = self._host()
        if host is None:
            return None
        host.network.unplug(host.number)
        return lambda: host.network.plug(host.number)

    def unplugged_amid(self) -> Callable[[], None] | None:
        """The cable is out while a transaction of the host is open."""
        host = self._host()
        if host is None:
            return None
        open_now = "SELECT 1 FROM pg_stat_activity WHERE client_addr = %s::inet AND xact_start IS NOT NULL"
        address = host.network.address(host.number)
        with psycopg.connect(self._cluster.url, autocommit=True) as connection:
            if not answer_of(lambda: connection.execute(open_now, (address,)).fetchall(), AMID_S, 0.001):
                return None
            host.network.unplug(host.number)
        return lambda: host.network.plug(host.number)

    def session_ended(self) -> Callable[[], None] | None:
        """The database ends all sessions of a host."""
        host = self._host()
        if host is None:
            return None
        with contextlib.suppress(psycopg.Error):
            self._cluster.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_addr = %s::inet",
                host.network.address(host.number),
            )
        return lambda: None

    def database_away(self) -> Callable[[], None] | None:
        """The database stands still for everybody."""
        away = self._cluster.database.away()
        away.__enter__()
        return lambda: _left(away)

    def store_away(self) -> Callable[[], None] | None:
        """The store stands still for everybody."""
        away = self._cluster.s3.away()
        away.__enter__()
        return lambda: _left(away)

    def worker_killed(self) -> Callable[[], None] | None:
        """An analyst or a trainer dies at its work."""
        role = self._chance.choice(("analyst", "trainer", "trainer"))
        found: list[psutil.Process] = answer_of(
            lambda: [process for host in self._cluster.hosts for process in host.workers(role)], AMID_S, 0.01
        )
        if not found:
            return None
        with contextlib.suppress(psutil.Error):
            self._chance.choice(found).kill()
        return lambda: None


def _left(entered: contextlib.AbstractContextManager[None]) -> None:
    entered.__exit__(None, None, None)


KINDS: dict[str, Callable[[Faults], Callable[[], None] | None]] = {
    "killed": Faults.killed,
    "stopped": Faults.stopped,
    "unplugged": Faults.unplugged,
    "unplugged_amid": Faults.unplugged_amid,
    "session_ended": Faults.session_ended,
    "database_away": Faults.database_away,
    "store_away": Faults.store_away,
    "worker_killed": Faults.worker_killed,
}


@contextmanager
def plugged(cluster: Cluster) -> Iterator[None]:
    """Whatever happened, all cables are in at the end."""
    try:
        yield
    finally:
        for host in cluster.hosts:
            cluster.network.plug(host.number)
            host.signal_all(signal.SIGCONT)
