"""`driftd doctor` reports what it finds, whatever that is, and calls nothing fine that the service refuses."""

import errno
import grp
import hashlib
import json
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from daemon_harness import free_port
from ledgers import new_ledger
from sqlalchemy import insert
from structlog.testing import capture_logs

from daemon.cli import app
from daemon.config.config import Config, load_config
from daemon.config.paths import LEDGER
from daemon.ledger import events, models, tables
from daemon.runtime.lock import is_held, sole_owner
from daemon.runtime.notify import by_apprise
from daemon.server.tokens import warn_of_open_token_files
from daemon.tools import doctor

MODEL = '[models.m]\ndata_dir = "{data}"\ntask = "regression"\ntarget = "y"\n'
Configure = Callable[..., Config]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Writes and loads a configuration: lines of [service], the data folder, and more of the model."""

    def write(service: str = "", data: str = "data", model: str = "") -> Config:
        listen = "" if "listen" in service else f'listen = "127.0.0.1:{free_port()}"\n'
        text = f'[service]\nmin_free = "1MB"\n{listen}{service}\n{MODEL.format(data=data)}{model}\n'
        (tmp_path / "config.toml").write_text(text)
        return load_config(tmp_path / "config.toml")

    return write


def bad(config: Config) -> list[str]:
    """What is wrong, with the way out."""
    found = doctor.examine(config)
    assert any("scikit-learn" in finding.what for finding in found), "the report is whole"
    return [f"{finding.what} → {finding.way_out}" for finding in found if finding.level == "error"]


def notes(config: Config) -> str:
    """What could be better."""
    return "\n".join(finding.what for finding in doctor.examine(config) if finding.level == "warning")


def test_a_new_configuration_is_fine_and_nothing_is_left_behind(configure: Configure, tmp_path: Path) -> None:
    """Whether folders can be made is tried, and undone."""
    config = configure()
    assert bad(config) == [] and "data does not exist" in notes(config)
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def prepare(rows: 'pandas.DataFrame'):\n    return rows\n", "pandas cannot be imported: import of pandas"),
        ("def prepare(rows):\n    return rows\n", "does not say whether it reads frames of pandas or polars"),
        (None, "there is no file"),
    ],
)
def test_a_preparation_that_cannot_be_used_is_bad(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str | None, told: str
) -> None:
    """Its library is not installed, its function does not say which, or its file is gone: before any file is refused."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    if code is not None:
        (tmp_path / "own.py").write_text(code)
    (found,) = bad(configure(model='prepare = "own.py:prepare"'))
    assert told in found and ("pip install 'driftd[pandas]'" in found) == ("imported" in told)


def test_a_group_that_does_not_exist_is_bad(configure: Configure) -> None:
    """The service would not start."""
    assert "does not exist → make it" in bad(configure('group = "nosuch"'))[0]


