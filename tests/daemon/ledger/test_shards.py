"""Shards in a real PostgreSQL: each has a schema of one database to itself, whatever the others do."""

import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgresql import PASSWORD, Server, needs_postgresql
from sqlalchemy.exc import ProgrammingError

from daemon.config.shards import url_of_shard
from daemon.ledger import Ledger, followed_ledger, leases, migrate, models, open_ledger
from daemon.ledger.backends.postgresql_url import parsed
from daemon.ledger.engine import HEAD
from daemon.ledger.rows import hint
from retrain.records.errors import Refused

pytestmark = [needs_postgresql, pytest.mark.xdist_group("postgresql")]
LEASE_S = 60.0
LONGEST = "S" * 40


@pytest.fixture
def url(postgresql: Server) -> Iterator[str]:
    """Of an empty database."""
    with postgresql.database("shards"):
        yield postgresql.url("shards")


@pytest.fixture
def pair(url: str, tmp_path: Path) -> Iterator[tuple[Ledger, Ledger]]:
    """Two shards, whose names differ by a capital letter alone."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(contextlib.closing(opened(tmp_path, url, name))) for name in ("eu", "EU")]
        yield made[0], made[1]


def opened(folder: Path, url: str, shard: str, **how: Any) -> Ledger:
    """A shard's ledger."""
    return open_ledger(folder / shard, url=url_of_shard(url, shard), **how)


def schemas(url: str) -> dict[str, int]:
    """How many tables each schema has, those of the database's own left out."""
    asked = "SELECT schemaname, count(*) FROM pg_tables WHERE schemaname !~ '^(pg_|information)' GROUP BY 1"
    with psycopg.connect(url) as conn:
        return dict(conn.execute(asked).fetchall())


def known(ledger: Ledger) -> list[str]:
    """Its models."""
    with ledger.connect() as conn:
        return [name for name in ("m", "n") if models.get(conn, name) is not None]


def test_two_shards_of_one_database_know_nothing_of_each_other(
    pair: tuple[Ledger, Ledger], url: str, tmp_path: Path
) -> None:
    """Tables, functions, leases and turns of writers are each one's own, beside a ledger without a shard, and so is what
    tells one ledger from all others. Each says its name."""
    one, other = pair
    with contextlib.closing(open_ledger(tmp_path / "plain", url=url)) as plain:
        counts = schemas(url)
        assert counts.keys() == {"public", "shard_eu", "shard_EU"} and len(set(counts.values())) == 1
        assert len({ledger.instance() for ledger in (one, other, plain)}) == 3
    assert one.place.endswith("/shards?shard=eu") and other.place.endswith("/shards?shard=EU")
    assert PASSWORD not in one.place
    one.fence()
    other.fence()
    assert one.claim("here", LEASE_S) and other.claim("there", LEASE_S) and (one.term, other.term) == (1, 1)
    with one.begin() as conn:
        models.ensure(conn, "m")
        assert other.is_free() and not one.is_free()
        with other.begin() as theirs:  # would wait for the turn of the first
            models.ensure(theirs, "n")
    assert (known(one), known(other)) == (["m"], ["n"])
    with contextlib.closing(opened(tmp_path, url, "eu")) as next_one:
        assert not next_one.claim("elsewhere", LEASE_S)
        with next_one.connect() as conn:
            leader = leases.leader(conn)
        assert leader is not None and leader.holder == "here"
    one.release()
    assert other.renew()
    one.purge()
    assert (known(one), known(other)) == (["m"], ["n"])


