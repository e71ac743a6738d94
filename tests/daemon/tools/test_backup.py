"""Backups: whole or not there, of a state that others write, verified, and brought back with nothing deleted."""

import grp
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ledgers import new_ledger
from sqlalchemy import insert, update

from daemon.cli.app import run
from daemon.config.config import Config, load_config
from daemon.config.paths import StatePaths
from daemon.cycles.tidying import clear_holds
from daemon.ledger import Ledger, commands, cycles, due, files, models, open_ledger, tables
from daemon.reading.look import Look
from daemon.runtime.backups import backup_sentence, read_notes
from daemon.runtime.lock import sole_owner
from daemon.tools.backup.make import make_backup
from daemon.tools.backup.manifest import backups_in, verify
from daemon.tools.backup.restore import restore_backup
from retrain import durable
from retrain.records.errors import Refused
from retrain.records.trigger import Trigger

CONFIG = '[models.m]\ndata_dir = "data"\ntask = "classification"\ntarget = "y"\n'


def quiet(_what: str, _done: int, _total: int) -> None:
    """Nobody looks."""


def file_result(snapshot: str) -> dict[str, Any]:
    """What the intake made of a file."""
    return {
        "kind": "rows", "snapshot": snapshot, "snapshot_digest": Path(snapshot).stem, "rows": 1, "labelled_rows": 1,
        "class_rows": {}, "rejected": 0, "quarantine": None, "quality": None, "first_time": None, "last_time": None,
        "rejects": [],
    }  # fmt: skip


class State:
    """A state folder with a ledger, snapshots and a version, as a service leaves it."""

    def __init__(self, folder: Path) -> None:
        (folder / "config.toml").write_text(CONFIG)
        self.config: Config = load_config(folder / "config.toml")
        self.folder = self.config.state_dir
        self.ledger: Ledger = new_ledger(self.folder)
        with self.ledger.begin() as conn:
            models.ensure(conn, "m")
        self.count = 0

    def add(self) -> Path:
        """Take a file in."""
        self.count += 1
        content = f"snapshot {self.count}".encode()
        digest = hashlib.sha256(content).hexdigest()
        name = f"snapshots/m/{digest[:32]}.parquet"
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        with self.ledger.begin(durable=True) as conn:
            files.record_accepted(
                conn, "m", f"f{self.count}", Look(1, 1, 1, self.count), digest, file_result(name), 1.0
            )
        return path

    def add_version(self) -> None:
        """Publish a version."""
        folder = self.folder / "versions/m/v0001-aaaaaaaa/reference"
        folder.mkdir(parents=True)
        (folder / "a.npy").write_bytes(b"array")
        (folder.parent / "manifest.json").write_text("{}")
        row = {"model": "m", "name": "v0001-aaaaaaaa", "number": 1, "digest": "a", "created_at": 0.0, "metrics": {}}
        with self.ledger.begin() as conn:
            conn.execute(insert(tables.versions).values(**row))

    def content(self) -> dict[str, bytes]:
        """Snapshots, versions and the files that the ledger lists."""
        found = {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for kind in ("snapshots", "versions", "spool")
            for path in (self.folder / kind).rglob("*")
            if path.is_file()
        }
        opened = open_ledger(self.folder, create=False, read_only=True)
        with opened.connect() as conn:
            found["ledger"] = repr([(r.path, r.state) for r in files.listed(conn, "m")]).encode()
        opened.close()
        return found


@pytest.fixture
def state(tmp_path):
    """One with three files and a version."""
    made = State(tmp_path)
    for _ in range(3):
        made.add()
    made.add_version()
    yield made
    made.ledger.close()


def test_a_backup_brings_the_state_back(state, tmp_path):
    """Also what waits in the spool; what was there before the restore is aside, and nothing is shared by hard links."""
    spool = state.folder / "spool/m"
    spool.mkdir(parents=True)
    (spool / "1-1-1.jsonl").write_text('{"id": "a"}\n')
    before = state.content()
    made = make_backup(state.config, tmp_path / "backups", None, quiet)
    assert all(path.stat().st_nlink == 1 for path in made.path.rglob("*") if path.is_file())
    state.add()
    state.ledger.close()
    done = restore_backup(state.folder, tmp_path / "backups", quiet)
    assert state.content() == before
    assert done.aside is not None and len(list((done.aside / "snapshots/m").iterdir())) == 4
    restore_backup(state.folder, made.path, quiet)
    assert state.content() == before and len(list(state.folder.glob("before-restore-*"))) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_root_restores_belongs_to_the_service(state, tmp_path):
    """To whom the state folder belongs: the service's own user could not read or write it otherwise."""
    made = make_backup(state.config, tmp_path / "backups", None, quiet)
    state.ledger.close()
    os.chown(state.folder, 12345, 23456)
    restore_backup(state.folder, made.path, quiet)
    restored = [path for path in state.folder.rglob("*") if "before-restore" not in str(path)]
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in restored if path.name != "driftd.lock"}
    assert owners == {(12345, 23456)} and len(restored) > 5


