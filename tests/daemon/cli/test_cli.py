"""The command line on a real daemon's state: answers for people and for machines, and exit statuses."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pyarrow.csv
import pyarrow.parquet
import pytest
from daemon_harness import Daemon, drop, in_own_process, in_process, rows
from helpers import wait_for
from sqlalchemy.exc import InvalidRequestError, OperationalError

from daemon.cli import app
from daemon.config.config import load_config
from daemon.runtime.lock import sole_owner

pytestmark = pytest.mark.xdist_group("cli")  # one daemon for all of them
ROOT = Path(__file__).resolve().parents[3]
CONFIG = """\
[models.m.intake]
settle = "100ms"
[models.m.triggers]
first_rows = 300
on_drift = false
on_performance = false
growth = 1e9
cooldown = "100ms"
[models.m.estimator]
type = "auto"
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory) -> Iterator[Daemon]:
    """One daemon with a champion and a file of every kind."""
    made = Daemon(tmp_path_factory.mktemp("cli"), CONFIG)
    made.start()
    drop(rows(1), made.data / "a.csv")
    made.wait("model_swapped")
    (made.data / "bad.csv").write_text("nonsense\n")
    drop(rows(2, 400, shift=3.0), made.data / "shifted.csv")
    made.wait("check_finished", file="shifted.csv")
    made.wait("file_refused", file="bad.csv")
    yield made
    made.close()


