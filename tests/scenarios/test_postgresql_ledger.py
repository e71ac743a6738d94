"""A whole daemon whose ledger is in a real PostgreSQL."""

import contextlib
import json
import shutil
from collections import Counter
from collections.abc import Callable

import httpx
import pytest
from daemon_harness import FAST, Daemon, drop, rows
from helpers import wait_for
from postgresql import PASSWORD, Server, needs_postgresql
from relay import Relay

from daemon.config.paths import StatePaths
from daemon.runtime.promoted import described

pytestmark = [needs_postgresql, pytest.mark.xdist_group("postgresql")]
SAME = 2
"""The same trouble is told once, in the words of what broke off and in those of what is refused."""
SERVICE = 'page = false\nledger_file = "ledger-url"'


def test_a_model_lives_and_a_killed_service_resumes(make_daemon: Callable[..., Daemon], url: str) -> None:
    """First model, drift, a better one, promoted and served; killed amid the next cycle it goes on with that one. A
    second service on the same database is refused, commands are heard, and no secret is told."""
    daemon = make_daemon(FAST, service=SERVICE)
    secret = daemon.folder / "ledger-url"
    secret.write_text(url)
    secret.chmod(0o600)
    daemon.plan()
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
    shutil.copytree(daemon.folder / "state" / "versions", other.folder / "state" / "versions", symlinks=True)
    other.start(wait_ready=False)
    assert other.wait_dead() != 0
    assert "another service works with the ledger postgresql://driftd@" in other.tail()

    daemon.wait("cycle_finished", since=daemon.events.index(second))
    since = len(daemon.events)
    daemon.plan("control control.stage_committed 1 1 KILL")
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


@pytest.mark.long
def test_predictions_go_on_while_the_database_is_away(
    make_daemon: Callable[..., Daemon], postgresql: Server, url: str
) -> None:
    """At a start the service says so and begins when it comes; later on files wait, a command says what is wrong, and all
    of it is done when the database is back, once. No secret is told."""
    with Relay(postgresql.port) as relay:
        relay.cut()
        daemon = make_daemon(FAST, service=SERVICE)
        secret = daemon.folder / "ledger-url"
        secret.write_text(url.replace(str(postgresql.port), str(relay.port)))
        secret.chmod(0o600)
        daemon.start(wait_ready=False)
        assert "refused" in daemon.wait("ledger_awaited")["reason"]
        relay.mend()
        daemon.wait("service_ready")
        drop(rows(1), daemon.data / "a.csv")
        version = daemon.wait("model_swapped")["version"]
        wait_for(lambda: described(StatePaths(daemon.folder / "state"), "m"))
        relay.cut()
        drop(rows(2), daemon.data / "b.csv")
        daemon.wait("ledger_failed")
        for _ in range(20):
            assert daemon.predict().json()["version"] == version
        refused = daemon.cli("status", check=False)
        assert refused.returncode == 3 and "cannot be reached" in refused.stderr
        found = [
            one["what"]
            for one in json.loads(daemon.cli("doctor", "--json", check=False).stdout)
            if one["level"] == "error"
        ]
        assert any("cannot be reached" in what for what in found)
        daemon.stop()
        before = len(daemon.events)
        daemon.start(wait_ready=False)
        daemon.wait("ledger_awaited", since=before)
        wait_for(lambda: answers(daemon) == version, timeout_s=12, what=daemon.tail(60))
        assert not list(daemon.seen("file_accepted", file="b.csv"))
        relay.mend()
        daemon.wait("file_accepted", file="b.csv")
        daemon.wait("check_finished", file="b.csv")
        assert daemon.json("status")["models"]["m"]["files"]["accepted"] == 2
        assert len(list(daemon.seen("file_accepted"))) == 2
        for event, field in (("ledger_failed", "part"), ("ledger_unreadable", "event")):
            told = Counter(one[field] for one in daemon.seen(event))
            assert max(told.values()) <= 2 * SAME, told
        assert PASSWORD not in "\n".join([*daemon.raw, refused.stderr, *found])


def answers(daemon: Daemon) -> str:
    """The version that answers; "" while none does."""
    with contextlib.suppress(httpx.HTTPError, KeyError):
        return str(daemon.predict().json()["version"])
    return ""
