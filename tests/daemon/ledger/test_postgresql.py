"""What a ledger in a real PostgreSQL promises besides what every ledger does."""

import contextlib
import math
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from helpers import wait_for
from ledgers import new_ledger
from postgresql import PASSWORD, Server, needs_postgresql
from relay import Relay
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from daemon.config.paths import StatePaths
from daemon.ledger import (
    Ledger,
    assessments,
    class_totals,
    commands,
    cycles,
    files,
    followed_ledger,
    forgotten,
    leases,
    migrate,
    models,
    open_ledger,
    tables,
)
from daemon.ledger.backends.postgresql_url import place_of
from daemon.ledger.engine import HEAD
from daemon.ledger.rows import hint
from daemon.ledger.tables import class_totals as counted_classes
from daemon.ledger.tables import file_totals, json_text, metadata
from daemon.ledger.tables import files as files_table
from daemon.ledger.tables import models as models_table
from daemon.reading.look import Look
from daemon.runtime.restarting import error_key
from retrain.records.errors import Refused, Retry
from retrain.records.trigger import Trigger

pytestmark = [needs_postgresql, pytest.mark.xdist_group("postgresql")]
LOOK = Look(1, 1, 1, 1)
NOW = 1_790_000_000.123456
LEASE_S = 60.0


@pytest.fixture
def url(postgresql: Server) -> Iterator[str]:
    """Of a database with an empty ledger."""
    with postgresql.ledger() as made:
        yield made


@pytest.fixture
def ledger(tmp_path: Path, url: str) -> Iterator[Ledger]:
    """It, which knows model m."""
    with contextlib.closing(new_ledger(tmp_path, url)) as opened:
        with opened.begin() as conn:
            models.ensure(conn, "m")
        yield opened


def accept(ledger: Ledger, path: str, look: Look = LOOK, **changes: Any) -> Any:
    """A file of rows taken in; its path is its content."""
    result = {
        "kind": "rows", "snapshot": path, "rows": 10, "labelled_rows": 10, "class_rows": {"no": 10}, "rejected": 0,
        "quarantine": None, "quality": {}, "first_time": None, "last_time": None, "rejects": [],
    } | changes  # fmt: skip
    with ledger.begin() as conn:
        return files.record_accepted(conn, "m", path, look, path, result, NOW)