def test_a_group_that_this_user_is_no_member_of_is_bad(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The service could not give it the new state folder; one that is the group's already is fine."""
    config = configure(f'group = "{grp.getgrgid(os.getgid()).gr_name}"')
    assert bad(config) == []
    for name, answer in (("geteuid", 12345), ("getegid", 12345), ("getgroups", [])):
        monkeypatch.setattr(os, name, lambda answer=answer: answer)
    assert "may give no files" in bad(config)[0]
    (tmp_path / "state").mkdir(mode=0o700)
    os.chown(tmp_path / "state", -1, os.getgid())
    assert bad(config) == []


@pytest.mark.parametrize("kind", ["read", "admin"])
@pytest.mark.parametrize(("text", "told"), [(None, "cannot be read"), ("\n", "no token"), ("short", "shorter than 16")])
def test_a_token_file_that_cannot_be_used_is_bad(
    configure: Configure, tmp_path: Path, kind: str, text: str | None, told: str
) -> None:
    """As at the start."""
    if text is not None:
        (tmp_path / "token").write_text(text)
    assert told in bad(configure(f'{kind}_token_file = "token"'))[0]


def test_what_a_listener_without_tokens_exposes_is_said(configure: Configure, tmp_path: Path) -> None:
    """On this machine it is a fact, beyond it a note with the way out; with a token neither."""
    said = [finding.what for finding in doctor.examine(configure()) if "without tokens" in finding.what]
    assert said == ["without tokens every user of this machine may predict, look, and send labels that teach"]
    assert "without tokens everybody who reaches 0.0.0.0:" in notes(configure(f'listen = "0.0.0.0:{free_port()}"'))
    (tmp_path / "token").write_text("0123456789abcdef")
    found = doctor.examine(configure('admin_token_file = "token"'))
    assert not [finding for finding in found if "without tokens" in finding.what]


def test_a_token_file_that_others_read_is_told(configure: Configure, tmp_path: Path) -> None:
    """A note of the doctor, and once in the log at the start; a group's may be meant."""
    config, token = configure('read_token_file = "token"\nadmin_token_file = "token"'), tmp_path / "token"
    token.write_text("0123456789abcdef")
    token.chmod(0o644)
    assert bad(config) == [] and "other users" in notes(config)
    with capture_logs() as logs:
        warn_of_open_token_files(config, {})
    expected = {"event": "token_file_open", "log_level": "warning", "file": str(token), "mode": "0644"}
    assert logs == [expected]
    token.chmod(0o640)
    with capture_logs() as logs:
        warn_of_open_token_files(config, {})
    assert "other users" not in notes(config) and logs == []


@pytest.mark.parametrize("state", ["/dev/null", "/dev/null/state", "/proc/driftd"])
def test_a_state_folder_that_cannot_be_is_bad(configure: Configure, state: str) -> None:
    """And no service runs in it."""
    config = configure(f'state_dir = "{state}"')
    assert state in bad(config)[0] and not is_held(Path(state))


def test_a_state_folder_that_others_read_is_told(configure: Configure, tmp_path: Path) -> None:
    """It holds snapshots of the data."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o755)
    assert "open to other users" in notes(configure())


@pytest.mark.parametrize("data", ["/proc/driftd", "/dev/null/data"])
def test_a_data_folder_that_cannot_be_made_is_bad(configure: Configure, data: str) -> None:
    """The service does not make it."""
    assert "cannot be made" in bad(configure(data=data))[0]


def test_models_that_share_a_folder_are_warned_of_what_the_other_predicts(configure: Configure) -> None:
    """It leaks into what they learn from, inferred or declared, unless it is no feature."""
    other = '[models.n]\ndata_dir = "data"\ntask = "regression"\ntarget = "z"\n'
    columns = '[models.m.columns]\ny = "number"\nz = {{ type = "number", feature = {} }}\n'
    columns += columns.replace("models.m", "models.n").replace("y =", "x =").replace("z =", "y =").replace("x =", "z =")
    assert "m learns from 'z', which n predicts" in notes(configure(model=other))
    assert "m learns from 'z'" in notes(configure(model=other + columns.format("true", "false")))
    short = columns.replace("feature = {}", "nullable = {}").format("true", "true")
    assert "m learns from 'z'" in notes(configure(model=other + short))
    config = configure(model=other + columns.format("false", "false"))
    assert "learns from" not in notes(config) and bad(config) == []


def test_a_command_after_promotions_that_is_not_there_is_bad(configure: Configure, tmp_path: Path) -> None:
    """A program in PATH, or a path beside the configuration, which others may not change."""
    assert bad(configure(model='on_promotion = "true --quiet"')) == []
    program = tmp_path / "after"
    (missing,) = bad(configure(model='on_promotion = "./after x"'))
    assert f"there is no program {program}, or" in missing and "whole path" in missing
    program.write_text("#!/bin/sh\n")
    assert len(bad(configure(model='on_promotion = "./after x"'))) == 1
    program.chmod(0o777)
    config = configure(model='on_promotion = "./after x"')
    assert bad(config) == [] and f"{program} may be changed by other users" in notes(config)


@pytest.mark.parametrize(
    ("columns", "value", "level", "told"),
    [
        ("x REAL, y REAL, at TEXT", "2026-01-31 10:00:00", "ok", "its newest 'at' is 2026-01-31 10:00:00"),
        ("x REAL, y REAL, at TEXT", "9999-01-31 10:00:00", "warning", "ahead of time"),
        ("x REAL, y REAL, at TEXT", "soon", "error", "is like 'soon', which has no order that driftd knows"),
        ("x REAL, at TEXT", "2026-01-31 10:00:00", "warning", "no column 'y', the target: its rows have no labels"),
        ("x REAL, y REAL, then_ TEXT", "x", "error", "the database says: no such column: pulled.at"),
        ("x REAL, y REAL, at TEXT", None, "ok", "it has no row with a watermark yet"),
    ],
)  # fmt: skip
def test_what_a_database_will_be_asked_is_looked_at(
    columns: str, value: str | None, level: str, told: str, configure: Configure, tmp_path: Path
) -> None:
    """Whether it answers, and has watermark and target; a watermark without order, or ahead of time, is told."""
    with closing(sqlite3.connect(tmp_path / "loans.db", isolation_level=None)) as database:
        database.execute(f"CREATE TABLE t ({columns})")
        places = ", ".join("?" * columns.count(","))
        database.execute(f"INSERT INTO t VALUES ({places}, ?)", (*(1.0 for _ in range(columns.count(","))), value))
    section = '[models.m.source]\nurl = "sqlite:///loans.db"\nquery = "SELECT * FROM t"\nwatermark = "at"\n'
    found = [one for one in doctor.examine(configure(model=section)) if "source]" in one.what]
    assert any(one.level == level and told in one.what for one in found), found


def test_a_database_that_is_not_there_is_bad(configure: Configure) -> None:
    """And one without a URL may have a credential that the service alone sees."""
    section = '[models.m.source]\n{}query = "SELECT * FROM t"\nwatermark = "at"\n'
    lost = configure(model=section.format('url = "sqlite:///lost.db"\n'))
    assert any(one.level == "error" and "no such file" in one.what for one in doctor.examine(lost))
    secret = configure(model=section.format(""))
    assert any(one.level == "warning" and "has no URL" in one.what for one in doctor.examine(secret))


def test_a_destination_of_apprise_is_looked_at_and_its_url_not_told(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether Apprise is there, and knows what the URL says."""
    config = configure(model='[[notify]]\nname = "room"\nurl = "json://hunter2@127.0.0.1/x"')
    told = [finding.what for finding in doctor.examine(config) if "room" in finding.what]
    assert told == ["[[notify]] room: messages by Apprise, json://; `driftd notify test` sends one"]
    monkeypatch.setattr(by_apprise, "find_spec", lambda _: None)
    (lacking,) = [finding for finding in doctor.examine(config) if "room" in finding.what]
    assert (lacking.level, lacking.what) == ("warning", "[[notify]] room: Apprise is not installed")
    assert lacking.way_out == 'pip install "driftd[notify]"'


def scribble(path: Path) -> None:
    """Random bytes in the middle: the file opens, and its pages are nonsense."""
    with path.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(os.urandom(path.stat().st_size - 2 * 4096))


def folder(path: Path) -> None:
    """A folder in its place."""
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [scribble, folder])
def test_a_ledger_that_is_damaged_is_reported_with_the_way_back(
    configure: Configure, damage: Callable[[Path], None]
) -> None:
    """The report is whole; the advice is not the doctor himself."""
    config = configure()
    ledger = new_ledger(config.state_dir)
    with ledger.begin() as conn:
        for number in range(3000):
            models.ensure(conn, f"m{number}")
    ledger.close()
    for name in ("-wal", "-shm"):
        (config.state_dir / f"{LEDGER}{name}").unlink(missing_ok=True)
    damage(config.state_dir / LEDGER)
    (found,) = bad(config)
    assert "ledger" in found and "`driftd restore DIR`" in found and "\n" not in found


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ('metric = "own.py:f"', "raise SystemExit"),
        ('estimator = { type = "own.py:f" }', "import sys\ndef f(seed): sys.exit(3)"),
        ('estimator = { type = "own_module.Own" }', "raise SystemExit('no licence')"),
        ('estimator = { type = "own_module.Own" }', "raise ZeroDivisionError"),
    ],
)
def test_code_of_the_user_that_ends_the_process_is_reported(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, code: str
) -> None:
    """It ends neither the doctor nor, later, the training."""
    (tmp_path / "own.py").write_text(code)
    shutil.copy(tmp_path / "own.py", tmp_path / "own_module.py")
    monkeypatch.syspath_prepend(tmp_path)
    (found,) = bad(configure(model=model))
    assert found.startswith("m: ") and ("SystemExit" in found or "ZeroDivisionError" in found)