def test_a_migration_of_one_shard_is_of_no_other(
    pair: tuple[Ledger, Ledger], url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is migrated by its own next start, while another one's service works with the schema before."""
    folder = Path(shutil.copytree(Path(migrate.__file__).parent / "migrations", tmp_path / "migrations"))
    (folder / "versions" / "9000_more.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision, down_revision = '9000', '{HEAD}'\n"
        "def upgrade():\n    op.add_column('models', sa.Column('more', sa.Integer))\n"
    )
    _, other = pair
    assert other.claim("there", LEASE_S)
    monkeypatch.setattr(migrate, "__file__", str(tmp_path / "migrate.py"))
    monkeypatch.setattr("daemon.ledger.engine.HEAD", "9000")
    opened(tmp_path, url, "eu").close()
    asked = "SELECT table_schema FROM information_schema.columns WHERE column_name = 'more'"
    with psycopg.connect(url) as conn:
        assert conn.execute(asked).fetchall() == [("shard_eu",)]
    with other.begin() as theirs:
        models.ensure(theirs, "n")
    assert known(other) == ["n"]


def test_a_role_that_may_only_read_follows_one_shard(pair: tuple[Ledger, Ledger], url: str, tmp_path: Path) -> None:
    """It needs the schema's use and its tables' SELECT. Where it may not use the schema it is told so, and which right
    it lacks: to that role nothing seems to be there."""
    one, _ = pair
    with one.begin() as conn:
        models.ensure(conn, "m")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE shard_reader LOGIN PASSWORD '{PASSWORD}'")
        try:
            reading = url.replace("//driftd:", "//shard_reader:")
            for how in ({"create": False, "read_only": True}, {"create": True}):
                with pytest.raises(Refused, match=r'GRANT USAGE ON SCHEMA "shard_eu" TO ROLE'):
                    opened(tmp_path, reading, "eu", **how)
            admin.execute('GRANT USAGE ON SCHEMA "shard_eu" TO shard_reader')
            admin.execute('GRANT SELECT ON ALL TABLES IN SCHEMA "shard_eu" TO shard_reader')
            with contextlib.closing(opened(tmp_path, reading, "eu", create=False, read_only=True)) as found:
                assert known(found) == ["m"] and found.instance() == one.instance()
            service = contextlib.closing(opened(tmp_path, reading, "eu"))
            with service as found, pytest.raises(Refused, match="permission denied"):
                found.claim("here", LEASE_S)
            with contextlib.closing(followed_ledger(tmp_path / "eu", url_of_shard(reading, "eu"))) as followed:
                assert known(followed) == ["m"]
        finally:
            admin.execute("DROP OWNED BY shard_reader")
            admin.execute("DROP ROLE shard_reader")


def test_a_role_that_may_make_no_schema_takes_one_that_is_made(url: str, tmp_path: Path) -> None:
    """It is refused with the statement that the owner runs; after that it makes its tables there and nowhere else."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE shard_service LOGIN PASSWORD '{PASSWORD}'")
        try:
            theirs = url.replace("//driftd:", "//shard_service:")
            with pytest.raises(Refused, match=r'CREATE SCHEMA "shard_eu" AUTHORIZATION ROLE'):
                opened(tmp_path, theirs, "eu")
            admin.execute('CREATE SCHEMA "shard_eu" AUTHORIZATION shard_service')
            with contextlib.closing(opened(tmp_path, theirs, "eu")) as ledger:
                assert ledger.claim("here", LEASE_S) and schemas(url).keys() == {"shard_eu"}
        finally:
            admin.execute("DROP OWNED BY shard_service")
            admin.execute("DROP ROLE shard_service")


def test_a_hint_of_one_shard_wakes_no_other(pair: tuple[Ledger, Ledger], url: str, tmp_path: Path) -> None:
    """Nor does it one without a shard; the longest name has a channel, too."""
    with contextlib.ExitStack() as stack:
        ledgers = [*pair, stack.enter_context(contextlib.closing(open_ledger(tmp_path / "plain", url=url)))]
        ledgers.append(stack.enter_context(contextlib.closing(opened(tmp_path, url, LONGEST))))
        heard = [ledger.hints() for ledger in ledgers]
        for hints in heard:
            assert hints is not None and hints.wait(0)
            stack.callback(hints.close)
        for mine, ledger in zip(heard, ledgers, strict=True):
            with ledger.begin() as conn:
                hint(conn)
            assert mine is not None and mine.wait(60)
            assert [one.wait(0.05) for one in heard if one is not None] == [False] * 4


def test_what_is_configured_for_a_role_or_in_the_url_moves_no_shard(url: str, tmp_path: Path) -> None:
    """A search path of the database's, of the role's or of the URL's options does not count; other options do."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA elsewhere")
        admin.execute("ALTER DATABASE shards SET search_path = elsewhere, public")
    asked = f"{url}?options=-c%20search_path=elsewhere%20-c%20statement_timeout=1234"
    with contextlib.closing(opened(tmp_path, asked, "eu")) as ledger, ledger.connect() as conn:
        assert conn.exec_driver_sql("SHOW statement_timeout").scalar() == "1234ms"
        assert conn.exec_driver_sql("SELECT current_schema()").scalar() == "shard_eu"
    assert schemas(url).keys() == {"shard_eu"}


def test_two_services_that_begin_at_once_make_one_shard(url: str, tmp_path: Path) -> None:
    """The second waits for the first, and finds schema and tables made."""
    failed = list[Exception]()

    def begin() -> None:
        try:
            opened(tmp_path, url, "eu").close()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and schemas(url).keys() == {"shard_eu"}


def test_a_shard_that_is_not_there_is_not_made_by_who_reads(url: str, tmp_path: Path) -> None:
    """A name that is mistyped is told as a service that has not run; nothing is made."""
    with pytest.raises(Refused, match=r"has not run yet: there is no ledger in postgresql://.*shard=eu"):
        opened(tmp_path, url, "eu", create=False, read_only=True)
    with contextlib.closing(followed_ledger(tmp_path, url_of_shard(url, "eu"))) as ledger:
        with pytest.raises(ProgrammingError, match="does not exist"):
            known(ledger)
        assert ledger.instance().endswith("/shard_eu")
    assert schemas(url) == {}


@pytest.mark.parametrize("name", ['a"; DROP SCHEMA public; --', "a'b", "a b", "a-b", "é", "a\\", "s" * 41, "a,b"])
def test_a_name_that_is_none_reaches_no_statement(name: str) -> None:
    """Whoever made the URL: it is refused before anything is connected."""
    with pytest.raises(Refused, match="no valid name"):
        parsed(url_of_shard("postgresql://ada@nowhere/ledger", name))
