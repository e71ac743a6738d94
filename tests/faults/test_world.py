"""The machine at its worst, on a real daemon: a full disk, a mount that goes away, training that hangs or eats memory,
events that are lost."""

import contextlib
import operator
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from daemon_harness import FAST, Daemon, drop, rows
from helpers import slowness, wait_for

from daemon.intake.files import HINT_WITHIN_S
from faults import mounts

ESTIMATOR = '''
import threading
from pathlib import Path

from sklearn.tree import DecisionTreeClassifier

TRIES = Path(__file__).with_name("tries")


def factory(seed):
    """The first training hangs, the second wants more memory than there is, the third is a good one."""
    tries = len(TRIES.read_text()) if TRIES.exists() else 0
    TRIES.write_text("." * (tries + 1))
    if tries == 0:
        threading.Event().wait()
    if tries == 1:
        bytearray(20 * 10**9)
    return DecisionTreeClassifier(max_depth=3, random_state=seed)
'''


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Something is mounted on the folder; skipped where that is not allowed."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(mounts.mounted(folder, *options))
        except mounts.Unmountable as error:
            pytest.skip(str(error))
        yield


def states(daemon: Daemon) -> dict[str, str]:
    """Files by path."""
    return {file["path"]: file["state"] for file in daemon.json("files", "m")}


def test_a_full_disk_stops_the_intake_not_the_serving_and_is_over_by_itself(make_daemon: Callable[..., Daemon]) -> None:
    """With no byte left the champion answers, also from a server that is started then, no file is refused or lost, and
    with room again the waiting file is taken without a restart."""
    daemon = make_daemon(FAST)
    state = daemon.folder / "state"
    state.mkdir()
    daemon.config.write_text(daemon.config.read_text().replace('min_free = "1MB"', 'min_free = "8MB"'))
    with mounted(state, "-t", "tmpfs", "-o", "size=32m", "tmpfs"):
        try:
            daemon.start()
            drop(rows(1), daemon.data / "a.csv")
            daemon.wait("model_swapped")
            with contextlib.suppress(OSError), (state / "filler").open("wb") as file:
                while True:
                    file.write(b"0" * 4096)
                    file.flush()
            drop(rows(2, 60), daemon.data / "b.csv")
            low = daemon.wait("disk_low")
            assert low["waiting_file"] == "b.csv" and daemon.predict().status_code == 200
            server = next(pid for pid in children(daemon, "daemon.server"))
            since = len(daemon.events)
            os.kill(server, signal.SIGKILL)
            daemon.wait("server_died", since=since)
            wait_for(lambda: answers(daemon), what=daemon.tail())
            (state / "filler").unlink()
            assert daemon.wait("file_accepted", since=since, file="b.csv")["rows"] == 60
            assert states(daemon) == {"a.csv": "accepted", "b.csv": "accepted"}
            assert daemon.process is not None and daemon.process.poll() is None
        finally:
            daemon.close()


def answers(daemon: Daemon) -> bool:
    """Whether a server answers."""
    with contextlib.suppress(httpx.HTTPError):
        return daemon.predict().status_code == 200
    return False


def children(daemon: Daemon, words: str) -> Iterator[int]:
    """Ids of its child processes."""
    import psutil

    assert daemon.process is not None
    for child in psutil.Process(daemon.process.pid).children(recursive=True):
        if words in " ".join(child.cmdline()):
            yield child.pid


def test_a_training_that_hangs_or_eats_memory_is_stopped_told_and_tried_again(
    make_daemon: Callable[..., Daemon],
) -> None:
    """Its time and its memory are bounded; the reason says which bound, and the first good attempt is promoted: the
    third, or a later one where the machine is so busy that good ones take too long as well."""
    train_time_s = round(12 * slowness())
    limits = f'max_attempts = 20\n[models.m.limits]\ntrain_time = "{train_time_s}s"\ntrain_memory = "6GB"\n'
    daemon = make_daemon(FAST + limits + '[models.m.estimator]\ntype = "own.py:factory"\n')
    (daemon.folder / "own.py").write_text(ESTIMATOR)
    daemon.start()
    drop(rows(1), daemon.data / "a.csv")
    daemon.wait("model_swapped")
    failed = list(daemon.seen("stage_failed"))
    assert all(event["will_retry"] for event in failed)
    late, hungry = (
        [word in event["reason"] for event in failed]
        for word in (f"longer than {train_time_s} s", "limits.train_memory")
    )
    assert late[0] and hungry.count(True) == 1 and all(map(operator.xor, late, hungry)), failed
    assert [event["outcome"] for event in daemon.seen("cycle_finished")] == ["promoted"]