def test_its_schema_is_that_of_the_tables(ledger: Ledger) -> None:
    """Whole numbers of 64 bits, times of double precision; and an index of some rows is one of these alone, as in a
    file: a model has more than one cycle in its life."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    partial = "SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%% WHERE %%' AND schemaname = 'public'"
    meant = {
        one.name
        for table in metadata.sorted_tables
        for one in table.indexes
        if one.dialect_options["sqlite"]["where"] is not None
    }
    with ledger.connect() as conn:
        found = compare_metadata(MigrationContext.configure(conn), metadata)
        assert found == []
        assert {row[0] for row in conn.exec_driver_sql(partial)} == meant
    assert "one_open_cycle" in meant


def test_times_and_places_of_real_files_are_kept(ledger: Ledger) -> None:
    """Nanoseconds and inodes need 64 bits, seconds a double."""
    look = Look(2**40, 1_790_000_000_123_456_789, 1_790_000_000_987_654_321, 2**62)
    accept(ledger, "a.csv", look, last_time=NOW)
    with ledger.connect() as conn:
        assert files.known(conn, "m") == {"a.csv": look}
        row = files.listed(conn, "m")[0]
    assert (row.at, row.last_time) == (NOW, NOW)


def test_whatever_json_holds_is_kept(ledger: Ledger) -> None:
    """Numbers that are none, and texts that are no valid Unicode; the character NUL, which PostgreSQL knows in no text,
    is written as people write it, and so is it in a class."""
    quality = {"a": math.inf, "b": -math.inf, "c": "caf\udce9 ☂", "d": r"\u0000 is text", "e": [None, {"f": 0.1}]}
    accept(ledger, "a.csv", quality=quality | {"nul": "x\0y", "nan": math.nan}, class_rows={"a\0b": 3, "no": 7})
    with ledger.begin() as conn:
        number = commands.enqueue(conn, "hold", {"model": "m", "file": "a\0b"}, "me", NOW)
        commands.finish(conn, number, "done", "a\0b is held", NOW)
    with ledger.connect() as conn:
        kept = files.listed(conn, "m")[0].quality
        assert (math.isnan(kept.pop("nan")), kept.pop("nul"), kept) == (True, r"x\x00y", quality)
        assert class_totals.class_rows(conn, "m") == {r"a\x00b": 3, "no": 7}
        assert commands.get(conn, number).message == r"a\x00b is held"
        assert [one.id for one in commands.listed(conn, "m", 9)] == [number]


def test_a_document_with_what_is_no_json_hides_no_other(ledger: Ledger) -> None:
    """A name of a file that is no valid Unicode, and a number that is none, beside what is asked for: each row is found by
    its own texts, and what was meant comes back."""
    named = r"b\udce9 \\ud800"
    with ledger.begin() as conn:
        args = {"model": "m", "file": "caf\udce9.csv", "at": [math.nan, -math.inf], "say": named}
        asked = [commands.enqueue(conn, "hold", one, "me", NOW) for one in (args, {"model": "m", "file": "b"})]
        cycles.open_cycle(
            conn, "m", Trigger("adopt", "why", {"file": "f", "digest": "d", "folder": "g", "x": math.nan}), 1, 1, NOW
        )
        assessed = [{"seq": n, "challenger": {"version": "v", "x": x}} for n, x in enumerate((math.inf, 1.0))]
        found = {"assessments": assessed, "skipped": [], "proposal": None}
        assessments.record(conn, "m", 1, found, NOW)
    with ledger.connect() as conn:
        assert [one.id for one in commands.listed(conn, "m", 9)] == asked
        assert [commands.kept(conn, "file", one["file"]).id for one in (args, {"file": "b"})] == asked
        assert commands.kept(conn, "say", named).id == asked[0]
        assert commands.get(conn, asked[0]).args["file"] == args["file"]
        assert list(cycles.adoptions(conn, "m").values()) == [{"file": "f", "digest": "d", "folder": "g"}]
        named_so = json_text(conn, tables.assessments.c.found, "challenger", "version") == "v"
        assert len(conn.execute(select(tables.assessments.c.id).where(named_so)).all()) == 2


def test_a_model_has_many_cycles_and_trials_one_after_the_other(ledger: Ledger) -> None:
    """At most one of each is under way; proposals of what to serve follow each other, too."""
    for number in (1, 2, 3):
        with ledger.begin() as conn:
            cycle = cycles.open_cycle(conn, "m", Trigger("drift", "why"), number, 1, NOW)
            conn.exec_driver_sql("UPDATE cycles SET state = 'kept'")
            deployment = {"model": "m", "number": number, "digest": f"d{number}", "members": [], "created_at": NOW}
            key = conn.execute(metadata.tables["deployments"].insert().values(**deployment)).inserted_primary_key
            trial = dict.fromkeys(("share", "since", "until", "latest", "min_rows", "max_failures"), 1)
            trial |= {"model": "m", "version": "v", "strategy": "shadow", "cycle_id": cycle.id, "outcome": "dropped"}
            conn.execute(metadata.tables["trials"].insert().values(**trial, deployment_id=key[0]))
            assessments.record(conn, "m", 1, {"assessments": [], "skipped": [], "proposal": {"n": number}}, NOW)
            assert assessments.proposal(conn, "m")[1] == {"n": number}


def changed(rng: random.Random, ledger: Ledger, step: int) -> None:
    """One of the things that happen to files."""
    some = f"f{rng.randrange(step + 1)}"
    with contextlib.suppress(Refused):
        match rng.choice(("accept", "accept", "hold", "release", "forget", "expire", "delete")):
            case "accept":
                rows = rng.choice((0, 7, 250, 1500, 9000))
                kind = rng.choice(("rows", "labels"))
                classes = {"no": rows // 2, "yes": rng.randrange(3)}
                accept(ledger, f"f{step}", kind=kind, rows=rows, labelled_rows=rows // 2, class_rows=classes)
            case "expire":
                with ledger.begin() as conn:
                    conn.execute(files_table.update().where(files_table.c.path == some).values(state="expired"))
            case "delete":
                with ledger.begin() as conn:
                    conn.execute(files_table.delete().where(files_table.c.path == some))
            case what:
                with ledger.begin() as conn:
                    more = ("odd",) if what == "hold" else ()
                    getattr(files, what)(conn, "m", some, *more)


def test_it_counts_as_a_file_does(ledger: Ledger, tmp_path: Path) -> None:
    """What triggers keep of files, classes and the data that was taken in is the same after the same story."""
    found = []
    with contextlib.closing(new_ledger(tmp_path)) as beside:
        with beside.begin() as conn:
            models.ensure(conn, "m")
        for one in (ledger, beside):
            rng = random.Random(7)
            for step in range(60):
                changed(rng, one, step)
            with one.connect() as conn:
                totals = conn.execute(select(file_totals)).all(), conn.execute(select(counted_classes)).all()
                found.append((*map(sorted, totals), conn.scalar(select(models_table.c.taken_in))))
                assert all(type(value) is int for value in conn.execute(select(func.sum(file_totals.c.rows))).one())
    assert found[0] == found[1]


def test_writers_take_turns(ledger: Ledger, tmp_path: Path, url: str) -> None:
    """Of two processes' files each has a number of its own, in the order in which they can be seen; whatever isolation
    the database is configured for."""
    seen: list[list[int]] = []

    def write(own: Ledger, name: str) -> None:
        for number in range(15):
            accept(own, f"{name}{number}")
            with own.connect() as conn:
                seen.append([row.seq for row in files.usable(conn, "m", 99)])

    strict = f"{url}?options=-c%20default_transaction_isolation=serializable"
    with contextlib.closing(open_ledger(tmp_path, url=strict)) as other:
        threads = [threading.Thread(target=write, args=pair) for pair in ((ledger, "a"), (other, "b"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert max(seen, key=len) == list(range(1, 31)) and all(one == list(range(1, len(one) + 1)) for one in seen)


def test_a_writer_knows_that_another_writes(ledger: Ledger, tmp_path: Path, url: str) -> None:
    """Who asks before it begins does not wait for it."""
    with contextlib.closing(open_ledger(tmp_path, url=url)) as other:
        assert ledger.is_free()
        with other.begin():
            assert not ledger.is_free()
        assert ledger.is_free()


def test_one_service_leads(ledger: Ledger, tmp_path: Path, url: str) -> None:
    """A second one has no lease, and writes nothing, until the first gives its own up; commands write all the while. One
    that is begun again, as after a kill, need not wait for its own, and has another term."""
    opened = [contextlib.closing(open_ledger(tmp_path, url=url)) for _ in range(3)]
    with opened[0] as second, opened[1] as command, opened[2] as again:
        second.fence()
        assert ledger.claim("here", LEASE_S) and not second.claim("there", LEASE_S)
        with pytest.raises(OperationalError), second.begin():
            pass
        with command.begin() as conn:
            commands.enqueue(conn, "pause", {"model": "m"}, "me", NOW)
            found = leases.leader(conn)
        assert found is not None and (found.holder, found.term) == ("here", 1) and 0 < found.left_s <= LEASE_S
        assert again.claim("here", LEASE_S) and again.term == 2 and not ledger.renew()
        ledger.release()
        assert not second.claim("there", LEASE_S)
        again.release()
        with command.connect() as conn:
            assert leases.leader(conn) is None
        assert second.claim("there", LEASE_S) and second.term == 3
        with second.begin() as conn:
            models.set_paused(conn, "m", True)


def run_out(url: str) -> None:
    """The lease is over, as if its length had passed."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("UPDATE leases SET until = 0")