def driftd(*arguments: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the command in a folder."""
    command = [sys.executable, "-m", "daemon", *arguments]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


def here(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """The same in this process, which has the libraries already: a process of its own takes two seconds for them."""
    return in_process([*arguments], cwd)


def test_status_tells_where_things_stand(daemon):
    """What is served, which files there are, what is next."""
    told = daemon.json("status")
    model = told["models"]["m"]
    assert told["running"] is True
    assert model["champion"]["version"].startswith("v0001-") and model["champion"]["value"] > 0.7
    assert model["files"] == {"accepted": 2, "refused": 1}
    assert model["last_check"]["drift"] is True
    text = daemon.cli("status").stdout
    assert "serves     v0001-" in text and "2 accepted, 1 refused" in text
    spent = model["cpu"]
    assert (spent["cycles"], spent["lost_cycles"], spent["lost"]) == (1, 0, 0.0) and spent["retrains"] > 0.1
    assert spent["checks"] > 0 and "CPU        in 30 days " in text and "s of 1 retrain\n" in text


def test_files_lists_every_file_with_its_reason(daemon):
    """Refused ones too."""
    told = {entry["path"]: entry for entry in daemon.json("files", "m")}
    assert told["bad.csv"]["state"] == "refused" and "missing" in told["bad.csv"]["reason"]
    assert told["shifted.csv"]["rows"] == 400
    assert [e["path"] for e in daemon.json("files", "m", "--refused")] == ["bad.csv"]
    assert "bad.csv" in daemon.cli("files", "m").stdout


def test_history_versions_and_explain(daemon):
    """One cycle, one version, one story."""
    (cycle,) = [entry for entry in daemon.json("history") if entry["trigger"] == "first_model"]
    version = daemon.json("versions", "m")[0]
    assert cycle["version"] == version["version"] and Path(version["path"], "card.md").exists()
    story = daemon.cli("explain", str(cycle["cycle"])).stdout
    for part in ("labelled rows are there for a first model", "held out", "baseline", "was promoted", "swapped"):
        assert part in story
    told = daemon.json("explain", str(cycle["cycle"]))
    assert told["evaluate"]["verdict"] == "promote"
    assert set(told["cpu"]["stages"]) >= {"prepare", "train"} and "\nCPU: " in story
    assert sum(told["cpu"]["stages"].values()) == pytest.approx(told["cpu"]["cycle"], abs=0.01)

    def is_kept() -> bool:
        """Events are written every second."""
        return any(e["event"] == "version_promoted" for e in daemon.json("history", "--events", "-n", "500"))

    wait_for(is_kept)


def test_check_judges_a_file_and_changes_nothing(daemon, tmp_path):
    """Status 1 means drift, 0 none; the ledger has no new check."""
    before = daemon.json("status")["models"]["m"]["last_check"]["check"]
    same, other = drop(rows(9), tmp_path / "same.csv"), drop(rows(9, shift=3.0), tmp_path / "other.csv")
    fine = in_own_process(["-c", str(daemon.config), "check", str(same), "--model", "m", "--json"])
    drifted = daemon.cli("check", str(other), "--json", check=False)  # of the only model
    assert (fine.returncode, drifted.returncode) == (0, 1), fine.stdout
    report = json.loads(drifted.stdout)
    assert report["drift"] and report["performance"]["metric"] == "accuracy" and report["outputs"]
    assert "shifted" in daemon.cli("check", str(other), "--model", "m", check=False).stdout
    assert daemon.json("status")["models"]["m"]["last_check"]["check"] == before
    assert daemon.cli("check", str(tmp_path / "none.csv"), "--model", "m", check=False).returncode == 3


def test_check_says_that_the_champion_learned_from_the_file(daemon, tmp_path):
    """By its bytes, or as the same rows in another file; not of a new one."""
    version = daemon.json("versions", "m")[0]["version"]
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(daemon.data / "a.csv"), tmp_path / "rewritten.parquet")
    for file, same in ((daemon.data / "a.csv", "content"), (tmp_path / "rewritten.parquet", "rows")):
        report = json.loads(daemon.cli("check", str(file), "--model", "m", "--json", check=False).stdout)
        assert report["learned_from"]["same"] == same and report["learned_from"]["versions"] == [version]
        assert f"a.csv, which {version} learned from" in report["notes"][0]
    new = daemon.cli("check", str(drop(rows(9), tmp_path / "new.csv")), "--model", "m", "--json", check=False)
    assert json.loads(new.stdout)["learned_from"] is None


def test_check_compares_the_columns_that_are_asked_for(daemon, tmp_path):
    """--columns, --ignore and --min-effect decide about this check alone; a column that is none is wrong use."""
    other = str(drop(rows(9, shift=3.0), tmp_path / "other.csv"))

    def checked(*options: str) -> dict:
        return json.loads(daemon.cli("check", other, "--model", "m", "--json", *options, check=False).stdout)

    whole = checked()
    drifted = next(column["name"] for column in whole["columns"] if column["drift"])
    assert [column["name"] for column in checked("--columns", drifted)["columns"]] == [drifted]
    ignored = checked("--ignore", drifted, "--min-effect", "0.9")
    assert ignored["left_out"] == [{"name": drifted, "reason": "--ignore names it"}] and ignored["min_effect"] == 0.9
    assert drifted not in [column["name"] for column in ignored["columns"]]
    wrong = daemon.cli("check", other, "--model", "m", "--ignore", "nope", check=False)
    assert wrong.returncode == 2 and "'nope' is no column; there are" in wrong.stderr


def test_a_file_too_small_to_test_is_told_as_such(daemon):
    """In `files` and `status`, with the key that decides."""
    drop(rows(11, 12), daemon.data / "few.csv")
    daemon.wait("check_finished", file="few.csv")
    told = {entry["path"]: entry["untested"] for entry in daemon.json("files", "m")}
    assert "only 12 rows; 50 are needed (drift.min_rows)" in told["few.csv"] and told["shifted.csv"] is None
    assert "not tested: the current data has only 12 rows" in daemon.cli("status").stdout
    assert "not tested: the current data has only 12 rows" in daemon.cli("files", "m").stdout


def test_commands_take_effect_within_a_second_or_say_why_not(daemon):
    """Each is answered by the running daemon."""
    assert "opens no cycles" in daemon.cli("pause", "m").stdout
    assert daemon.json("status")["models"]["m"]["paused"] is True
    daemon.cli("resume", "m")
    refused = daemon.cli("rollback", "m", check=False)
    assert refused.returncode == 1 and "no earlier deployment" in refused.stderr
    assert daemon.cli("approve", "99", check=False).returncode == 1
    assert daemon.cli("promote", "m", "v0009", check=False).returncode == 1
    assert "teaches nobody" in daemon.cli("hold", "shifted.csv").stdout
    assert [e["path"] for e in daemon.json("files", "m", "--held")] == ["shifted.csv"]
    assert "may teach again" in daemon.cli("release", str(daemon.data / "shifted.csv")).stdout
    assert daemon.cli("hold", "nothing.csv", check=False).returncode == 1


def test_retrain_promote_and_rollback_by_hand(daemon):
    """A person's word opens a cycle, and goes back."""
    first = daemon.json("versions", "m")[0]["version"]
    again = daemon.cli("promote", "m", first, check=False)
    assert again.returncode == 1 and "is the champion already" in again.stderr
    since = len(daemon.events)
    daemon.cli("retrain", "m")
    daemon.wait("cycle_opened", since=since, trigger="manual")
    daemon.wait("cycle_finished", since=since)
    daemon.cli("promote", "m", first)
    wait_for(lambda: daemon.predict().json()["version"] == first)
    if len(daemon.json("versions", "m")) > 1:
        daemon.cli("rollback", "m")
        wait_for(lambda: daemon.predict().json()["version"] != first)
        told = daemon.json("history", "m", "-n", "4")
        asked = [one for one in told if one["kind"] == "command" and one["command"] == "rollback"]
        assert asked[-1]["by"] and asked[-1]["finished"] >= asked[-1]["at"] and asked[-1]["state"] == "done"
        assert [one["rolled_back"] for one in told if one["kind"] == "roll_back"] == [first]
        served = daemon.json("status")["models"]["m"]["champion"]["members"]  # a blend may have it
        assert {one["version"] for one in daemon.json("versions", "m") if one["rolled_back"]} == {first} - {*served}
        assert f"undone     {first}, rolled back: by hand" in daemon.cli("status").stdout
        assert f"{first} is undone" in daemon.cli("history", "m").stdout
    assert daemon.cli("explain").stdout.startswith("m: ")


def test_doctor_finds_nothing_wrong(daemon):
    """And would say what to do."""
    done = daemon.cli("doctor")
    assert "the ledger is sound" in done.stdout and "answers its probe rows" in done.stdout and "BAD" not in done.stdout


def test_doctor_tells_every_mistake(tmp_path):
    """A broken configuration is told line by line, with status 2."""
    (tmp_path / "config.toml").write_text('[models.m]\ntask = "x"\n')
    done = driftd("doctor", cwd=tmp_path)
    assert done.returncode == 2 and done.stdout.count("BAD") == 3


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["status"], 2, "driftd init"),
        (["nonsense"], 2, "No such command"),
        (["compare", "a.csv"], 2, "Missing argument"),
        (["compare", "a.csv", "b.csv"], 3, "no such file"),
        (["init", "a.csv", "--target", "y"], 3, "no such file"),
        (["--version"], 0, "driftd 0.1"),
    ],
)
def test_wrong_use_is_told_with_status_2(tmp_path, arguments, status, told):
    """Never a traceback."""
    done = driftd(*arguments, cwd=tmp_path)
    assert (done.returncode, told in done.stdout + done.stderr) == (status, True), done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["run", "serve"])