@pytest.mark.parametrize(("folder_mode", "ledger_mode"), [(0o755, 0o600), (0o2770, 0o660)])
def test_a_restored_ledger_is_private_or_the_groups(state, tmp_path, folder_mode, ledger_mode):
    """Whatever the umask of the one who restores; the folder stays as it is."""
    made = make_backup(state.config, tmp_path / "backups", None, quiet)
    state.ledger.close()
    state.folder.chmod(folder_mode)
    restore_backup(state.folder, made.path, quiet)
    assert stat.S_IMODE((state.folder / "ledger.sqlite").stat().st_mode) == ledger_mode
    assert stat.S_IMODE(state.folder.stat().st_mode) == folder_mode


@pytest.mark.parametrize(("with_group", "modes"), [(False, (0o700, 0o600)), (True, (0o2770, 0o660))])
def test_a_state_folder_that_a_restore_makes_is_as_the_service_makes_it(state, tmp_path, with_group, modes):
    """For its user alone, or for the group as well."""
    made = make_backup(state.config, tmp_path / "backups", None, quiet)
    group = grp.getgrgid(os.getgid()).gr_name if with_group else None
    restore_backup(tmp_path / "new", made.path, quiet, group)
    found = tuple(stat.S_IMODE((tmp_path / "new" / name).stat().st_mode) for name in ("", "ledger.sqlite"))
    assert found == modes


def test_a_backup_is_consistent_while_files_come_and_go(state, tmp_path, monkeypatch):
    """Files pruned between the copy of the ledger and theirs are not in it; those that came meanwhile do no harm."""
    copies = []

    def hook(point: str) -> None:
        if point == "backup.ledger.after_rename":
            copies.append(point)
            state.add()
            if len(copies) == 1:
                with state.ledger.begin() as conn:
                    gone = files.listed(conn, "m")[0]
                    conn.execute(update(tables.files).where(tables.files.c.id == gone.id).values(snapshot=None))
                (state.folder / gone.snapshot).unlink()

    monkeypatch.setattr(durable, "_hook", hook)
    made = make_backup(state.config, tmp_path / "backups", None, quiet)
    monkeypatch.setattr(durable, "_hook", None)
    assert len(copies) == 2 and made.manifest.missing == ()
    with sqlite3.connect(made.path / "state/ledger.sqlite") as copy:
        named = {row[0] for row in copy.execute("SELECT snapshot FROM files WHERE snapshot IS NOT NULL")}
    assert named == {name for name in made.manifest.files if name.startswith("snapshots/")}


def test_a_pipeline_that_is_to_be_adopted_is_backed_up(state, tmp_path):
    """While it waits for rows, while a command or an open cycle names it: its files come back; one in whose place
    another was brought is no loss when it is gone."""
    about = {"folder": "a" * 32, "file": "model.skops"}
    for letter in "abc":
        folder = state.folder / "adopted" / "m" / (letter * 32)
        (folder / "code").mkdir(parents=True)
        for name in ("about.json", "model.skops", "rows.parquet", "code/parts.py"):
            (folder / name).write_text(f"{letter} {name}")
    with state.ledger.begin() as conn:
        due.add(conn, "m", "adopt", 1.0, about | {"folder": "gone"})
        due.add(conn, "m", "adopt", 2.0, about)
        commands.enqueue(conn, "adopt", {"model": "m", **about, "folder": "b" * 32}, "test", 3.0)
        cycles.open_cycle(conn, "m", Trigger("adopt", "adopted", about | {"folder": "c" * 32}), 2, 3, 4.0)
    made = make_backup(state.config, tmp_path / "backups", None, quiet)
    assert made.manifest.is_whole
    before = {path: path.read_bytes() for path in (state.folder / "adopted").rglob("*") if path.is_file()}
    assert len(before) == 12
    state.ledger.close()
    shutil.rmtree(state.folder)
    restore_backup(state.folder, made.path, quiet)
    assert {path: path.read_bytes() for path in (state.folder / "adopted").rglob("*") if path.is_file()} == before


