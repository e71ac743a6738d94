"""The mirror in a real MLflow: over kills at every call, a server that was away, and a database of yesterday.

`make mlflow` runs these; the server and its client are in environments of their own."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from daemon_harness import Daemon, serve_first_model
from helpers import wait_for
from learning import published
from mlflow_server import LONG_S, WHY_NOT, MlflowServer, asked
from receivers import Receiver, receiver

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


def equals(daemon: Daemon, server: MlflowServer, name: str) -> dict[str, Any]:
    """What the server has, which is what the ledger has."""
    found: dict[str, Any] = json.loads(asked(STATE, server.uri, name))
    known = daemon.query("SELECT name, digest, state FROM versions WHERE model = 'm'")
    newest = daemon.query("SELECT newest FROM promotions WHERE model = 'm' ORDER BY id DESC LIMIT 1")[0][0]
    assert found["versions"] == sorted(map(list, known))
    assert found["aliases"] == {"champion": newest}
    assert found["cards"] and found["files"] and found["status"] == ["FINISHED"] and found["runs"] == len(known)
    return found


def is_caught_up(daemon: Daemon) -> bool:
    """Whether the service says that MLflow is as the ledger is."""
    told = daemon.json("status")["mlflow"]
    return not told["behind"] and told["failing"] is None and told["mirrored_at"] is not None


def reload(daemon: Daemon, plain: str, sections: str) -> str:
    """Apply a configuration with these sections; what that did."""
    daemon.config.write_text(f"{plain}\n{sections}")
    return str(daemon.cli("reload").stdout)


def kinds(collector: Receiver) -> list[str]:
    """What a collector was told of."""
    return [one.json["eventType"] for one in collector.received]


def test_the_page_is_true_of_a_service_that_gets_changes_and_loses_the_sections_while_it_runs(
    make_daemon, first_model, tmp_path, mlflow
):
    """The commands and the script of docs/registry.md; answers bit for bit, without pickle; a kill where all was done
    and nobody noted it. A reload adds, changes and takes out both sections."""
    daemon = make_daemon('check_schedule = "0 0 1 1 *"\n')
    daemon.plan()
    serve_first_model(daemon, first_model)
    plain = daemon.config.read_text()
    at = f'[mlflow]\ntracking_uri = "{mlflow.uri}"\nexperiment = "page {{model}}"\nname ='
    with receiver() as first, receiver() as second:
        sections = f'{at} "{{model}}-page"\n[openlineage]\nurl = "{first.url}"\n'
        assert "[mlflow] changed; [openlineage] changed" in reload(daemon, plain, sections)
        daemon.wait("mlflow_mirrored", timeout_s=LONG_S, registered="m-page")
        wait_for(lambda: kinds(first) == ["START", "COMPLETE"], what="the events of the first cycle")
        found = equals(daemon, mlflow, "m-page")
        assert [*found["datasets"].values()] == [["a.csv"]] and "accuracy" in next(iter(found["metrics"].values()))
        current = daemon.folder / "state/versions/m/current"
        assert json.loads(asked(PROVES, mlflow.uri, current, "m-page")) == [True, True, []]
        wait_for(lambda: is_caught_up(daemon), what="a note of that")
        hold_the_page(daemon, mlflow, first, "m-page", tmp_path)

        daemon.plan("* mirror.before_note 1 1 KILL")
        changed = sections.replace("-page", "-other").replace(first.url, second.url)
        assert "[mlflow] changed; [openlineage] changed" in reload(daemon, plain, changed)
        daemon.wait_dead(LONG_S)  # everything is done for the other name, and nobody noted that
        daemon.plan()
        assert daemon.json("status")["mlflow"]["behind"] == ["m"]
        daemon.start()
        wait_for(lambda: is_caught_up(daemon), LONG_S, what="a mirror that caught up")
        assert equals(daemon, mlflow, "m-other")["versions"] == found["versions"]

        before = len(daemon.events)
        assert "[mlflow] changed; [openlineage] changed" in reload(daemon, plain, "")
        told = wait_for(lambda: (one := daemon.json("status"))["mlflow"] is None and one, what="a status without it")
        assert told["openlineage"] is None
        daemon.cli("retrain", "m")
        daemon.wait("cycle_finished", since=before)
        assert daemon.query("SELECT count(*) FROM outbox WHERE state = 'waiting'")[0][0] == 0

        reload(daemon, plain, changed)
        daemon.wait("mlflow_mirrored", since=before, timeout_s=LONG_S, registered="m-other")
        wait_for(lambda: kinds(second) == ["START", "COMPLETE"], what="the events of the second cycle")
        assert kinds(first) == ["START", "COMPLETE"]
        equals(daemon, mlflow, "m-other")


def hold_the_page(daemon: Daemon, server: MlflowServer, collector: Receiver, name: str, folder: Path) -> None:
    """The commands of docs/registry.md say what it says, and its script loads the champion and answers rows of a file."""
    commands = re.findall(r"^driftd (doctor|status) +# (.*)$", PAGE, re.M)
    said = {one: daemon.cli(one, check=one != "doctor").stdout for one in ("doctor", "status")}
    there = {
        "http://mlflow.example.com:5000": server.uri,
        "http://marquez.example.com:5000/api/v1/lineage": collector.url.partition("?")[0],
    }
    assert len(commands) == 4
    for command, told in commands:
        for place, its in there.items():
            told = told.replace(place, its)
        assert told in said[command]
    assert "[mlflow] is as the ledger is" in said["doctor"]
    (script,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    probe = json.loads((daemon.folder / "state/versions/m/current/probe.json").read_text("utf-8"))
    (folder / "rows.json").write_text(json.dumps(probe["rows"]))
    begin = f"import os; os.chdir({str(folder)!r})\n"
    script = script.replace("http://mlflow.example.com:5000", server.uri)
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
            if point.startswith("mirror.after_"):
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
        "metrics": {"accuracy": 0.9}, "datasets": [{"name": "a.csv", "digest": "e" * 64, "source": "folder", "rows": 10}],
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


def test_killed_after_each_call_it_is_whole_in_the_end(mlflow, tmp_path):
    """A process for each: the next one makes it whole, with nothing there twice, and another finds nothing to do. Before a
    call the server is as it is after the one before."""
    folder = tmp_path / "v0003-dddddddd"
    folder.mkdir()
    for name in ("manifest.json", "card.md", "training.json"):  # the fewer files, the fewer calls
        text = '{"digest": "d", "environment": {}, "task": "classification", "params": {"depth": 3}}'
        (folder / name).write_text(text)
    (tmp_path / "request.json").write_text(json.dumps(request_of(folder, mlflow, "killed")))
    calls = ("registered", "experiment", "run", "logged", "sent", "tagged", "version", "alias")
    found = json.loads(asked(KILLED, tmp_path / "request.json"))
    assert set(found) == {f"mirror.after_{call}" for call in calls}


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
