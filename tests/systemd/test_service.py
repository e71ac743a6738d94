"""The service under a real systemd: its life, its watchdog, its journal."""

import re
import sys
import time
from collections.abc import Iterator

import pytest
from daemon_harness import FAST
from helpers import wait_for
from systemd.conftest import CONFIG, DRIFTD, DROP_IN, TEXT, Service

pytestmark = [pytest.mark.xdist_group("systemd"), pytest.mark.timeout(300)]
RESTARTS = 3
READY_WITHIN_S = 3.0
MOST_EXPOSED = 1.5


@pytest.fixture
def as_installed(service: Service) -> Iterator[Service]:
    """The service, whose unit is again as it was installed afterwards."""
    yield service
    service.path(DROP_IN).unlink(missing_ok=True)
    service.run("systemctl", "daemon-reload")
    service.run("systemctl", "restart", "driftd")


def test_the_units_have_no_mistakes_and_little_exposure(service: Service) -> None:
    """systemd-analyze has nothing to complain about, and rates the sandbox at 1.5 or better."""
    verified = service.call("systemd-analyze", "verify", "driftd.service", "driftd.socket")
    assert (verified.stdout + verified.stderr).strip() == ""
    told = service.run("systemd-analyze", "security", "--no-pager", "driftd.service")
    found = re.search(r"Overall exposure level for driftd.service: ([0-9.]+)", told)
    assert found is not None and float(found[1]) <= MOST_EXPOSED, told


def test_installing_again_changes_nothing(service: Service) -> None:
    """A second time writes no file."""
    assert "wrote" not in service.driftd("install-service")


def test_it_runs_as_its_own_user_and_says_what_it_does(service: Service) -> None:
    """The status line names the served version; nothing runs as root."""
    assert service.show("User") == "driftd"
    version = service.journal("EVENT=version_promoted", "MODEL=m")[0]["VERSION"]
    wait_for(lambda: version in service.show("StatusText"), 20, what="the version in the status line")
    owners = {service.path(f"/proc/{pid}").stat().st_uid for pid in service.processes("daemon.server|daemon.worker")}
    assert owners and 0 not in owners


def test_a_restart_under_load_loses_no_request(service: Service) -> None:
    """The socket keeps the port: requests wait for the new servers."""
    taken = []
    with service.load() as load:
        for _ in range(RESTARTS):
            started = time.monotonic()
            service.run("systemctl", "restart", "driftd")
            taken.append(time.monotonic() - started)
    assert load["failures"] == [] and load["answers"] > 500
    print(f"{load['answers']} answers over {RESTARTS} restarts of {max(taken):.1f} s at most")


def test_it_is_ready_within_three_seconds_with_twenty_versions_stored(service: Service) -> None:
    """From `systemctl start` to READY."""
    store = service.path("/var/lib/driftd/versions/m")
    one = next(path for path in store.iterdir() if path.name.startswith("v0001"))
    for number in range(50, 69):
        service.run("cp", "-a", f"/var/lib/driftd/versions/m/{one.name}", f"/var/lib/driftd/versions/m/v{number:04}-0")
    taken = []
    for _ in range(2):
        service.run("systemctl", "stop", "driftd")
        started = time.monotonic()
        service.run("systemctl", "start", "driftd")
        taken.append(time.monotonic() - started)
    print(f"ready after {min(taken):.2f} s")
    assert min(taken) < READY_WITHIN_S


def test_a_killed_service_comes_back_on_the_same_socket(service: Service) -> None:
    """`kill -9` of the main process: the port is never closed, and the next request is answered."""
    before = service.main_pid()
    service.run("kill", "-9", str(before))
    assert service.status_of() == "200"
    wait_for(lambda: service.main_pid() not in (0, before), 20)
    assert service.run("systemctl", "is-active", "driftd.socket") == "active"


def test_a_reload_applies_a_change_or_refuses_it_whole(service: Service) -> None:
    """`systemctl reload` returns when it is over; a broken configuration fails it with the reason, and changes nothing."""
    pid, after = service.main_pid(), service.cursor()
    service.configure((TEXT + FAST).replace('settle = "200ms"', 'settle = "100ms"'))
    with service.load(2) as load:
        service.run("systemctl", "reload", "driftd")
    assert load["failures"] == []
    assert service.journal("EVENT=config_reloaded", after=after)
    service.configure((TEXT + FAST).replace("cooldown", "cooldawn"))
    assert service.call("systemctl", "reload", "driftd").returncode != 0
    refused = service.wait("EVENT=config_refused", after=after)
    assert "cooldawn" in refused["REASON"] and "cooldown" in refused["REASON"]
    told = service.call(DRIFTD, "-c", CONFIG, "reload")
    assert told.returncode == 2 and "cooldawn" in told.stderr
    service.configure((TEXT + FAST).replace("/srv/driftd/m", "/srv/elsewhere/m"))
    told = service.call(DRIFTD, "-c", CONFIG, "reload")
    assert told.returncode == 1 and "/srv/elsewhere/m" in told.stderr
    assert (service.main_pid(), service.status_of()) == (pid, "200")
    service.configure()
    service.run("systemctl", "reload", "driftd")