@contextlib.contextmanager
def memory_group(limit: int) -> Iterator[Path]:
    """A control group whose processes together may have so many bytes, of either version; skipped where none can be
    made."""
    for base, key in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = Path(base) / f"driftd-test-{os.getpid()}"
        try:
            group.mkdir()
            (group / key).write_text(str(limit))
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            continue
        try:
            yield group
        finally:
            for pid in (group / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            wait_for(lambda group=group: not (group / "cgroup.procs").read_text().split())
            group.rmdir()
        return
    pytest.skip("no control group with a memory limit can be made")


@pytest.mark.long
def test_the_kernel_out_of_memory_takes_the_trainer_first(make_daemon: Callable[..., Daemon]) -> None:
    """In a group with too little memory for a training, that training dies; the service and the server live, the log
    says what it probably was, and the next attempt is promoted."""
    limits = '[models.m.limits]\ntrain_memory = "100GB"\n'
    daemon = make_daemon(FAST + limits + '[models.m.estimator]\ntype = "own.py:factory"\n')
    (daemon.folder / "own.py").write_text(ESTIMATOR.replace("threading.Event().wait()", "bytearray(b'1') * 4 * 10**9"))
    with memory_group(2 * 10**9) as group:
        daemon.start()
        assert daemon.process is not None
        for pid in (daemon.process.pid, *children(daemon, "")):
            (group / "cgroup.procs").write_text(str(pid))
        drop(rows(1), daemon.data / "a.csv")
        daemon.wait("model_swapped")
        died = [event["how"] for event in daemon.seen("worker_died")]
        assert died and all("signal 9 (out of memory?)" in how for how in died)
        assert not list(daemon.seen("server_died")) and daemon.process.poll() is None and answers(daemon)
        daemon.close()


def test_a_mount_that_goes_away_and_comes_back_costs_nothing(make_daemon: Callable[..., Daemon]) -> None:
    """Files that vanish with it are not forgotten; when it is back nothing is taken twice, new files are taken, and the
    same contents on another disk are known."""
    daemon = make_daemon(FAST)
    real = daemon.folder / "disk"
    real.mkdir()
    with mounted(daemon.data, "--bind", str(real)):
        daemon.start()
        drop(rows(1, 60), daemon.data / "a.csv")
        daemon.wait("file_accepted", file="a.csv")
    with mounted(daemon.folder, "--bind", str(daemon.folder)):  # the folder stays writable beside the lost mount
        assert not (daemon.data / "a.csv").exists()
        drop(rows(2, 60), daemon.data / "beneath.csv")
        daemon.wait("file_accepted", file="beneath.csv")
        assert states(daemon)["a.csv"] == "accepted"
    since = len(daemon.events)
    with mounted(daemon.data, "--bind", str(real)):
        drop(rows(3, 60), daemon.data / "b.csv")
        daemon.wait("file_accepted", file="b.csv")
    copy = daemon.folder / "copy"
    shutil.copytree(real, copy)
    with mounted(daemon.data, "--bind", str(copy)):
        drop(rows(4, 60), daemon.data / "c.csv")
        daemon.wait("file_accepted", file="c.csv")
        daemon.close()
    assert states(daemon) == dict.fromkeys(["a.csv", "beneath.csv", "b.csv", "c.csv"], "accepted")
    assert [event["file"] for event in daemon.seen("file_accepted", since=since)] == ["b.csv", "c.csv"]


def test_without_inotify_files_are_found_by_looking_often(make_daemon: Callable[..., Daemon]) -> None:
    """Where the system has no watch left it is told once, and a file is taken in seconds although rescans are rare;
    when there is one again, it is used."""
    daemon = make_daemon(FAST.replace('"500ms"', '"1h"'))
    daemon.plan("control watch.before_start 1 1000 EMFILE")
    daemon.start()
    assert "open files" in daemon.wait("watch_failed")["error"]
    drop(rows(1, 60), daemon.data / "a.csv")
    daemon.wait("file_accepted", file="a.csv")
    assert len(list(daemon.seen("watch_failed"))) == 1


@pytest.mark.long
def test_a_watch_that_says_nothing_is_noticed_and_told_once(make_daemon: Callable[..., Daemon]) -> None:
    """A folder that is written behind the kernel's back, as a network mount is: files are taken by rescans, and the log
    names the way out."""
    daemon = make_daemon(FAST.replace('"500ms"', '"10s"'))
    lower, upper, work = (daemon.folder / name for name in ("lower", "upper", "work"))
    for folder in (lower, upper, work):
        folder.mkdir()
    layers = f"lowerdir={lower},upperdir={upper},workdir={work}"
    with mounted(daemon.data, "-t", "overlay", "-o", layers, "overlay"):
        daemon.start()
        daemon.wait("service_ready")
        begun_s = time.monotonic()
        wait_for(lambda: time.monotonic() - begun_s > HINT_WITHIN_S, 20)  # what is newer than the watch
        drop(rows(1, 60), upper / "a.csv")
        missed = daemon.wait("watch_missed")
        assert missed["files"] == 1 and missed["first"] == "a.csv" and "polling" in missed["hint"]
        daemon.wait("file_accepted", file="a.csv")
        drop(rows(2, 60), daemon.data / "b.csv")  # the new watch hears what goes through the folder itself
        daemon.wait("file_accepted", file="b.csv")
        daemon.close()
    assert len(list(daemon.seen("watch_missed"))) == 1


@pytest.mark.long
def test_a_disk_that_breaks_and_turns_read_only_stops_the_work_not_the_serving(
    make_daemon: Callable[..., Daemon],
) -> None:
    """The kernel makes a file system with an error read-only: it is told, the champion answers, and after the repair
    nothing is lost and the waiting file is taken."""
    daemon = make_daemon(FAST)
    state, image = daemon.folder / "state", daemon.folder / "disk.img"
    state.mkdir()
    with image.open("wb") as file:
        file.truncate(64 * 2**20)
    if shutil.which("mkfs.ext4") is None or os.geteuid() != 0:
        pytest.skip("needs root and mkfs.ext4")
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True, capture_output=True)
    disk = "-o", "loop,errors=remount-ro", str(image)
    with mounted(state, *disk):
        daemon.start()
        drop(rows(1), daemon.data / "a.csv")
        version = daemon.wait("model_swapped")["version"]
        device = next(line.split()[0] for line in Path("/proc/mounts").read_text().splitlines() if str(state) in line)
        assert device.startswith("/dev/loop")
        (Path("/sys/fs/ext4") / Path(device).name / "trigger_fs_error").write_text("1")
        assert "cannot be written" in daemon.wait("state_lost")["reason"]
        drop(rows(2, 60), daemon.data / "b.csv")
        assert daemon.predict().status_code == 200
        daemon.close()
    subprocess.run(["e2fsck", "-fy", str(image)], check=False, capture_output=True)
    with mounted(state, *disk):
        since = len(daemon.events)
        daemon.start()
        daemon.wait("file_accepted", since=since, file="b.csv")
        assert answers(daemon) and daemon.predict().json()["version"] == version
        assert states(daemon) == {"a.csv": "accepted", "b.csv": "accepted"}
        daemon.close()