def test_a_look_that_fails_is_a_finding(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are made all the same."""

    def fail(_folder: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(doctor, "is_held", fail)
    (found,) = bad(configure())
    assert found.startswith("[service] listen cannot be examined") and "Permission denied" in found


def logged(config: Config, *entries: tuple[str, dict[str, str]]) -> None:
    """The service's events."""
    ledger = new_ledger(config.state_dir)
    rows = [{"at": time.time(), "event": e, "level": "info", "model": None, "fields": f} for e, f in entries]
    with ledger.begin() as conn:
        models.ensure(conn, "m")
        events.append(conn, rows)
    ledger.close()


def test_the_address_is_where_the_running_service_listens(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    """The configuration may have changed since its start; while it starts, only that is known."""
    config = configure('listen = "127.0.0.1:2222"')
    logged(config, ("service_started", {}), ("service_ready", {"url": "http://127.0.0.1:1111"}), ("file_seen", {}))
    command = ["-c", str(config.path), "status"]
    with sole_owner(config.state_dir):
        assert app.run(command) == 0
        assert "driftd is running; 127.0.0.1:1111 (127.0.0.1:2222 is configured)\n" in capsys.readouterr().out
        assert app.run([*command, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["address"] == "127.0.0.1:1111"
        assert any("it serves on 127.0.0.1:1111" in finding.what for finding in doctor.examine(config))
        logged(config, ("service_started", {}))
        assert app.run(command) == 0
        assert "driftd is running; 127.0.0.1:2222 is configured\n" in capsys.readouterr().out
        assert any("127.0.0.1:2222 is configured" in finding.what for finding in doctor.examine(config))
    assert app.run(command) == 0
    assert "driftd is not running; 127.0.0.1:2222 is configured\n" in capsys.readouterr().out


def test_a_configuration_that_cannot_be_read_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1 is for what else is bad."""
    (tmp_path / "config.toml").write_text("[models")
    assert app.run(["-c", str(tmp_path / "config.toml"), "doctor"]) == 2
    assert "BAD  " in capsys.readouterr().out
    assert app.run(["-c", str(tmp_path / "none.toml"), "doctor", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)[0]["level"] == "error"


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), "differs from what was published"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:20] + b"x" + path.read_bytes()[21:]),
            "differs from what was",
        ),
        (lambda path: path.unlink(), "is gone"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
    ],
)
def test_a_snapshot_that_is_not_what_was_published_is_bad(
    configure: Configure, tmp_path: Path, harm: Callable[[Path], None], told: str
) -> None:
    """With the way back; those that are sound are counted."""
    config = configure()
    content = b"PAR1" + bytes(100) + b"PAR1"
    digest = hashlib.sha256(content).hexdigest()
    path = config.paths.model("m").snapshot(digest)
    ledger = new_ledger(config.state_dir)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with ledger.begin() as conn:
        models.ensure(conn, "m")
        values = {"model": "m", "path": "a.csv", "seq": 1, "state": "accepted", "sha256": digest, "at": 0.0}
        values |= dict.fromkeys(("size", "mtime_ns", "ctime_ns", "inode"), 1)
        conn.execute(insert(tables.files).values(**values, snapshot=str(path.relative_to(config.state_dir))))
    ledger.close()
    assert bad(config) == []
    assert any("1 snapshot as published" in one.what for one in doctor.examine(config))
    harm(path)
    (found,) = bad(config)
    assert told in found and "driftd restore DIR" in found
