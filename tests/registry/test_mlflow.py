"""The mirror in a real MLflow: over kills at every call, a server that was away, and a database of yesterday.

`make mlflow` runs these; the server and its client are in environments of their own."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from daemon_harness import Daemon, drop, rows, serve_first_model
from helpers import wait_for
from learning import published
from mlflow_server import CLIENT, WHY_NOT, MlflowServer, asked, running_mlflow

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("mlflow"), pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]
PAGE = (Path(__file__).parents[2] / "docs" / "registry.md").read_text("utf-8")
STATE = """
import json, sys
from mlflow import MlflowClient
client, name = MlflowClient(sys.argv[1]), sys.argv[2]
versions = client.search_model_versions(f"name = '{name}'")
model = client.get_registered_model(name)
by_number = {v.version: v.tags["driftd.version"] for v in versions}
runs = {v.version: client.get_run(v.run_id) for v in versions}
print(json.dumps({
    "versions": sorted([v.tags["driftd.version"], v.tags["driftd.digest"], v.tags["driftd.state"]] for v in versions),
    "aliases": {alias: by_number[str(number)] for alias, number in model.aliases.items()},
    "cards": all((v.description or "").startswith("# m v") for v in versions),
    "runs": len(client.search_runs([runs[versions[0].version].info.experiment_id])),
    "metrics": {by_number[n]: sorted(run.data.metrics) for n, run in runs.items()},
    "datasets": {by_number[n]: sorted(i.dataset.name for i in run.inputs.dataset_inputs) for n, run in runs.items()},
    "status": sorted({run.info.status for run in runs.values()}),
    "files": all(client.list_artifacts(v.run_id, "model") for v in versions),
}))
"""
PROVES = """
import json, sys
from pathlib import Path
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
probe = json.loads((Path(sys.argv[2]) / "probe.json").read_text())
model = mlflow.pyfunc.load_model(f"models:/{sys.argv[3]}@champion")
answers = model.predict(pd.DataFrame(probe["rows"], dtype=object))
found = answers[[f"probability_{name}" for name in probe["classes"]]].to_numpy().tolist()
files = {path.suffix for path in Path(mlflow.artifacts.download_artifacts(f"models:/{sys.argv[3]}@champion")).rglob("*")}
print(json.dumps([answers["prediction"].tolist() == probe["values"], found == probe["probabilities"],
    sorted(files & {".pkl", ".pickle", ".joblib"})]))
"""


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server of this file."""
    with running_mlflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture
def mirrored(
    make_daemon: Callable[..., Daemon], first_model: Path, monkeypatch: pytest.MonkeyPatch, mlflow: MlflowServer,
    request: pytest.FixtureRequest,
) -> tuple[Daemon, MlflowServer, str]:  # fmt: skip
    """A service with its first model, the server that it mirrors to, and what the model is called there."""
    monkeypatch.setenv("PYTHONPATH", str(CLIENT))
    word = request.node.name.split("_")[2]
    mirror = f'tracking_uri = "{mlflow.uri}"\nname = "{{model}}-{word}"\nexperiment = "{word} {{model}}"\n'
    daemon = make_daemon(f'check_schedule = "0 0 1 1 *"\n[mlflow]\n{mirror}')
    serve_first_model(daemon, first_model)
    daemon.wait("mlflow_mirrored")
    return daemon, mlflow, f"m-{word}"


def equals(daemon: Daemon, server: MlflowServer, name: str) -> dict[str, Any]:
    """What the server has, which is what the ledger has."""
    found: dict[str, Any] = json.loads(asked(STATE, server.uri, name))
    known = daemon.query("SELECT name, digest, state FROM versions WHERE model = 'm'")
    newest = daemon.query("SELECT newest FROM promotions WHERE model = 'm' ORDER BY id DESC LIMIT 1")[0][0]
    assert found["versions"] == sorted(map(list, known))
    assert found["aliases"] == {"champion": newest}
    assert found["cards"] and found["files"] and found["status"] == ["FINISHED"] and found["runs"] == len(known)
    return found