@pytest.mark.long
def test_a_queue_of_events_that_overflows_loses_no_file(make_daemon: Callable[..., Daemon]) -> None:
    """The daemon sleeps while more happens than the kernel keeps events of; the files at the end are found."""
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if most > 100_000:
        pytest.skip(f"the queue holds {most} events")
    daemon = make_daemon(FAST.replace('"500ms"', '"2s"')).start()
    assert daemon.process is not None
    wait_for(lambda: daemon.json("status"))
    daemon.process.send_signal(signal.SIGSTOP)
    for _ in range(most // 3 + 100):
        (daemon.data / ".noise").write_bytes(b"")  # created or modified, and closed
        (daemon.data / ".noise").unlink()
    drop(rows(1, 60), daemon.data / "last.csv")
    daemon.process.send_signal(signal.SIGCONT)
    daemon.wait("file_accepted", file="last.csv")


@pytest.mark.long
def test_two_daemons_on_one_state_are_one_too_many(make_daemon: Callable[..., Daemon]) -> None:
    """The second refuses and names the first; a server alone beside it serves the same champion."""
    daemon = make_daemon(FAST).start()
    drop(rows(1), daemon.data / "a.csv")
    version = daemon.wait("model_swapped")["version"]
    second = daemon.cli("run", check=False)
    assert daemon.process is not None
    assert second.returncode == 1 and f"process {daemon.process.pid}" in second.stderr
    beside = make_daemon(FAST)
    command = [
        sys.executable,
        "-m",
        "daemon",
        "-c",
        str(daemon.config),
        "serve",
        "--listen",
        f"127.0.0.1:{beside.port}",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[2]) as server:
        wait_for(lambda: answers(beside))
        assert beside.predict().json()["version"] == version
        server.terminate()
    assert daemon.predict().json()["version"] == version