def cut_off(url: str) -> None:
    """End all connections to the database, as when it is restarted."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_service_goes_on_after_its_connections_broke(ledger: Ledger, url: str) -> None:
    """What was under way fails, and what comes next is done; the ledger is still its own."""
    ledger.claim("here", LEASE_S)
    watch, before = ledger.watch(), accept(ledger, "a").seq
    with pytest.raises(OperationalError), ledger.begin() as conn:
        cut_off(url)
        models.set_paused(conn, "m", True)
    assert ledger.is_free()  # it cannot be told: the next use finds out
    with contextlib.suppress(OperationalError):
        watch.version()
    assert ledger.is_free() and watch.version() and not ledger.lost
    assert accept(ledger, "b").seq == before + 1
    with ledger.connect() as conn:
        assert not models.get(conn, "m").paused  # type: ignore[union-attr]
    watch.close()


def test_a_service_whose_place_another_took_writes_nothing(ledger: Ledger, tmp_path: Path, url: str) -> None:
    """Where its lease ran out and nobody took it, it goes on; else the database refuses it, for good."""
    ledger.claim("here", LEASE_S)
    run_out(url)
    assert accept(ledger, "a").seq == 1 and ledger.renew()
    with contextlib.closing(open_ledger(tmp_path, url=url)) as second:
        run_out(url)
        cut_off(url)
        with contextlib.suppress(OperationalError), second.connect():
            pass
        assert second.claim("there", LEASE_S)
        for _ in range(2):
            with pytest.raises(OperationalError), ledger.begin() as conn:
                models.set_paused(conn, "m", True)
        assert ledger.lost.startswith("another service took over the ledger postgresql://driftd@")
        assert not ledger.renew() and second.renew()
        with second.connect() as conn:
            assert not models.get(conn, "m").paused  # type: ignore[union-attr]


def test_nobody_leads_before_the_last_transaction_of_the_one_before(ledger: Ledger, tmp_path: Path, url: str) -> None:
    """Where it is committed it counts. Where nobody is heard of within it, as of one that is cut off, the database ends
    it, after the length of the lease."""
    ledger.claim("here", 1.0)
    with contextlib.closing(open_ledger(tmp_path, url=url)) as second, second.connect():
        with ledger.begin() as conn:
            models.set_paused(conn, "m", True)
            assert not second.claim("there", LEASE_S)
        with pytest.raises(OperationalError), ledger.begin() as conn:
            models.set_paused(conn, "m", False)
            wait_for(lambda: second.claim("there", LEASE_S))
        with second.connect() as conn:
            assert models.get(conn, "m").paused  # type: ignore[union-attr]
        assert ledger.lost or not ledger.renew()


def test_a_ledger_from_before_there_were_leases(ledger: Ledger, tmp_path: Path, url: str) -> None:
    """While the older driftd works with it nothing is changed; then its terms are counted on."""
    ledger.close()
    with psycopg.connect(url, autocommit=True) as older:
        older.execute("DROP TABLE leases, uploads")
        older.execute("DROP FUNCTION ledger_turn")
        older.execute("CREATE TABLE ledger_fence (term bigint NOT NULL)")
        older.execute("INSERT INTO ledger_fence VALUES (7)")
        older.execute("CREATE FUNCTION ledger_turn(mine bigint) RETURNS void LANGUAGE sql AS ''")
        older.execute("UPDATE alembic_version SET version_num = '0022'")
        older.execute("SELECT pg_advisory_lock(2, hashtext(current_schema()))")
        with pytest.raises(Retry, match="older schema 0022"):
            open_ledger(tmp_path, url=url)
    with contextlib.closing(open_ledger(tmp_path, url=url)) as today:
        assert today.claim("here", LEASE_S) and today.term == 8
        assert accept(today, "a").seq == 1


def test_what_cannot_be_used_is_refused_without_a_secret(postgresql: Server, tmp_path: Path) -> None:
    """A database that is away may come back; a wrong password, no database, no ledger and other people's tables do not
    mend themselves."""

    def why(url: str, kind: type[Exception], create: bool = True) -> str:
        with pytest.raises(kind) as told:
            open_ledger(tmp_path, url=url, create=create)
        assert "wrong-horse" not in str(told.value) and PASSWORD not in str(told.value)
        return str(told.value)

    assert "cannot be reached: connection to server" in (away := why(postgresql.url("x", port=1), Retry))
    assert "refused" in away
    assert "authentication failed" in why(postgresql.url("postgres", "wrong-horse"), Refused)
    assert "does not exist" in why(postgresql.url("nowhere"), Refused)
    assert "sslmode" in why(f"{postgresql.url('ledger')}?sslmode=bad", Refused)
    with postgresql.database("theirs") as theirs:
        assert "has not run yet" in why(postgresql.url("theirs"), Refused, create=False)
        theirs.execute("CREATE TABLE files (id int)")
        assert "somebody else" in why(postgresql.url("theirs"), Refused)
        assert theirs.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (1,)


def test_a_database_that_keeps_no_unicode_is_refused(postgresql: Server, tmp_path: Path) -> None:
    """Names and texts would be refused one by one later."""
    with psycopg.connect(postgresql.url("postgres"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(Refused, match="keeps texts as LATIN1"):
        open_ledger(tmp_path, url=postgresql.url("latin"))


def test_a_ledger_and_a_folder_that_do_not_belong_together_are_refused(
    postgresql: Server, tmp_path: Path, url: str
) -> None:
    """A new database beside a state folder with versions, and the database of another folder: a mistyped name, or one of
    the two was lost. Nothing is written; who only reads may look."""
    version = StatePaths(tmp_path / "full").versions / "m" / "v1"
    version.mkdir(parents=True)
    with postgresql.database("fresh") as fresh:
        with pytest.raises(Refused, match=r"is empty, but .*full has snapshots or versions"):
            open_ledger(tmp_path / "full", url=postgresql.url("fresh"))
        assert fresh.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
    with contextlib.closing(open_ledger(tmp_path / "full", url=url)) as ledger, ledger.begin() as conn:
        values = {"model": "m", "name": "v1", "number": 1, "digest": "d", "created_at": NOW, "metrics": {}}
        conn.execute(metadata.tables["versions"].insert().values(**values))
    open_ledger(tmp_path / "full", url=url).close()
    with pytest.raises(Refused, match=r"knows versions, but .*empty has none"):
        open_ledger(tmp_path / "empty", url=url)
    open_ledger(tmp_path / "empty", url=url, create=False, read_only=True).close()


def test_who_may_only_read_is_no_service(ledger: Ledger, postgresql: Server, tmp_path: Path, url: str) -> None:
    """A role of followers reads all; a service under it is refused at once, and so is one on a read-only server."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            "DO $$ BEGIN CREATE ROLE reader LOGIN PASSWORD 'read'; EXCEPTION WHEN duplicate_object THEN END $$"
        )
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    reading = url.replace(f"driftd:{PASSWORD}", "reader:read")
    follower = contextlib.closing(open_ledger(tmp_path, url=reading, create=False, read_only=True))
    with follower as found, found.connect() as conn:
        assert models.get(conn, "m") is not None
    for what in (reading, f"{url}?options=-c%20default_transaction_read_only=on"):
        service = contextlib.closing(open_ledger(tmp_path, url=what))
        with service as opened, pytest.raises(Refused, match="cannot use the ledger postgresql://"):
            opened.claim("here", LEASE_S)
    assert ledger.is_free()