def test_an_unknown_log_format_is_wrong_use(tmp_path, command):
    """One line that says what is known, before anything is made."""
    (tmp_path / "config.toml").write_text('[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n')
    done = driftd(command, "--log-format", "xml", cwd=tmp_path)
    assert done.returncode == 2 and "expected auto, console, json or journal" in done.stderr
    assert done.stderr.count("\n") == 1 and not (tmp_path / "state").exists()


def test_a_closed_standard_output_is_no_output(tmp_path):
    """Its number is not given to the first file that is opened; the command does its work."""
    (tmp_path / "config.toml").write_text('[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n')
    script = "import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, '-m', 'daemon', 'run'])"
    with sole_owner(tmp_path / "state"):
        command = [sys.executable, "-c", script]
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "another driftd" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(("target", "task"), [("label", "classification"), ("x", "regression")])
def test_init_writes_a_configuration_that_works(tmp_path, target, task):
    """The written file loads, and the doctor is content."""
    pyarrow.csv.write_csv(rows(1), tmp_path / "my data.csv")
    done = driftd("init", "my data.csv", "--target", target, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "config.toml").read_text()
    assert f'task = "{task}"' in text and "[models.my_data.columns]" in text
    assert (tmp_path / "data" / "my_data").is_dir()
    checked = here("doctor", "--json", cwd=tmp_path)
    assert [f for f in json.loads(checked.stdout) if f["level"] == "error" and "listen" not in f["what"]] == []
    assert here("init", "my data.csv", "--target", target, cwd=tmp_path).returncode == 2