def test_a_lost_or_damaged_snapshot_is_told_and_the_rest_saved(state, tmp_path):
    """The manifest names what the state needs and nobody has."""
    first, second = state.add(), state.add()
    first.unlink()
    second.write_bytes(b"flipped")
    made = make_backup(state.config, tmp_path / "backups", None, quiet)
    assert set(made.manifest.lost) == {path.relative_to(state.folder).as_posix() for path in (first, second)}


def killer(where: str) -> Callable[[str], None]:
    """A hook that kills this process at the N-th passing of a point; `where` is "POINT" or "POINT:N"."""
    name, _, count = where.partition(":")
    left = [int(count or 1)]

    def hook(point: str) -> None:
        left[0] -= point == name
        if point == name and left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


def killed_at(point: str, work: Callable[[], object]) -> int:
    """The status of a child process that does `work` and is killed at a point."""
    child = os.fork()
    if child == 0:
        durable.install_hook(killer(point))
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1]


@pytest.mark.parametrize("point", ["copy.before_copy:3", "manifest.before_rename", "publish.before_rename"])
def test_a_killed_backup_leaves_no_half_one(state, tmp_path, point):
    """The next one cleans up behind it."""
    folder = tmp_path / "backups"
    assert killed_at(f"backup.{point}", lambda: make_backup(state.config, folder, None, quiet)) == signal.SIGKILL
    assert backups_in(folder) == []
    made = make_backup(state.config, folder, None, quiet)
    assert {path.name for path in folder.iterdir()} == {".lock", made.path.name}


def test_what_a_killed_backup_held_is_let_go(state, tmp_path):
    """By the service, at its start and once a day: second names keep segments on the disk."""
    paths, folder = StatePaths(state.folder), tmp_path / "backups"
    segment = state.folder / "spool/m/1-1-1.jsonl"
    segment.parent.mkdir(parents=True)
    segment.write_text('{"id": "a"}\n')
    killed = killed_at("backup.copy.before_copy:3", lambda: make_backup(state.config, folder, None, quiet))
    assert killed == signal.SIGKILL
    assert [path for path in paths.held.rglob("*") if path.is_file()]
    clear_holds(paths)
    assert not [path for path in paths.held.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "point", ["copy.before_copy:2", "aside.after_rename:1", "place.before_rename:1", "place.after_rename:2"]
)
def test_a_killed_restore_is_mended_by_another(state, tmp_path, point):
    """Nobody opens a state of two halves; nothing is lost but for what a second restore puts aside."""
    made = make_backup(state.config, tmp_path / "backups", None, quiet)
    before = state.content()
    state.add()
    state.ledger.close()
    assert killed_at(f"restore.{point}", lambda: restore_backup(state.folder, made.path, quiet)) == signal.SIGKILL
    if "copy" in point:
        assert len(state.content()) == len(before) + 1
    else:
        with pytest.raises(Refused, match="was interrupted; run `driftd restore DIR` again"):
            open_ledger(state.folder)
    restore_backup(state.folder, made.path, quiet)
    assert state.content() == before
    assert len(list(state.folder.rglob("before-restore-*/snapshots/m/*.parquet"))) >= 4


def test_old_backups_go_when_asked(state, tmp_path):
    """The newest N stay."""
    made = [make_backup(state.config, tmp_path / "backups", 2, quiet).path for _ in range(3)]
    assert backups_in(tmp_path / "backups") == made[1:]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda b: next(b.rglob("*.parquet")).write_bytes(b"x"), "is not what was written"),
        (lambda b: next(b.rglob("*.npy")).unlink(), "is missing"),
        (lambda b: (b / "state/extra").write_bytes(b"x"), "does not belong"),
        (lambda b: (b / "state/ledger.sqlite").write_bytes(b"x" * 5000), "ledger"),
        (lambda b: (b / "manifest.json").write_text("{"), "cannot be read"),
        (lambda b: (b / "manifest.json").write_text((b / "manifest.json").read_text().replace("snapshots/", "../")), "outside"),
    ],
)  # fmt: skip
def test_a_damaged_backup_is_never_restored(state, tmp_path, spoil, told):
    """Bits that flipped, files lost or added, a manifest that would write elsewhere: refused, and nothing changed."""
    made = make_backup(state.config, tmp_path / "backups", None, quiet)
    spoil(made.path)
    before = state.content()
    state.ledger.close()
    with pytest.raises(Refused, match=told):
        verify(made.path, quiet)
    with pytest.raises(Refused, match=told):
        restore_backup(state.folder, made.path, quiet)
    assert state.content() == before


