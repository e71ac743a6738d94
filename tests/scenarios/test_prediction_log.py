"""Live traffic in a whole daemon: kept, checked on the schedule, labelled by feedback, taught from; and what kills do."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import local_http
import psutil
import pyarrow.parquet as pq
import pytest
from daemon_harness import Daemon, drop, rows, serve_first_model
from helpers import wait_for

CONFIG = """\
id_column = "id"
{schedule}
[models.m.prediction_log]
every = "{every}"
{log}
[models.m.intake]
settle = "100ms"
[models.m.triggers]
first_rows = 300
regret = false
growth = false
cooldown = "100ms"
retry_after = "100ms"
[models.m.adaptation]
archive = 1
recalibration = false
[models.m.columns]
id = "category"
"""
TRAFFIC = 120
pytestmark = pytest.mark.xdist_group("prediction_log")  # one first model for all of them


def with_ids(daemon: Daemon) -> Daemon:
    """Its columns are those of `rows`, and an id."""
    first, second = daemon.config.read_text().split("[models.m.columns]\n", 1)
    second = second.replace("[models.m.columns]\n", "")
    daemon.config.write_text(f"{first}[models.m.columns]\n{second}")
    return daemon


def serve_first(daemon: Daemon, crash_at: str = "") -> Daemon:
    """Start it, and have it make its first model."""
    daemon.start(crash_at=crash_at)
    drop(rows(1).append_column("id", [[f"d{i}" for i in range(600)]]), daemon.data / "a.parquet")
    daemon.wait("model_swapped")
    return daemon


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a service that ended after it made its first model."""
    folder = tmp_path_factory.mktemp("first")
    daemon = with_ids(Daemon(folder, CONFIG.format(every="1s", log="", schedule="")))
    try:
        serve_first(daemon).stop()
    finally:
        daemon.close()
    return folder


@pytest.fixture
def serving(make_daemon: Callable[..., Daemon], first: Path) -> Callable[..., Daemon]:
    """Makes daemons that serve a first model, which those make themselves that are to crash."""

    def make(every: str = "1s", log: str = "", schedule: str = "", crash_at: str = "") -> Daemon:
        daemon = with_ids(make_daemon(CONFIG.format(every=every, log=log, schedule=schedule)))
        return serve_first(daemon, crash_at) if crash_at else serve_first_model(daemon, first)

    return make


def ask(daemon: Daemon, first: int, n: int = TRAFFIC, shift: float = 0.0) -> list[dict[str, Any]]:
    """Predictions of rows with ids t<first>…, in requests of twenty; the labels that they turn out to have."""
    table = rows(1000 + first, n, shift)
    asked, labels = table.drop_columns(["label"]).to_pylist(), table.column("label").to_pylist()
    ids = [f"t{first + i}" for i in range(n)]
    with local_http.Client() as client:
        for k in range(0, n, 20):
            body = {"rows": asked[k : k + 20], "ids": ids[k : k + 20]}
            assert client.post(f"{daemon.url}/models/m/predict", json=body).status_code == 200
    return [{"id": key, "label": label} for key, label in zip(ids, labels, strict=True)]