def test_init_leaves_out_what_numbers_or_dates_the_rows(tmp_path):
    """By their values, with why; `--columns` puts one back, `--ignore` takes a column out."""
    lines = [f"{1000 + i},{i % 97 * 7 % 50},{i % 3},{'yes' if i % 2 else 'no'}" for i in range(300)]
    (tmp_path / "a.csv").write_text("order,amount,kind,y\n" + "\n".join(lines) + "\n")

    def columns(*options: str) -> dict:
        (tmp_path / "config.toml").unlink(missing_ok=True)
        done = here("init", "a.csv", "--target", "y", *options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        told = [line.split(": ")[1] for line in done.stdout.splitlines() if line.startswith("not learned from")]
        settings = load_config(tmp_path / "config.toml").models["a"]
        text = (tmp_path / "config.toml").read_text()
        assert ("numbers the rows in steps of 1: 1,000 to 1,299" in text) == ("--ignore" not in options)
        assert told == [name for name, column in settings.columns.items() if column.feature is False]
        return {name: column.feature for name, column in settings.columns.items()}

    assert columns() == {"order": False, "amount": None, "kind": None, "y": None}
    assert columns("--columns", "order,kind") == {"order": True, "amount": False, "kind": None, "y": None}
    assert columns("--ignore", "kind,order")["kind"] is False
    (tmp_path / "config.toml").unlink()
    assert here("init", "a.csv", "--target", "y", "--ignore", "nope", cwd=tmp_path).returncode == 2


def test_init_helps_where_labels_come_in_files_of_their_own(tmp_path):
    """A file of labels alone shows nothing to learn from, one without the target is told so, and what may be the id
    is named."""
    (tmp_path / "labels.csv").write_text("id,y\na,yes\nb,no\n")
    (tmp_path / "rows.csv").write_text("id,x\na,1\nb,2\n")
    lines = [f"t{i}w,{i % 7},{'yes' if i % 2 else 'no'}" for i in range(300)]
    (tmp_path / "both.csv").write_text("ticket,x,y\n" + "\n".join(lines) + "\n")
    alone, bare, both = (
        here("init", f"{name}.csv", "--target", "y", cwd=tmp_path) for name in ("labels", "rows", "both")
    )
    assert (alone.returncode, bare.returncode) == (3, 2), (alone.stderr, bare.stderr)
    assert "not one of labels alone" in alone.stderr and "has both" in bare.stderr
    assert both.returncode == 0 and 'set id_column = "ticket"' in both.stdout, both.stderr
    assert '# id_column = "ticket"' in (tmp_path / "config.toml").read_text()


def test_init_says_that_text_is_not_learned_from(tmp_path):
    """Sentences are a column of their own type, with a comment on what becomes of them."""
    lines = [f"{i % 2},{i / 3},parcel {i} arrived broken and late" for i in range(300)]
    (tmp_path / "a.csv").write_text("y,x,note\n" + "\n".join(lines) + "\n")
    done = here("init", "a.csv", "--target", "y", cwd=tmp_path)
    text = (tmp_path / "config.toml").read_text()
    assert 'note = "text"   # sentences' in text and "not learned from" in text, done.stderr
    assert "from 1 column\n" in done.stdout
    checked = here("doctor", "--json", cwd=tmp_path)
    assert [f for f in json.loads(checked.stdout) if f["level"] == "error" and "listen" not in f["what"]] == []


def test_init_names_the_columns_when_the_target_is_none(tmp_path):
    """The mistake that everybody makes once."""
    pyarrow.csv.write_csv(rows(1), tmp_path / "a.csv")
    done = here("init", "a.csv", "--target", "lable", cwd=tmp_path)
    assert done.returncode == 2 and "did you mean 'label'? the file has x, z, colour, label" in done.stderr


def test_init_names_a_quote_that_is_never_closed(tmp_path):
    """As the intake would, with its line, in place of a column that seems empty."""
    (tmp_path / "a.csv").write_text('id,age,y\n1,30,yes\n2,"40,no\n3,50,yes\n4,20,no\n')
    done = here("init", "a.csv", "--target", "y", cwd=tmp_path)
    assert done.returncode == 3 and "line 3: a quote is opened and never closed" in done.stderr


def test_init_refuses_a_regression_on_words_and_a_target_without_values(tmp_path):
    """Instead of a configuration that can only fail."""
    pyarrow.csv.write_csv(rows(1), tmp_path / "a.csv")
    words = here("init", "a.csv", "--target", "label", "--task", "regression", cwd=tmp_path)
    assert words.returncode == 2 and "no numbers" in words.stderr
    (tmp_path / "b.csv").write_text("x,y\n1,\n2,\n")
    empty = here("init", "b.csv", "--target", "y", cwd=tmp_path)
    assert empty.returncode == 3 and "has no value" in empty.stderr
    assert not (tmp_path / "config.toml").exists()


def test_compare_refuses_files_with_nothing_in_common(tmp_path):
    """An answer of 0 would read as no drift."""
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "b.csv").write_text("y\n1\n")
    (tmp_path / "c.csv").write_text("")
    for other, told in (("b.csv", "no column in common"), ("c.csv", "is empty")):
        done = here("compare", "a.csv", other, cwd=tmp_path)
        assert done.returncode == 3 and told in done.stderr


