"""Files that are scored as they are dropped: by a real service, once, also where it is killed."""

import json
import shutil
from pathlib import Path

import httpx
import pyarrow
import pyarrow.csv
import pytest
from daemon_harness import Daemon, drop, rows
from helpers import wait_for

pytestmark = pytest.mark.xdist_group("dropped")  # one model for all of them

CONFIG = """\
id_column = "id"
check_schedule = "0 0 1 1 *"
[models.m.intake]
settle = "100ms"
rescan = "1s"
[models.m.triggers]
first_rows = 300
[models.m.scoring]
in_dir = "in"
out_dir = "out"
[models.m.columns]
id = "category"
x = "number"
z = "number"
colour = "category"
label = "category"
"""
POINTS = (
    "scoring.begun", "score.answers.before_write", "score.answers.before_fsync", "score.logged.before_write",
    "prediction_log.publish.before_rename", "scoring.committed", "scoring.receipt.before_rename",
    "scoring.result.before_rename", "scoring.result.after_rename",
)  # fmt: skip


def identified(seed: int, count: int = 200):
    """Rows with ids."""
    table = rows(seed, count)
    return table.append_column("id", pyarrow.array([f"s{seed}-{i}" for i in range(count)]))


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """The folder of a service that has a model, and scores; it does not run."""
    folder: Path = tmp_path_factory.mktemp("trained")
    daemon = Daemon(folder, CONFIG, columns=False)
    try:
        daemon.start()
        drop(identified(1, 600), daemon.data / "a.csv")
        daemon.wait("model_swapped", model="m")
        daemon.stop()
    finally:
        daemon.close()
    return folder


@pytest.fixture
def service(trained, tmp_path):
    """A service with that model in a folder of its own."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    made = Daemon(tmp_path, CONFIG, columns=False)
    yield made
    made.close()


def _scored(daemon: Daemon) -> list[dict]:
    return daemon.json("files", "m", "--scored")


def _logged(daemon: Daemon) -> int:
    return int(daemon.json("status")["models"]["m"]["prediction_log"]["rows"])


def test_a_dropped_file_is_scored_once(service, tmp_path):
    """Its result has the answers of HTTP and a receipt that says who answered what; the rows are in the prediction log;
    the same content under another name is told and not scored again, unless its result is gone; what cannot be scored
    is refused with a reason that `driftd files --scored` and `driftd status` tell."""
    service.start()
    inside, out = tmp_path / "in", tmp_path / "out"
    table = identified(7).drop_columns(["label"])
    drop(table, inside / "tonight.csv")
    told = service.wait("file_scored", file=str(inside / "tonight.csv"), rows=200, rejected=0, result="tonight.csv")
    answer = httpx.post(f"{service.url}/models/m/predict", json={"rows": table.to_pylist()}, timeout=60).json()
    found = pyarrow.csv.read_csv(out / "tonight.csv").to_pylist()
    assert [row["prediction"] for row in found] == answer["predictions"]
    assert [{"no": row["probability_no"], "yes": row["probability_yes"]} for row in found] == answer["probabilities"]
    receipt = json.loads((out / "tonight.csv.receipt.json").read_text())
    assert (receipt["version"], receipt["rows"], receipt["rejected"]) == (told["version"], 200, 0)
    assert sorted(one.name for one in out.iterdir()) == ["tonight.csv", "tonight.csv.receipt.json"]
    assert _logged(service) >= 200

    shutil.copy(inside / "tonight.csv", inside / "again.csv")
    service.wait("scoring_repeated", file=str(inside / "again.csv"), result="tonight.csv")
    (out / "tonight.csv").unlink()
    shutil.copy(inside / "tonight.csv", inside / "third.csv")
    service.wait("file_scored", file=str(inside / "third.csv"), result="third.csv")

    (inside / "bad.csv").write_text("x,z\n1,2\n")
    refused = service.wait("scoring_refused", file=str(inside / "bad.csv"))
    assert "a column is missing: colour" in refused["reason"]
    (out / "mine.csv").write_text("mine")
    drop(identified(8), inside / "mine.csv")
    refused = service.wait("scoring_refused", file=str(inside / "mine.csv"))
    assert "out_dir has a mine.csv that is no result" in refused["reason"]
    assert (out / "mine.csv").read_text() == "mine"
    states = {row["path"]: row["state"] for row in _scored(service)}
    assert states == {
        "tonight.csv": "scored", "again.csv": "repeated", "third.csv": "scored", "bad.csv": "refused",
        "mine.csv": "refused",
    }  # fmt: skip
    status = service.cli("status").stdout
    assert "scoring    2 refused, 1 repeated, 2 scored; mine.csv was refused: out_dir has a mine.csv" in status


def test_scored_rows_are_checked_like_live_traffic(service, tmp_path):
    """They become a data file of live traffic, whose check tells of the drift that the file has."""
    with service.config.open("a") as config:
        config.write('[models.m.prediction_log]\nevery = "1s"\n')
    service.start()
    shifted = rows(9, 800, shift=3.0).drop_columns(["label"])
    drop(shifted.append_column("id", pyarrow.array([f"d{i}" for i in range(800)])), tmp_path / "in" / "drifted.csv")
    service.wait("file_scored", rows=800)
    taken = service.wait("file_accepted", rows=800)
    assert taken["file"].startswith("predictions/")
    assert service.wait("check_finished", file=taken["file"])["drift"] is True


@pytest.mark.long
def test_killed_anywhere_it_is_scored_once_and_whole(service, tmp_path):
    """At each point a process dies, once control and once the worker where both pass it; the next start ends what was
    begun: one result, whole, and each row once in the prediction log."""
    before = None
    for number, point in enumerate(POINTS):
        service.plan(f"* {point} 1 1 KILL")
        since = len(service.events)
        service.start(wait_ready=False)
        if before is None:
            before = _logged(service)
        name = f"file{number}.csv"
        drop(identified(20 + number).drop_columns(["label"]), tmp_path / "in" / name)
        happened = tmp_path / "faults" / "happened"
        wait_for(happened.exists, what=f"a kill at {point}")
        if "control" in happened.read_text():
            service.wait_dead()
            service.start(wait_ready=False)
        result = tmp_path / "out" / name
        service.wait("file_scored", since=since, result=name)
        assert pyarrow.csv.read_csv(result).num_rows == 200
        assert json.loads(result.with_name(f"{name}.receipt.json").read_text())["rows"] == 200
        assert _logged(service) == before + 200 * (number + 1), point
        service.kill()
    assert [row["state"] for row in _scored(service)] == ["scored"] * len(POINTS)
    assert not list((tmp_path / "out").glob(".*"))