def test_a_server_that_takes_nothing_is_away(ledger: Ledger, url: str) -> None:
    """As a replica before it is promoted: who writes waits, as while it cannot be reached, and goes on after it."""
    ledger.claim("here", LEASE_S)
    with psycopg.connect(url, autocommit=True) as admin:
        found = admin.execute("SELECT pg_get_functiondef('ledger_turn(text, bigint)'::regprocedure)").fetchone()
        admin.execute(
            "CREATE OR REPLACE FUNCTION ledger_turn(mine text, mine_term bigint) RETURNS void LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE 'cannot execute it in a read-only transaction' USING ERRCODE = '25006'; END $$"
        )
        failures = ledger.failures
        with pytest.raises(OperationalError, match="read-only"), ledger.begin():
            pass
        assert ledger.failures == failures + 1 and not ledger.lost
        assert found is not None
        admin.execute(found[0])
    with ledger.begin() as conn:
        models.ensure(conn, "n")


def test_a_timeout_of_the_role_cuts_nothing_short(ledger: Ledger, tmp_path: Path, url: str) -> None:
    """Tables are written anew however long that takes, unless the URL says otherwise."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{url.rpartition("/")[2]}" SET statement_timeout = 1')
    with contextlib.closing(open_ledger(tmp_path, url=url)) as opened:
        opened.purge()
    with contextlib.closing(open_ledger(tmp_path, url=f"{url}?options=-c%20statement_timeout=1234")) as opened:
        assert opened.engine.connect().exec_driver_sql("SHOW statement_timeout").scalar() == "1234ms"


def test_a_copy_of_a_ledger_is_another_one(ledger: Ledger, postgresql: Server, tmp_path: Path, url: str) -> None:
    """And the same one under another name and by another address is the same."""
    mine = ledger.instance()
    ledger.close()
    name = url.rpartition("/")[2]
    with psycopg.connect(postgresql.url("postgres"), autocommit=True) as admin, postgresql.ledger(name) as copy:
        with contextlib.closing(open_ledger(tmp_path, url=copy)) as opened:
            assert opened.instance() != mine
        admin.execute(f'ALTER DATABASE "{name}" RENAME TO "{name}_new"')
        try:
            with contextlib.closing(
                open_ledger(tmp_path, url=f"{url}_new".replace("127.0.0.1", "localhost"))
            ) as opened:
                assert opened.instance() == mine and opened.place != place_of(url)
        finally:
            admin.execute(f'ALTER DATABASE "{name}_new" RENAME TO "{name}"')


def test_a_later_migration_runs_once(ledger: Ledger, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the next service that starts, all of it or nothing; who only reads waits for that."""
    ledger.close()
    folder = Path(shutil.copytree(Path(migrate.__file__).parent / "migrations", tmp_path / "migrations"))
    (folder / "versions" / "9000_more.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision, down_revision = '9000', '{HEAD}'\n"
        "def upgrade():\n    op.add_column('models', sa.Column('more', sa.Integer))\n"
    )
    monkeypatch.setattr(migrate, "__file__", str(tmp_path / "migrate.py"))
    monkeypatch.setattr("daemon.ledger.engine.HEAD", "9000")
    with pytest.raises(Refused, match=f"older schema {HEAD}"):
        open_ledger(tmp_path, url=url, create=False)
    for _ in range(2):
        with contextlib.closing(open_ledger(tmp_path, url=url)) as today, today.connect() as conn:
            assert conn.exec_driver_sql("SELECT more FROM models").all() == [(None,)]


