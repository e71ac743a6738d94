"""A state folder's ledger and files move into a real PostgreSQL and a real S3 store, wherever it is interrupted."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from daemon_harness import in_own_process, in_process
from ledgers import place_ledger
from postgresql import Server, needs_postgresql
from s3 import S3, needs_s3

from daemon.config.config import Config, load_config
from daemon.config.paths import ModelPaths
from daemon.ledger import files, models, open_ledger
from daemon.reading.look import Look
from daemon.runtime.stored_state import Owner, StoredState
from daemon.tools.migrate_state import migrate_state
from retrain import durable
from retrain.records.errors import Refused, Retry

pytestmark = [needs_postgresql, needs_s3, pytest.mark.xdist_group("postgresql")]
POINTS = (
    "store.before_put", "migration.before_commit", "migration.committed", "store.copied.before_write",
    "migrate.moved.before_rename", "migrate.moved.after_rename",
)  # fmt: skip


class Moving:
    """A state folder with one file that was taken in, and where it is to go."""

    def __init__(self, folder: Path, s3: S3, postgresql: Server) -> None:
        self.url, self.state = postgresql.url("moving_state"), folder / "state"
        uri = f"{s3.bucket()}/driftd"
        self.store = s3.store(uri)
        (folder / "url").write_text(self.url)
        (folder / "options").write_text("".join(f"{name}={value}\n" for name, value in s3.options.items()))
        service = f'state_dir = "state"\nledger_file = "url"\nstore = "{uri}"\nstore_file = "options"\n'
        model = '[models.m]\ndata_dir = "data"\ntask = "regression"\ntarget = "y"\n'
        (folder / "config.toml").write_text(f"[service]\n{service}{model}")
        place_ledger(self.state)
        snapshots = ModelPaths(self.state, "m").snapshots
        snapshots.mkdir(parents=True)
        (snapshots / "made").write_bytes(b"rows")
        name = f"{durable.sha256(snapshots / 'made')[:32]}.parquet"
        self.snapshot = str((snapshots / "made").rename(snapshots / name).relative_to(self.state))
        result = {
            "kind": "rows", "snapshot": self.snapshot, "rows": 1, "labelled_rows": 1, "class_rows": {}, "rejected": 0,
            "quarantine": None, "quality": {}, "first_time": None, "last_time": None, "rejects": [],
        }  # fmt: skip
        with closing(open_ledger(self.state)) as ledger, ledger.begin() as conn:
            models.ensure(conn, "m")
            files.record_accepted(conn, "m", "a.csv", Look(1, 1, 1, 1), "digest", result, 1.0)

    @property
    def config(self) -> Config:
        """As the command line reads it."""
        return load_config(self.state.parent / "config.toml")

    def move(self) -> int:
        """How many rows went."""
        return migrate_state(self.config, lambda *_: None).rows


@pytest.fixture
def moving(tmp_path: Path, s3: S3, postgresql: Server) -> Moving:
    """To an empty database, and an empty prefix."""
    with postgresql.database("moving_state"):
        pass
    return Moving(tmp_path, s3, postgresql)


@pytest.mark.parametrize("point", POINTS)
def test_what_was_killed_is_begun_again(moving: Moving, point: str) -> None:
    """At each step: the second time ends where one undisturbed would, or says that all was moved before."""

    def die(name: str) -> None:
        if name == point:
            raise KeyboardInterrupt

    durable.install_hook(die)
    try:
        with pytest.raises(KeyboardInterrupt):
            moving.move()
    finally:
        durable.install_hook(None)
    if point == "migrate.moved.after_rename":
        with pytest.raises(Refused, match="it was moved before"):
            moving.move()
    else:
        assert moving.move() > 0
    assert set(moving.store.names()) == {moving.snapshot, "ledger.json"}
    assert moving.config.paths.moved_ledger.exists() and not moving.config.paths.ledger.exists()
    with closing(open_ledger(moving.state, url=moving.url, create=False)) as ledger, ledger.connect() as conn:
        assert files.kept_snapshots(conn, "m") == [moving.snapshot]


def test_where_it_cannot_go_nothing_is_put(moving: Moving, postgresql: Server, s3: S3) -> None:
    """A database with another ledger, one with tables of others, and one that does not let us in are found out before
    the first file goes; so is a prefix of another ledger."""
    with postgresql.ledger() as other, postgresql.database("foreign") as foreign:
        foreign.execute("CREATE TABLE files (a int)")
        for url in (other, postgresql.url("foreign"), postgresql.url("moving_state", "wrong")):
            (moving.state.parent / "url").write_text(url)
            with pytest.raises(Refused):
                moving.move()
            assert not moving.store.names()
    moving.store.write("ledger.json", b'{"instance": "1/2/public", "ledger": "postgresql://db/others"}')
    (moving.state.parent / "url").write_text(moving.url)
    with pytest.raises(Refused, match="postgresql://db/others"):
        moving.move()
    assert set(moving.store.names()) == {"ledger.json"} and moving.config.paths.ledger.exists()


def test_the_file_that_is_kept_is_whole(moving: Moving) -> None:
    """Though somebody has it open, as `driftd serve` may: its -wal is not kept. Who is amid a look is waited for."""
    with closing(sqlite3.connect(moving.config.paths.ledger, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM files").fetchone()
        with closing(open_ledger(moving.state)) as ledger, ledger.begin() as conn:
            models.ensure(conn, "n")
        with pytest.raises(Retry, match="others read"):
            moving.move()
        reader.execute("COMMIT")
        assert moving.move() > 0
        with closing(sqlite3.connect(moving.config.paths.moved_ledger)) as kept:
            assert kept.execute("SELECT name FROM models ORDER BY 1").fetchall() == [("m",), ("n",)]


@pytest.mark.parametrize(
    ("forgotten", "command", "way_out"),
    [
        ("to move", "status", "`driftd migrate-state` moves it there"),
        ("to move", "doctor", "`driftd migrate-state` moves it there"),
        ("to move", "run", "`driftd migrate-state` moves a ledger that is a file"),
        ("that it was moved", "migrate-state", "it was moved before: start `driftd run`"),
        ("the database", "status", "createdb --owner ROLE"),
        ("the bucket", "doctor", "check [service] store"),
        ("the bucket", "migrate-state", "check [service] store"),
        ("url", "status", "copy it from another host"),
        ("options", "doctor", "copy it from another host"),
        ("options", "migrate-state", "copy it from another host"),
        ("the ledger's line", "migrate-state", 'write ledger = "postgresql+psycopg://'),
        ("the ledger's line", "doctor", "name one in [service] ledger"),
    ],
)
def test_a_step_that_was_forgotten_is_named(
    moving: Moving, postgresql: Server, forgotten: str, command: str, way_out: str
) -> None:
    """Whoever follows docs/beyond-one-machine.md and leaves one out is told what to do; nothing is changed."""
    folder = moving.state.parent
    config, url = folder / "config.toml", folder / "url"
    text = config.read_text()
    if forgotten == "that it was moved":
        moving.move()
    elif forgotten == "the database":
        url.write_text(postgresql.url("nowhere"))
    elif forgotten == "the bucket":
        config.write_text(text.replace("/driftd", "x/driftd"))
    elif forgotten == "the ledger's line":
        config.write_text(text.replace('ledger_file = "url"\n', ""))
    elif forgotten in ("url", "options"):
        (folder / forgotten).unlink()
    before = moving.config.paths.ledger.exists()
    run = in_own_process if command == "run" else in_process
    done = run(["-c", str(config), command])
    assert way_out in f"{done.stdout}{done.stderr}", f"{done.stdout}{done.stderr}"
    is_note = (forgotten, command) == ("to move", "doctor")
    assert "Traceback" not in done.stderr and (is_note or done.returncode != 0)
    assert moving.config.paths.ledger.exists() == before and not (before and moving.store.names())


def test_a_file_moves_into_a_shard(moving: Moving, s3: S3) -> None:
    """Its rows into the shard's schema, its files below the shard's prefix, and the folder is the shard's from then on.
    The store knows it again when its service starts."""
    path = moving.state.parent / "config.toml"
    plain = path.read_text()
    path.write_text(plain.replace("[service]\n", '[service]\nshard = "eu"\n'))
    assert moving.move() > 0
    assert set(moving.store.names()) == {f"eu/{moving.snapshot}", "eu/ledger.json"}
    url = f"{moving.url}?shard=eu"
    with closing(open_ledger(moving.state, url=url, create=False)) as ledger, ledger.connect() as conn:
        assert files.kept_snapshots(conn, "m") == [moving.snapshot]
        owner = Owner(ledger.instance(), ledger.place)
    assert StoredState(s3.store(f"{moving.store.place}/eu"), moving.state, 1.0).is_marked(owner)
    path.write_text(plain)
    done = in_process(["-c", str(path), "status"])
    assert done.returncode != 0 and "is of shard eu, and this service has no shard" in done.stderr