@pytest.mark.parametrize(
    "extra", ['metric = "nowhere.py:f"', 'estimator = { type = "sklearn.nope.Foo" }',
              'estimator = { type = "os.getcwd" }', 'estimator = { params = { frobs = 3 } }'],
)  # fmt: skip
def test_doctor_finds_a_metric_or_estimator_that_cannot_work(tmp_path, extra):
    """Before the first training does."""
    (tmp_path / "config.toml").write_text(f'[models.m]\ndata_dir = "d"\ntask = "regression"\ntarget = "y"\n{extra}\n')
    done = here("doctor", cwd=tmp_path)
    assert done.returncode == 1 and "BAD  m: " in done.stdout


def test_compare_needs_no_configuration(tmp_path):
    """Status 1 for drift, 0 for none."""
    for name, seed, shift in (("a", 1, 0.0), ("b", 2, 0.0), ("c", 3, 2.0)):
        pyarrow.csv.write_csv(rows(seed, shift=shift), tmp_path / f"{name}.csv")
    assert here("compare", "a.csv", "b.csv", cwd=tmp_path).returncode == 0
    done = driftd("compare", "a.csv", "c.csv", "--json", cwd=tmp_path)
    assert done.returncode == 1 and json.loads(done.stdout)["drift"] is True


def test_a_command_waits_in_the_ledger_without_a_daemon_and_is_refused_without_a_ledger(tmp_path):
    """The message says which."""
    (tmp_path / "config.toml").write_text('[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n')
    done = driftd("retrain", "m", cwd=tmp_path)
    assert done.returncode == 3 and "no ledger" in done.stderr


def test_a_reload_needs_a_service(tmp_path):
    """It says so instead of waiting."""
    (tmp_path / "config.toml").write_text('[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n')
    done = driftd("reload", cwd=tmp_path)
    assert done.returncode == 1 and "no service runs" in done.stderr


def test_a_command_waits_for_a_service_that_is_busy(daemon):
    """It says that it waits, and then tells the outcome."""
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        command = [sys.executable, "-m", "daemon", "-c", str(daemon.config), "pause", "m"]
        asked = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert asked.stderr is not None and "waiting for the service" in asked.stderr.readline()
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    told, _ = asked.communicate(timeout=120)
    assert asked.returncode == 0 and "until it is resumed" in told
    assert daemon.cli("resume", "m").returncode == 0


@pytest.mark.parametrize(
    "cause", [sqlite3.OperationalError("disk I/O error"), psycopg.Error("disk I/O error\n  LINE 1")]
)
def test_a_ledger_that_cannot_be_read_is_one_clear_line(capsys, monkeypatch, cause):
    """Not a traceback; status 3."""

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("select", None, cause)

    monkeypatch.setattr("daemon.cli.app.typer.main.get_command", lambda _app: fail)
    assert app.run(["status"]) == 3
    told = capsys.readouterr().err
    assert "disk I/O error" in told and "driftd doctor" in told and told.count("\n") == 1


def test_a_mistake_of_ours_is_not_taken_for_the_ledger(monkeypatch):
    """It is shown as it is, to be reported."""

    def fail(*_: object, **__: object) -> None:
        raise InvalidRequestError("a bug")

    monkeypatch.setattr("daemon.cli.app.typer.main.get_command", lambda _app: fail)
    with pytest.raises(InvalidRequestError):
        app.run(["status"])
