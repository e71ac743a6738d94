"""The stream of a champion's errors in a real daemon: counted once whatever is killed, and told where it rises; and a
drop by labels that came later than their rows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from daemon_harness import Daemon, drop, rows
from pyarrow import Table, concat_tables

from daemon.config.config import load_config
from drift.notation import number
from retrain.monitoring.check import check
from retrain.operations import CheckRequest, StoredDeployment

pytestmark = pytest.mark.timeout(900)  # four starts of a daemon
CONFIG = """\
[models.m.intake]
settle = "100ms"
rescan = "500ms"
[models.m.triggers]
first_rows = 300
on_drift = false
on_performance = false
growth = 1e9
[models.m.adaptation]
recalibration = false
"""


def stored(daemon: Daemon) -> dict[str, Any]:
    """The detector's state in the ledger."""
    ((text,),) = daemon.query("select state from error_streams where model = 'm'")
    state: dict[str, Any] = json.loads(text)
    return state


def walked(daemon: Daemon, version: str) -> dict[str, Any] | None:
    """The state after the files in their order, of checks that nothing interrupted."""
    config, state = load_config(daemon.config), None
    alone = StoredDeployment(folder=config.paths.model("m").versions, weights={version: 1.0}, newest=version)
    for file in ("b.csv", "c.csv"):
        (snapshot,) = [f["snapshot"] for f in daemon.json("files", "m") if f["path"] == file]
        state = check(
            CheckRequest(
                snapshots=(config.state_dir / snapshot,), deployment=alone, settings=config.models["m"],
                work=daemon.folder, stream=state, judge=True,
            )
        ).stream_state  # fmt: skip
    return state


@pytest.mark.long
def test_files_count_once_in_the_stream_of_errors_whatever_is_killed(make_daemon: Callable[..., Daemon]) -> None:
    """Killed before a file's commit, after it, and restarted: the state of the detector is that of no kill."""
    daemon = make_daemon(CONFIG).start()
    drop(rows(1), daemon.data / "a.csv")
    version = daemon.wait("model_swapped")["version"]
    daemon.stop()
    for point, name, seed in (
        ("check.publish_predictions.after_rename", "b.csv", 2),
        ("control.file_committed", "c.csv", 3),
    ):
        daemon.start(crash_at=point, wait_ready=False)
        drop(rows(seed, 500), Path(daemon.data, name))
        assert daemon.wait_dead() == -9, daemon.tail()
        since = len(daemon.events)
        daemon.start()
        daemon.wait("labels_assessed", since=since)
        daemon.stop()
    state = stored(daemon)
    assert state["detector"]["seen"] == 1000
    assert state == json.loads(json.dumps(walked(daemon, version)))


def test_a_rise_of_the_errors_is_told_with_detector_and_row(make_daemon: Callable[..., Daemon]) -> None:
    """Labels leave the features behind in the second half of a file: event, status and trigger say who saw it where."""
    daemon = make_daemon(CONFIG.replace("on_performance = false", "on_performance = true\ncooldown = '100ms'"))
    daemon.start()
    drop(rows(1), daemon.data / "a.csv")
    daemon.wait("model_swapped")
    drop(concat_tables([rows(2, 600), rows(3, 600, flip=True)]), daemon.data / "b.csv")
    told = daemon.wait("errors_rose", file="b.csv")
    assert told["detector"] == "adwin" and 600 < told["row"] <= 1200 and told["before"] < told["after"]
    opened = daemon.wait("cycle_opened", trigger="performance")
    assert f"adwin saw the mean error rise from {number(told['before'])}" in opened["reason"]
    assert f"at row {told['row']:,}" in daemon.cli("explain", str(opened["cycle_id"])).stdout


@pytest.mark.long
def test_late_labels_show_a_drop_of_what_was_answered(make_daemon: Callable[..., Daemon]) -> None:
    """Files come without labels and are checked; their labels come in files of their own, in another order. Those of the
    last one say that its answers were worse than in the files before: it is told once, with the file, and `versions`
    has the value of its answers."""
    settings = CONFIG.replace("growth = 1e9", "growth = 1e9\nregret = false")
    daemon = make_daemon('id_column = "id"\n' + settings, columns=False).start()
    drop(named(rows(1), "a"), daemon.data / "a.csv")
    daemon.wait("model_swapped")
    files = {name: named(rows(seed, 500, flip=name == "g"), name) for seed, name in enumerate("bcdefg", 2)}
    for name, table in files.items():
        drop(table.drop_columns(["label"]), daemon.data / f"{name}.csv")
        daemon.wait("check_finished", file=f"{name}.csv")
    assert daemon.json("versions", "m")[0]["labelled"] is None
    for name in "cbdefg":
        since = len(daemon.events)
        drop(files[name].select(["id", "label"]), daemon.data / f"{name}.labels.csv")
        daemon.wait("labels_assessed", since=since)
    told = daemon.wait("performance_dropped")
    assert told["file"] == "g.csv" and told["earlier"] == 5 and told["drop"] > 0.1
    (version,) = daemon.json("versions", "m")
    assert version["labelled"]["value"] == told["value"] and version["labelled"]["dropped"]
    assert [one["event"] for one in daemon.events].count("performance_dropped") == 1


def named(table: Table, prefix: str) -> Table:
    """With an id for each row."""
    return table.append_column("id", [[f"{prefix}{row}" for row in range(table.num_rows)]])
