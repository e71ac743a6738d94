"""A whole daemon whose ledger is in a real PostgreSQL."""

from collections.abc import Callable, Iterator

import pytest
from daemon_harness import FAST, Daemon, drop, rows
from helpers import wait_for
from postgresql import PASSWORD, Server, needs_postgresql

pytestmark = [needs_postgresql, pytest.mark.xdist_group("postgresql")]
SERVICE = 'page = false\nledger_file = "ledger-url"'


@pytest.fixture
def url(postgresql: Server) -> Iterator[str]:
    """Of a database with an empty ledger."""
    with postgresql.ledger() as made:
        yield made


def test_a_model_lives_and_a_killed_service_resumes(make_daemon: Callable[..., Daemon], url: str) -> None:
    """First model, drift, a better one, promoted and served; killed amid the next cycle it goes on with that one. A
    second service on the same database is refused, commands are heard, and no secret is told."""
    daemon = make_daemon(FAST, service=SERVICE)
    secret = daemon.folder / "ledger-url"
    secret.write_text(url)
    secret.chmod(0o600)
    daemon.start()
    drop(rows(1), daemon.data / "a.csv")
    first = daemon.wait("version_promoted")
    daemon.wait("model_swapped", version=first["version"])
    drop(rows(2, 2000, shift=2.0, flip=True), daemon.data / "b.parquet")
    daemon.wait("drift_detected")
    since = daemon.events.index(first) + 1
    second = daemon.wait("version_promoted", since=since)
    daemon.wait("model_swapped", version=second["version"])
    assert daemon.predict().json()["version"] == second["version"]

    other = make_daemon(FAST, service=SERVICE)
    (other.folder / "ledger-url").write_text(url)
    other.start(wait_ready=False)
    assert other.wait_dead() != 0
    assert "another service works with the ledger postgresql://driftd@" in other.tail()

    daemon.wait("cycle_finished", since=daemon.events.index(second))
    since = len(daemon.events)
    daemon.plan("control control.stage_committed 1 1 KILL")
    daemon.stop()
    daemon.start()
    daemon.cli("retrain", "m")
    daemon.wait("cycle_opened", since=since, trigger="manual")
    daemon.wait_dead()
    before = len(daemon.events)
    daemon.plan()
    daemon.start()
    assert daemon.predict().json()["version"] == second["version"]
    daemon.wait("cycle_finished", since=before)
    assert not list(daemon.seen("cycle_opened", since=before)) and not list(daemon.seen("file_accepted", since=since))
    drop(rows(5), daemon.data / "c.csv")
    daemon.wait("file_accepted", file="c.csv")
    wait_for(lambda: daemon.json("status")["models"]["m"]["files"]["accepted"] == 3)
    assert any("answers" in one["what"] and one["level"] == "ok" for one in daemon.json("doctor"))
    refused = daemon.cli("backup", str(daemon.folder / "backups"), check=False)
    assert refused.returncode != 0 and "pg_dump" in refused.stderr
    assert daemon.stop() == 0
    assert not (daemon.folder / "state" / "ledger.sqlite-wal").exists()
    told = "\n".join([*daemon.raw, *other.raw, refused.stderr, str(daemon.json("doctor"))])
    assert PASSWORD not in told