def test_a_dump_brings_it_back(ledger: Ledger, postgresql: Server, tmp_path: Path, url: str) -> None:
    """As the documentation says: rows, the counts of triggers, and the writers' turns."""
    dump = tmp_path / "driftd.dump"
    accept(ledger, "a")
    postgresql.run("pg_dump", "--format=custom", f"--file={dump}", url)
    accept(ledger, "b")
    ledger.close()
    postgresql.run("pg_restore", "--clean", "--if-exists", f"--dbname={url}", str(dump))
    with contextlib.closing(open_ledger(tmp_path, url=url)) as restored:
        assert restored.claim("here", LEASE_S)
        assert accept(restored, "c").seq == 2
        with restored.connect() as conn:
            assert [row.path for row in files.listed(conn, "m")] == ["a", "c"]
            assert class_totals.class_rows(conn, "m") == {"no": 20}


def test_a_newer_schema_is_refused(ledger: Ledger, tmp_path: Path, url: str) -> None:
    """An older driftd does not touch it."""
    with ledger.begin() as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Refused, match="newer driftd"):
        open_ledger(tmp_path, url=url)


def test_two_services_that_begin_at_once_make_one_schema(postgresql: Server, tmp_path: Path) -> None:
    """The second waits for the first, and finds it made."""
    with postgresql.database("twice"):
        opening: Callable[[], None] = lambda: open_ledger(tmp_path, url=postgresql.url("twice")).close()  # noqa: E731
        threads = [threading.Thread(target=opening) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with psycopg.connect(postgresql.url("twice")) as conn:
            assert conn.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


def test_who_is_forgotten_is_nowhere_in_the_tables_files(ledger: Ledger, postgresql: Server, url: str) -> None:
    """An id is taken out of texts and of set-aside rows; then all tables are written anew."""
    gone, stays = "id-4711-4711-4711", "id-0815-0815-0815"
    rejects = [{"line": n, "column": "x", "reason": "bad", "raw": f"{who},1"} for n, who in enumerate((gone, stays))]
    accept(ledger, "a.csv", rejects=rejects, quality={"note": f"of {gone}, and {stays}"})
    theirs = forgotten.Theirs("id", [gone])
    with ledger.connect() as conn:
        places = forgotten.mentioning(conn, theirs)
    accept(ledger, "b.csv", quality={"note": f"of {gone} as well"})
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("ANALYZE")  # as the server does by itself: examples of what columns hold
    with ledger.begin() as conn:
        assert (forgotten.remove_rejects(conn, "m", theirs), forgotten.redact(conn, theirs, places)) == (1, 2)
    ledger.purge()
    with ledger.connect() as conn:
        notes = [row.quality["note"] for row in files.listed(conn, "m")]
        assert notes == [f"of (forgotten), and {stays}", "of (forgotten) as well"]
        assert [row.raw for row in files.rejects_of(conn, 1)] == [f"{stays},1"]
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CHECKPOINT")
        folder = admin.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
    assert folder is not None
    held = [path.read_bytes() for path in (postgresql.folder / "data/base" / str(folder[0])).iterdir()]
    assert any(stays.encode() in data for data in held) and not any(gone.encode() in data for data in held)


def test_a_commit_hints_to_who_listens(ledger: Ledger, url: str, tmp_path: Path) -> None:
    """Who listens hears of it, and of nothing that was rolled back. A connection that is lost says so, and the next one
    begins with a hint, for what was hinted at meanwhile nobody heard."""
    hints = followed_ledger(tmp_path, url).hints()
    assert hints is not None and hints.wait(0)
    with ledger.begin() as conn:
        hint(conn)
    assert hints.wait(60)
    with contextlib.suppress(ZeroDivisionError), ledger.begin() as conn:
        hint(conn)
        raise ZeroDivisionError
    assert not hints.wait(0.1)
    with ledger.connect() as conn:
        conn.exec_driver_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %%'")
    with pytest.raises(OperationalError):
        hints.wait(60)
    assert hints.wait(0)
    hints.close()


def test_a_database_that_does_not_answer_is_told_in_the_same_words(postgresql: Server, tmp_path: Path) -> None:
    """By who tried to connect, and by who is told so meanwhile: otherwise each look would be logged anew."""
    with Relay(postgresql.port) as relay:
        relay.hold()
        ledger = followed_ledger(tmp_path, postgresql.url("postgres", port=relay.port))

        def said() -> str:
            with pytest.raises(OperationalError) as told:
                ledger.data_version()
            return error_key(told.value)

        assert said() == said()
        ledger.close()