def test_a_damaged_ledger_is_not_backed_up(state, tmp_path):
    """Older backups stay."""
    path = state.folder / "ledger.sqlite"
    state.ledger.close()
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 12] = os.urandom(4096 * 9)
    path.write_bytes(data)
    with pytest.raises(Refused):
        make_backup(state.config, tmp_path / "backups", 1, quiet)
    assert backups_in(tmp_path / "backups") == []


@pytest.mark.parametrize("place", ["state/backups", "data/backups"])
def test_a_backup_lies_apart(state, tmp_path, place):
    """Not where it dies with the state, nor where its Parquet files would be taken for data."""
    with pytest.raises(Refused, match="elsewhere"):
        make_backup(state.config, tmp_path / place, None, quiet)


def test_no_restore_under_a_running_service(state, tmp_path):
    """The lock of the state folder decides."""
    made = make_backup(state.config, tmp_path / "backups", None, quiet)
    with sole_owner(state.folder), pytest.raises(Refused, match="another driftd"):
        restore_backup(state.folder, made.path, quiet)


def lossy(state: State, folder: Path) -> Path:
    """A backup of a state that lost a snapshot."""
    gone = state.add()
    gone.unlink()
    made = make_backup(state.config, folder, 2, quiet)
    assert made.manifest.lost
    return made.path


def test_a_backup_with_losses_never_takes_the_place_of_a_whole_one(state, tmp_path):
    """So many whole ones stay as are kept, whatever comes after them; the state knows which is the last."""
    folder = tmp_path / "backups"
    whole = [make_backup(state.config, folder, 2, quiet).path for _ in range(2)]
    losing = [lossy(state, folder) for _ in range(3)]
    assert backups_in(folder) == [*whole, *losing[1:]]
    (note,) = read_notes(state.config.paths).values()
    assert (note.newest, note.whole) == (str(losing[-1]), str(whole[-1])) and note.lost == 3
    assert f"lacks 3 files that the state needs; the last whole one is {whole[-1]}" in backup_sentence(note)
    with state.ledger.begin() as conn:
        conn.execute(update(tables.files).where(tables.files.c.seq > 3).values(snapshot=None))
    again = [make_backup(state.config, folder, 2, quiet).path for _ in range(2)]
    assert backups_in(folder) == again


def test_a_damaged_version_is_a_loss(state, tmp_path):
    """What its own manifest says of its files is compared with what is copied."""
    version = state.folder / "versions/m/v0001-aaaaaaaa"
    digest = hashlib.sha256(b"array").hexdigest()
    (version / "manifest.json").write_text(json.dumps({"files": {"reference/a.npy": digest}}))
    assert make_backup(state.config, tmp_path / "backups", None, quiet).manifest.is_whole
    (version / "reference/a.npy").write_bytes(b"other")
    made = make_backup(state.config, tmp_path / "backups", None, quiet)
    assert made.manifest.lost == ("versions/m/v0001-aaaaaaaa/reference/a.npy",)


@pytest.mark.parametrize("words", ["[service", "[service]\nlisten = '0.0.0.0:1'\n", None])
def test_the_configuration_of_a_backup_is_verified(state, tmp_path, words):
    """Changed, cut off or gone."""
    made = make_backup(state.config, tmp_path / "backups", None, quiet)
    verify(made.path, quiet)
    path = made.path / "config.toml"
    path.unlink() if words is None else path.write_text(words)
    with pytest.raises(Refused, match=r"config\.toml"):
        verify(made.path, quiet)


def test_verify_says_that_a_backup_with_losses_is_not_whole(state, tmp_path, capsys):
    """It is what was written, and not all that the state needs: exit status 1, and which one is whole."""
    folder = tmp_path / "backups"
    whole = make_backup(state.config, folder, None, quiet).path
    options = ["-c", str(state.config.path), "backup", str(folder), "--verify"]
    assert run(options) == 0 and f"{whole} is whole" in capsys.readouterr().out
    lossy(state, folder)
    assert run(options) == 1
    told = capsys.readouterr()
    assert "is whole" not in told.out and f"the last whole backup is {whole}" in told.err
    assert run([*options, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["last_whole"] == str(whole)
