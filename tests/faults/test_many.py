"""Very many files, very many models: `make world`. Each prints what it measured."""

import os
import time
from collections.abc import Callable

import psutil
import pytest
from daemon_harness import FAST, Daemon, drop, rows
from helpers import wait_for

FILES = int(os.environ.get("DRIFTD_TEST_FILES", "100000"))
MODELS = int(os.environ.get("DRIFTD_TEST_MODELS", "200"))
pytestmark = [pytest.mark.long, pytest.mark.timeout(4 * 3600)]


def resources(daemon: Daemon) -> dict[str, float]:
    """CPU seconds and memory in MB of control and all its children."""
    assert daemon.process is not None
    control = psutil.Process(daemon.process.pid)
    found = [control, *control.children(recursive=True)]
    spent = sum(sum(process.cpu_times()[:2]) for process in found)
    return {"cpu_s": spent, "mb": sum(process.memory_info().rss for process in found) / 1e6, "processes": len(found)}


def test_a_flood_of_small_files_is_taken_in_with_bounded_memory(make_daemon: Callable[..., Daemon]) -> None:
    """All are taken, each once; progress is told, and control and analyst do not grow with the number of files beyond
    a kilobyte or two each."""
    daemon = make_daemon(FAST.replace("first_rows = 300", "first_rows = 1000000"))
    for number in range(FILES):
        (daemon.data / f"f{number:06d}.csv").write_text(
            f"x,z,colour,label\n{number}.5,1,red,yes\n{number}.25,2,red,no\n"
        )
    daemon.start()
    daemon.wait("file_accepted", timeout_s=600)
    before, started_s = resources(daemon), time.monotonic()
    wait_for(lambda: len(list(daemon.seen("file_accepted"))) >= FILES, 4 * 3600, 1.0)
    seconds, after = time.monotonic() - started_s, resources(daemon)
    print(f"{FILES} files: {FILES / seconds:.0f} a second, {before['mb']:.0f} MB then {after['mb']:.0f} MB")
    assert list(daemon.seen("backlog_growing"))
    assert seconds < 60 or list(daemon.seen("backlog_progress"))
    assert after["mb"] - before["mb"] < 150 + 0.004 * FILES
    accepted = [event["file"] for event in daemon.seen("file_accepted")]
    assert len(accepted) == len(set(accepted)) == FILES


def test_many_models_in_one_daemon_are_served_fairly(make_daemon: Callable[..., Daemon]) -> None:
    """Each gets its first model although all ask at once, in the order of asking; at rest they cost little."""
    tree = '[models.m.estimator]\ntype = "sklearn.tree.DecisionTreeClassifier"\n'
    daemon = make_daemon(FAST.replace('rescan = "500ms"\n', "") + tree)
    text = daemon.config.read_text()
    section = text[text.index("[models.m]") :]
    names = [f"m{number:03d}" for number in range(MODELS)]
    parts = [text[: text.index("[models.m]")]]
    for name in names:
        (daemon.folder / name).mkdir()
        drop(rows(int(name[1:]), 400), daemon.folder / name / "a.csv")
        parts.append(section.replace("models.m", f"models.{name}").replace('data_dir = "data"', f'data_dir = "{name}"'))
    daemon.config.write_text("\n".join(parts))
    started_s = time.monotonic()
    daemon.start(wait_ready=False)
    wait_for(lambda: len({event["model"] for event in daemon.seen("model_swapped")}) >= MODELS, 4 * 3600, 1.0)
    seconds = time.monotonic() - started_s
    opened = [event["model"] for event in daemon.seen("cycle_opened")]
    finished = [event["model"] for event in daemon.seen("cycle_finished")]
    late = max(finished.index(name) - opened.index(name) for name in names)
    assert late <= 3, "a model was overtaken"
    before, begun_s = resources(daemon), time.monotonic()
    wait_for(lambda: time.monotonic() - begun_s > 120, 130, 1.0)
    after = resources(daemon)
    idle = (after["cpu_s"] - before["cpu_s"]) / (time.monotonic() - begun_s)
    print(f"{MODELS} models: all served after {seconds:.0f} s; at rest {idle:.1%} of a core, {after['mb']:.0f} MB")
    assert idle < 0.12 and after["mb"] < 700 + 6 * MODELS