def feedback(daemon: Daemon, labels: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer to labels that came later."""
    answer = local_http.post(f"{daemon.url}/models/m/feedback", json={"labels": labels})
    assert answer.status_code == 202, answer.text
    told: dict[str, Any] = answer.json()
    return told


def traffic(daemon: Daemon) -> list[Any]:
    """Path, seq, rows and state of the data files of live traffic."""
    return daemon.query("select path, seq, rows, state, snapshot from files where source = 'traffic' order by id")


def ids_taken(daemon: Daemon) -> list[str]:
    """The ids of all rows that were taken in from live traffic, each as often as it was."""
    found: list[str] = []
    for *_, state, snapshot in traffic(daemon):
        if state == "accepted":
            found += pq.read_table(daemon.folder / "state" / snapshot).column("id").to_pylist()
    return sorted(found)


def spool(daemon: Daemon) -> Path:
    """Where the server writes."""
    return daemon.folder / "state/prediction_log/m/spool"


def durable(daemon: Daemon) -> int:
    """Rows that lie in the spool or in the log."""
    waiting = 0
    for path in [*spool(daemon).glob("*.open"), *spool(daemon).glob("*.jsonl")]:
        waiting += sum(len(json.loads(line)["rows"]) for line in path.read_text().splitlines())
    return waiting + int(daemon.query("select coalesce(sum(rows), 0) from prediction_log")[0][0])


def due_check(daemon: Daemon, at: float = 60.0) -> None:
    """What the schedule writes when its time has come; the daemon is down meanwhile and finds it at its start."""
    daemon.query("insert into due (model, kind, due_at) values ('m', 'check', ?)", at)


def test_feedback_makes_live_traffic_performance_and_training_data(serving):
    """Rows that were only ever sent to predict become a data file; labels that come later by their ids are assessed, and
    the next training learns from these rows. `files` and `status` show them."""
    daemon = serving()
    labels = ask(daemon, 0)
    path, seq, count, state, _ = wait_for(lambda: traffic(daemon), what=daemon.tail())[0]
    assert (count, state) == (TRAFFIC, "accepted") and path.startswith("predictions/20")
    assert ids_taken(daemon) == sorted(label["id"] for label in labels)
    told = daemon.wait("check_finished", kind="file", file=path)
    assert told["estimated_rows"] == TRAFFIC
    assert feedback(daemon, labels) == {"model": "m", "accepted": TRAFFIC}
    assessed = daemon.wait("labels_assessed", seq=seq)
    assert assessed["rows"] == TRAFFIC and assessed["value"] > 0.7
    assert daemon.json("status")["models"]["m"]["labelled_rows"] == 600 + TRAFFIC
    daemon.cli("retrain", "m")
    daemon.wait("cycle_finished", cycle_id=2)
    prepared = daemon.query("select result from stages where cycle_id = 2 and stage = 'prepare'")
    result = json.loads(prepared[0][0])
    assert result["known_rows"] == 600 + TRAFFIC
    digest = daemon.query(f"select sha256 from files where seq = {seq}")[0][0]
    assert digest in set(result["snapshots"]) | set(result["holdout_snapshots"])
    listed = {one["path"]: one for one in daemon.json("files", "m")}
    assert (listed[path]["source"], listed[path]["rows"]) == ("traffic", TRAFFIC)
    log = [pq.read_table(p) for p in (daemon.folder / "state/prediction_log/m").glob("*.parquet")]
    version = daemon.predict().json()["version"]
    said = {(v, r) for t in log for v, r in zip(t["__version"].to_pylist(), t["__role"].to_pylist(), strict=True)}
    assert len(said) == 1 and next(iter(said))[1] == "answer" and version.startswith("v")


@pytest.mark.long
def test_a_dropped_file_of_rows_that_were_served_counts_them_once(serving):
    """The same ids, first as live traffic and later dropped with their labels: the file is not held as repeated, and
    training has each row once."""
    daemon = serving()
    labels = ask(daemon, 0)
    wait_for(lambda: traffic(daemon), what=daemon.tail())
    table = rows(1000, TRAFFIC).append_column("id", [[label["id"] for label in labels]])
    drop(table, daemon.data / "b.parquet")
    daemon.wait("file_accepted", file="b.parquet")
    feedback(daemon, labels)
    wait_for(lambda: daemon.query("select 1 from files where kind = 'labels' and state = 'accepted'"))
    daemon.cli("retrain", "m")
    daemon.wait("cycle_finished", cycle_id=2)
    result = json.loads(daemon.query("select result from stages where cycle_id = 2 and stage = 'prepare'")[0][0])
    assert result["known_rows"] == 600 + TRAFFIC
    assert daemon.query("select state from files where path = 'b.parquet'") == [("accepted",)]


def test_traffic_that_moved_is_drift_on_the_schedule(serving):
    """At a scheduled check what was kept becomes one data file, is checked like any, and opens an episode; fewer rows
    than a check needs wait, and a window of that file alone is not checked twice."""
    daemon = serving(every="30d", schedule='check_window = "1ms"')
    ask(daemon, 0, shift=2.0)
    daemon.stop()
    due_check(daemon)
    before = len(daemon.events)
    daemon.start()
    found = daemon.wait("drift_detected", since=before)
    assert found["file"].startswith("predictions/") and "x" in found["columns"]
    wait_for(lambda: daemon.query("select 1 from due where done_at is not null"))
    assert [row[2] for row in traffic(daemon)] == [TRAFFIC]
    assert set(daemon.query("select kind from checks")) == {("file",)}
    ask(daemon, 1000, 20)
    daemon.stop()
    due_check(daemon, 120.0)
    daemon.start()
    wait_for(lambda: daemon.query("select 1 from due where due_at = 120 and done_at is not null"))
    assert len(traffic(daemon)) == 1
    assert daemon.query("select sum(answers), count(data_file), count(*) from prediction_log") == [(TRAFFIC + 20, 1, 2)]
    assert daemon.query("select count(*) from checks where kind = 'schedule'") == [(1,)]


def test_feedback_says_which_rows_are_not_kept(serving):
    """With a share, ids outside of it are named, and only those inside are in the log; switched off, none is."""
    daemon = serving(log="share = 0.5")
    labels = ask(daemon, 0, 200)
    told = feedback(daemon, labels)
    missing = told["not_kept_count"]
    assert told["accepted"] == 200 and 60 < missing < 140 and len(told["not_kept"]) == 20
    assert "joins only a row of a dropped data file" in told["note"]
    wait_for(lambda: traffic(daemon), what=daemon.tail())
    assert len(ids_taken(daemon)) == 200 - missing
    assert not set(told["not_kept"]) & set(ids_taken(daemon))


@pytest.mark.long
def test_the_log_is_bounded_on_disk(serving):
    """Beyond `keep` the oldest files go, with the data files made of them, their snapshots and predictions."""
    daemon = serving(log='keep = "150KB"')
    for k in range(3):
        ask(daemon, 1000 * k)
        wait_for(lambda k=k: len(traffic(daemon)) == k + 1, what=daemon.tail())
    expired = daemon.wait("predictions_expired")
    assert expired["rows"] >= TRAFFIC
    wait_for(lambda: traffic(daemon)[0][3] == "expired")
    ask(daemon, 5000)
    wait_for(lambda: traffic(daemon)[0][4] is None, what="the snapshot to go")
    files = daemon.query("select snapshot from files where snapshot is not null")
    assert {f"state/{row[0]}" for row in files} == {
        str(path.relative_to(daemon.folder)) for path in (daemon.folder / "state/snapshots/m").iterdir()
    }
    logged = daemon.query("select path from prediction_log")
    assert {row[0] for row in logged} == {
        str(path.relative_to(daemon.folder / "state"))
        for path in (daemon.folder / "state/prediction_log/m").glob("*.parquet")
    }


def server_of(daemon: Daemon) -> psutil.Process:
    """The server process."""
    assert daemon.process is not None
    for child in psutil.Process(daemon.process.pid).children():
        if "daemon.server" in " ".join(child.cmdline()):
            return child
    raise AssertionError("no server")


@pytest.mark.long
def test_kills_of_server_and_control_lose_no_durable_row(serving):
    """SIGKILL of the server while its segment is open, then of control: each row that was durable, and each label that
    was acknowledged, is taken once."""
    daemon = serving()
    labels = ask(daemon, 0)
    wait_for(lambda: durable(daemon) == TRAFFIC, what="the rows to be durable")
    feedback(daemon, labels)
    os.kill(server_of(daemon).pid, signal.SIGKILL)
    daemon.wait("server_died")
    daemon.kill()
    daemon.start()
    wait_for(lambda: len(ids_taken(daemon)) >= TRAFFIC, what=daemon.tail())
    assert ids_taken(daemon) == sorted(label["id"] for label in labels)
    daemon.wait("labels_assessed")
    assert daemon.query("select sum(rows) from files where kind = 'labels'") == [(TRAFFIC,)]


POINTS = [
    "traffic.assigned",
    "prediction_log.committed",
    "control.file_committed:2",
    "prediction_log.publish.before_rename",
    "prediction_log.publish.after_rename",
    "prediction_log.remove_segment.before_remove",
    "prediction_log.trimmed:2",
]


@pytest.mark.long
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_between_any_two_steps_takes_each_row_once(point, serving):
    """Control killed at a named step between segment and data file, then restarted: no row is lost or taken twice, and
    nothing is left over."""
    daemon = serving(crash_at=point)
    labels = ask(daemon, 0)
    assert daemon.wait_dead() == -9, daemon.tail()
    daemon.start()
    wait_for(lambda: len(ids_taken(daemon)) >= TRAFFIC, what=daemon.tail())
    wait_for(lambda: not list(spool(daemon).iterdir()), what="the segments to be removed")
    assert ids_taken(daemon) == sorted(label["id"] for label in labels)
    assert daemon.query("select sum(rows), count(*) - count(taken_at) from prediction_log") == [(TRAFFIC, 0)]
    logged = {row[0] for row in daemon.query("select path from prediction_log")}
    folder = daemon.folder / "state"
    assert logged == {str(path.relative_to(folder)) for path in folder.glob("prediction_log/m/*.parquet")}
