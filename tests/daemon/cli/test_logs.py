"""`driftd logs`: what was logged, from a file or standard input, and from the file of a real service."""

import io
import json
import subprocess
import sys

import pytest
from event_lines import undeclared
from helpers import wait_for

from daemon.cli.app import run


@pytest.fixture
def written(tmp_path):
    """A log with three events."""
    path = tmp_path / "driftd.log"
    events = [("file_seen", "info", "m"), ("file_refused", "warning", "m"), ("file_seen", "info", "n")]
    path.write_text("".join(
        json.dumps({"event": event, "level": level, "timestamp": f"2026-11-30T08:00:0{at}Z", "model": model}) + "\n"
        for at, (event, level, model) in enumerate(events)
    ))  # fmt: skip
    return path


def test_a_file_is_shown_by_lines(written, capsys):
    """For people, oldest first; as JSON, as it was logged."""
    assert run(["logs", "--from", str(written)]) == 0
    assert [one.split()[-1] for one in capsys.readouterr().out.splitlines()] == [
        "file_seen",
        "file_refused",
        "file_seen",
    ]
    assert run(["logs", "m", "--from", str(written), "--json", "-n", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["event"] == "file_refused"


def test_what_is_asked_for_wrongly_is_said(written, capsys):
    """With the name that was probably meant."""
    for arguments, word in (
        (["--event", "file_sen"], "did you mean 'file_seen'"), (["--level", "loud"], "expected one of"),
        (["--since", "noon"], "expected such as"),
    ):  # fmt: skip
        assert run(["logs", "--from", str(written), *arguments]) == 2
        assert word in capsys.readouterr().err
    assert run(["logs", "--from", str(written) + "x"]) == 1
    assert "no such file" in capsys.readouterr().err


def test_following_shows_the_newest_and_what_comes(written):
    """No event twice, none left out."""
    for number in range(20):
        with written.open("a") as file:
            file.write(json.dumps({"event": "file_seen", "level": "info", "rows": number}) + "\n")
    command = [sys.executable, "-m", "daemon", "logs", "--from", str(written), "-f", "-n", "3", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        shown = [json.loads(process.stdout.readline())["rows"] for _ in range(3)]
        with written.open("a") as file:
            file.write(json.dumps({"event": "file_seen", "level": "info", "rows": 20}) + "\n")
        shown.append(json.loads(process.stdout.readline())["rows"])
        process.kill()
    assert shown == [17, 18, 19, 20]


def test_standard_input_is_read(written, capsys, monkeypatch):
    """As what a pipe or a collector kept."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(written.read_bytes())))
    assert run(["logs", "--from", "-", "--event", "file_refused", "--since", "2026-11-30"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_the_schema_is_printed(capsys):
    """A JSON Schema that names each event."""
    assert run(["logs", "--schema"]) == 0
    assert "file_seen" in json.loads(capsys.readouterr().out)["properties"]["event"]["enum"]


def test_a_service_keeps_its_log_in_a_file(make_daemon, capsys):
    """All its processes: what standard output has stands there, each line as the schema says; after a rotation as
    well."""
    daemon = make_daemon("", service='[service.log]\nfile = "logs/driftd.log"')
    daemon.start()
    path = daemon.folder / "logs" / "driftd.log"
    wait_for(lambda: "service_ready" in path.read_text())
    path.rename(path.with_suffix(".log.1"))
    (daemon.data / "broken.csv").write_bytes(b"\x00" * 100 + b"\n")
    daemon.wait("file_refused")
    assert daemon.stop() == 0
    assert run(["-c", str(daemon.config), "logs", "--json", "-n", "1000"]) == 0
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {one["event"] for one in logged} >= {"service_started", "service_ready", "file_refused", "service_stopped"}
    assert sorted(map(str, logged)) == sorted(map(str, daemon.events))
    assert not undeclared(logged, whole=True)