def caught_up(daemon: Daemon) -> bool:
    """Whether the service says that MLflow is as the ledger is."""
    told = daemon.json("status")["mlflow"]
    return not told["behind"] and told["failing"] is None


def failing(daemon: Daemon) -> dict[str, Any] | None:
    """What the service says of a mirror that fails; None while it does not."""
    told: dict[str, Any] = daemon.json("status")["mlflow"]
    return told if told["failing"] is not None else None


def retrained(daemon: Daemon, seed: int) -> str:
    """Another version, promoted by hand if it has to be."""
    before = len(daemon.events)
    name = f"{seed}.csv"
    drop(rows(seed, flip=seed % 2 == 0), daemon.data / name)
    daemon.wait("file_accepted", since=before, file=name)
    daemon.cli("retrain", "m")
    daemon.wait("cycle_finished", since=before)
    return str(daemon.query("SELECT name FROM versions ORDER BY number DESC LIMIT 1")[0][0])


def test_the_champion_answers_its_probe_rows_from_mlflow_bit_for_bit(mirrored):
    """It is loaded by its alias, without pickle, in a process that has the client and driftd alone."""
    daemon, server, name = mirrored
    found = equals(daemon, server, name)
    assert [*found["datasets"].values()] == [["a.csv"]]
    assert "accuracy" in next(iter(found["metrics"].values()))
    assert json.loads(asked(PROVES, server.uri, daemon.folder / "state/versions/m/current", name)) == [True, True, []]
    assert "is as the ledger is" in daemon.cli("status").stdout
    assert "[mlflow] is as the ledger is" in daemon.cli("doctor", check=False).stdout


def test_away_restarted_and_restored_from_yesterday_it_equals_the_ledger(mirrored, tmp_path):
    """A promotion while it is away, a roll-back, a restart of either, and a database that lost it all again."""
    daemon, server, name = mirrored
    server.stop()
    server.save(tmp_path / "yesterday.db")
    second = retrained(daemon, 2)
    daemon.wait("mlflow_failed")
    told = wait_for(lambda: failing(daemon), what="a status that says so")
    assert told["behind"] == ["m"] and "cannot be reached" in told["failing"]["reason"]
    assert "TROUBLE: MLflow" in daemon.cli("status").stdout
    daemon.kill()
    server.start()
    daemon.start(crash_at="mirror.before_note", wait_ready=False)  # it is whole, and nobody noted that
    daemon.wait_dead()
    daemon.plan()
    assert daemon.json("status")["mlflow"]["behind"] == ["m"]
    daemon.start()
    wait_for(lambda: caught_up(daemon), what="a mirror that caught up")
    assert second in [one for one, *_ in equals(daemon, server, name)["versions"]]
    before = len(daemon.events)
    daemon.cli("rollback", "m")
    daemon.wait("mlflow_mirrored", since=before)
    equals(daemon, server, name)
    daemon.stop()
    server.stop()
    server.restore(tmp_path / "yesterday.db")
    server.start()
    before = len(daemon.events)
    daemon.start()
    daemon.wait("mlflow_mirrored", since=before)
    equals(daemon, server, name)