def test_the_journal_finds_events_by_their_fields(service: Service) -> None:
    """`journalctl MODEL=m EVENT=version_promoted` finds that event, of the service and of its servers alike."""
    found = service.journal("MODEL=m", "EVENT=version_promoted", "SYSLOG_IDENTIFIER=driftd")
    assert found and all(entry["_SYSTEMD_UNIT"] == "driftd.service" for entry in found)
    after = service.cursor()
    assert service.status_of("/models/m/predict", "-d", "no json") == "400"
    rejected = service.wait("EVENT=input_rejected", after=after)
    assert int(rejected["_PID"]) in service.processes("daemon.server")


def test_events_of_any_size_reach_the_journal(service: Service) -> None:
    """A value larger than any datagram arrives whole."""
    script = "from daemon.log import Journal; Journal().msg({'event': 'large', 'level': 'info', 'value': 'x' * 3_000_000})"
    service.run(sys.executable, "-c", script)
    assert len(service.wait("EVENT=large")["VALUE"]) == 3_000_000


def test_a_journal_that_stands_still_stops_nobody(service: Service) -> None:
    """While journald is frozen events are dropped and counted; the count is told although no event follows."""
    script = """
        import os, signal, subprocess, structlog
        from daemon.log import configure, get_logger, tell_dropped
        pid = int(subprocess.check_output(["pidof", "systemd-journald"]))
        configure(style="journal")
        os.kill(pid, signal.SIGSTOP)
        for number in range(5000):
            get_logger().info("flood", number=number, text="x" * 1000)
        os.kill(pid, signal.SIGCONT)
        while structlog.get_config()["logger_factory"]().dropped:
            tell_dropped()
    """
    service.run(sys.executable, "-c", "if True:" + script, timeout_s=60)
    told = service.wait("EVENT=log_dropped")
    assert int(told["DROPPED_BEFORE"]) > 0


def test_tokens_come_as_credentials(as_installed: Service) -> None:
    """Root's own file, by LoadCredential=: without the token 401, with it 200."""
    token = as_installed.path("/etc/driftd/read-token")
    token.write_text("0123456789abcdef-token")
    token.chmod(0o600)
    as_installed.drop_in("LoadCredential=driftd-read-token:/etc/driftd/read-token")
    assert as_installed.status_of() == "401"
    bearer = ("-H", "authorization: Bearer 0123456789abcdef-token")
    assert as_installed.status_of("/models/m/predict", *bearer) == "200"


def test_a_killed_trainer_leaves_the_service_serving(service: Service) -> None:
    """What the kernel does to a child that takes too much memory: the stage is tried again, no request fails."""
    pid, after = service.main_pid(), service.cursor()
    with service.load(2) as load:
        service.driftd("-c", CONFIG, "retrain", "m")
        trainer = wait_for(lambda: service.processes("role trainer"), 30)[0]
        service.run("kill", "-9", str(trainer))
        service.wait("EVENT=worker_died", "MODEL=m", after=after)
        service.wait("EVENT=cycle_finished", "MODEL=m", after=after)
    assert load["failures"] == [] and service.main_pid() == pid


def test_a_hung_server_is_ended_and_started_again(as_installed: Service) -> None:
    """Its heartbeats stop: control kills it, and another one answers on the same socket."""
    as_installed.drop_in("WatchdogSec=10")
    pid, after = as_installed.main_pid(), as_installed.cursor()
    server = as_installed.processes("daemon.server")[0]
    as_installed.run("kill", "-STOP", str(server))
    hung = as_installed.wait("EVENT=server_hung", after=after)
    assert int(hung["PID"]) == server
    assert as_installed.status_of() == "200"
    assert as_installed.main_pid() == pid


@pytest.mark.parametrize("moment", ["watch.event", "control.file_committed"])
def test_the_watchdog_catches_a_hung_part(as_installed: Service, moment: str) -> None:
    """A watch's thread, or control's loop, hangs when a file arrives: the service is ended with the stacks in the journal,
    started again, and takes the file in."""
    as_installed.drop_in(f"WatchdogSec=6\nEnvironment=DRIFTD_HANG_AT={moment}")
    pid, after = as_installed.main_pid(), as_installed.cursor()
    as_installed.path(DROP_IN).write_text("[Service]\nWatchdogSec=6\n")
    as_installed.run("systemctl", "daemon-reload")
    as_installed.drop(f"{moment}.parquet", seed=int.from_bytes(moment.encode()[:3]), n=50)
    wait_for(lambda: as_installed.main_pid() not in (0, pid), 40, 0.2, "a new main process")
    stacks = "\n".join(str(entry["MESSAGE"]) for entry in as_installed.journal(f"_PID={pid}", after=after))
    assert "Aborted" in stacks and "in hook" in stacks, stacks[-3000:]
    if moment == "watch.event":
        assert as_installed.journal("EVENT=part_hung", "PART=watch of m", after=after)
    as_installed.wait("EVENT=file_accepted", f"FILE={moment}.parquet", timeout_s=40)


def test_removal_leaves_state_and_data(service: Service) -> None:
    """`--uninstall` stops it and takes the units away, and installing again goes on where it was."""
    version = service.journal("EVENT=version_promoted", "MODEL=m")[-1]["VERSION"]
    service.driftd("install-service", "--uninstall")
    assert service.call("systemctl", "cat", "driftd.service").returncode != 0
    assert service.path(f"/var/lib/driftd/versions/m/{version}").is_dir()
    assert list(service.path("/srv/driftd/m").iterdir())
    service.driftd("install-service")
    service.run("systemctl", "enable", "--now", "driftd.socket", "driftd.service")
    assert service.status_of() == "200"