def test_the_page_tells_what_works(mirrored, tmp_path):
    """The commands of docs/registry.md, and its script, which loads the champion and answers rows of a file."""
    daemon, server, name = mirrored
    commands = re.findall(r"^driftd (\S+) +# (.*)$", PAGE, re.M)
    said = {one: daemon.cli(one, check=one != "doctor").stdout for one, _ in commands}
    assert [one for one, _ in commands] == ["doctor", "reload", "status"]
    for one, told in commands[::2]:
        assert told.replace("http://mlflow.example.com:5000", server.uri) in said[one]
    (script,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    probe = json.loads((daemon.folder / "state/versions/m/current/probe.json").read_text("utf-8"))
    (tmp_path / "rows.json").write_text(json.dumps(probe["rows"]))
    begin = f"import os; os.chdir({str(tmp_path)!r}); os.environ['MLFLOW_TRACKING_URI'] = {server.uri!r}\n"
    end = "\nprint(answers['prediction'].tolist())"
    printed = asked(begin + script.replace("models:/churn", f"models:/{name}") + end)
    assert printed.strip().splitlines()[-1] == str(probe["values"])


KILLED = """
import json, os, sys
import msgspec
import mlflow.entities
from mlflow import MlflowClient
from daemon.registry import mirror
from daemon.runtime.registries import MirrorRequest
from retrain import durable
from retrain.operations import from_json
asked = from_json(json.loads(open(sys.argv[1]).read()), MirrorRequest)
client, points = MlflowClient(asked.tracking_uri), []
while True:
    name, passed = f"killed-{len(points)}", []
    request = msgspec.structs.replace(asked, registered=name, experiment=name)
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        def hook(point):
            if point.startswith("mirror."):
                passed.append(point)
                if len(passed) == len(points) + 1:
                    os.write(writer, point.encode())
                    os._exit(9)
        durable.install_hook(hook)
        mirror.mirror(request)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(writer)
    if status == 0:
        break
    assert status == 9, status
    points.append(os.read(reader, 100).decode())
    mirror.mirror(request)
    assert mirror.mirror(request).done == {}, name
    (version,) = client.search_model_versions(f"name = '{name}'")
    (run,) = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    assert version.run_id == run.info.run_id and run.info.status == "FINISHED", name
    assert client.get_registered_model(name).aliases == {"champion": version.version}, name
    assert run.data.metrics and run.inputs.dataset_inputs and client.list_artifacts(version.run_id, "model"), name
print(json.dumps(sorted(set(points))))
"""


def request_of(folder: Path, server: MlflowServer, name: str, **changed: Any) -> dict[str, Any]:
    """What a model of one published version asks for."""
    version = {
        "name": folder.name, "digest": "d" * 64, "number": 3, "created_at": 1.7e9, "folder": str(folder),
        "metrics": {"accuracy": 0.9}, "datasets": [["a.csv", "e" * 64, "folder", 10]],
        "tags": {"driftd.model": name, "driftd.version": folder.name, "driftd.digest": "d" * 64, "driftd.state": "stored"},
    }  # fmt: skip
    wanted = {
        "name": name, "origin": "o", "versions": [version], "champion": folder.name, "challenger": None,
        "tags": {"driftd.served": folder.name},
    } | changed  # fmt: skip
    return {
        "tracking_uri": server.uri, "registered": name, "experiment": name, "wanted": wanted, "options": {},
        "look_at_files": True,
    }  # fmt: skip


def test_killed_before_and_after_each_call_it_is_whole_in_the_end(mlflow, tmp_path):
    """A process for each: the next one makes it whole, with nothing there twice, and another finds nothing to do."""
    (tmp_path / "request.json").write_text(json.dumps(request_of(published(tmp_path), mlflow, "killed")))
    calls = ("registered", "experiment", "run", "logged", "sent", "tagged", "version", "alias")
    found = json.loads(asked(KILLED, tmp_path / "request.json"))
    assert set(found) == {f"mirror.{when}_{call}" for when in ("before", "after") for call in calls}


ONCE = """
import json, sys
from daemon.registry.mirror import mirror
from daemon.runtime.registries import MirrorRequest
from retrain.operations import from_json
told = []
for one in json.loads(open(sys.argv[1]).read()):
    try:
        told.append(mirror(from_json(one, MirrorRequest)).done)
    except Exception as error:
        told.append([type(error).__name__, str(error)])
print(json.dumps(told))
"""


def mirrored_in_turn(folder: Path, *requests: dict[str, Any]) -> list[Any]:
    """What each of these does, or why it does not."""
    (folder / "requests.json").write_text(json.dumps(requests))
    found: list[Any] = json.loads(asked(ONCE, folder / "requests.json"))
    return found


def test_a_trial_a_retirement_and_an_older_ledger_show(mlflow, tmp_path):
    """The challenger has its alias while it is on trial; removed versions stay; those the ledger does not know are
    told; a model of somebody else is not touched."""
    made = published(tmp_path)
    other = tmp_path / "v0004-eeeeeeee"
    shutil.copytree(made, other)
    first = request_of(made, mlflow, "life")
    second = dict(first["wanted"]["versions"][0], name=other.name, folder=str(other))
    second["tags"] = second["tags"] | {"driftd.version": other.name}
    both = [*first["wanted"]["versions"], second]
    gone = dict(both[0], folder=None, tags=both[0]["tags"] | {"driftd.state": "removed"})
    never = dict(gone, name="v0001-00000000", tags=gone["tags"] | {"driftd.version": "v0001-00000000"})
    trial = request_of(made, mlflow, "life", versions=both, challenger=other.name)
    kept = request_of(made, mlflow, "life", versions=[never, gone, second], champion=other.name)
    back = request_of(made, mlflow, "life")
    stranger = request_of(made, mlflow, "life", origin="another")
    told = mirrored_in_turn(tmp_path, first, trial, trial, kept)
    assert told[1]["alias"] == 1 and told[2] == {}
    found = json.loads(asked(STATE.replace('"files": all(', '"files": any('), mlflow.uri, "life"))
    assert found["aliases"] == {"champion": other.name}
    assert [state for *_, state in found["versions"]] == ["removed", "removed", "stored"]
    told = mirrored_in_turn(tmp_path, stranger, back, back)
    assert told[0][0] == "Refused" and "driftd.origin=another" in told[0][1]
    assert told[2] == {}
    found = json.loads(asked(STATE.replace('"files": all(', '"files": any('), mlflow.uri, "life"))
    assert sorted(state for *_, state in found["versions"]) == ["stored", "unknown", "unknown"]


DELETED = """
import sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
(version,) = client.search_model_versions(f"name = '{sys.argv[2]}'")
client.delete_run(version.run_id)
if sys.argv[3] == "version":
    client.delete_model_version(version.name, version.version)
"""


def test_what_somebody_deleted_there_comes_back(mlflow, tmp_path):
    """A run is restored, a version made again; the alias is on it."""
    request = request_of(published(tmp_path), mlflow, "deleted")
    mirrored_in_turn(tmp_path, request)
    for what in ("run", "version"):
        asked(DELETED, mlflow.uri, "deleted", what)
        told = mirrored_in_turn(tmp_path, request, request)
        assert told[0]["restored"] == 1 and told[1] == {}
        found = json.loads(asked(STATE, mlflow.uri, "deleted"))
        assert [*found["aliases"]] == ["champion"] and len(found["versions"]) == found["runs"] == 1


def test_files_that_are_gone_are_sent_again(mlflow, tmp_path):
    """A comparison looks whether the model is there, and not only what tags say."""
    request = request_of(published(tmp_path), mlflow, "files")
    mirrored_in_turn(tmp_path, request)
    for about in (mlflow.folder / "artifacts").rglob("MLmodel"):
        about.unlink()
    assert mirrored_in_turn(tmp_path, request)[0]["sent"] > 5


def test_no_secret_is_in_what_is_told(mlflow, tmp_path):
    """Neither where the server is away, nor where its name is wrong."""
    request = request_of(published(tmp_path), mlflow, "secret")
    options = {"MLFLOW_TRACKING_USERNAME": "someuser", "MLFLOW_TRACKING_PASSWORD": "hunter2hunter2"}
    away = dict(request, tracking_uri="http://127.0.0.1:9", options=options)
    ((kind, text),) = mirrored_in_turn(tmp_path, away)
    assert kind == "Retry" and "cannot be reached" in text and "hunter2" not in text and "someuser" not in text
