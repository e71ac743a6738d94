"""The ledger's schema in PostgreSQL: made as it is today, since none is older than that; what tables cannot say - the
counts that the database keeps, the writers' turns - stands here. Later migrations are the same for all databases."""

from collections.abc import Callable

from sqlalchemy import Connection, Engine, text

from daemon.ledger.backends.postgresql_url import literal, quoted
from daemon.ledger.tables import metadata
from daemon.ledger.totals import BUCKET
from retrain.durable import crash_point

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE"
"""Whatever is configured for the role or the database: after the turn a statement sees what was committed before."""
TURN = """
CREATE FUNCTION ledger_turn(mine text, mine_term bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(1, hashtext(current_schema()));
  IF mine_term = 0 THEN RETURN; END IF;
  PERFORM FROM leases WHERE name = 'service' AND holder = mine AND term = mine_term
    AND until > extract(epoch FROM clock_timestamp()) FOR SHARE;
  IF NOT FOUND THEN RAISE EXCEPTION 'its lease of the ledger is over' USING ERRCODE = 'DRF01'; END IF;
END $$
"""
"""A transaction of the service is refused where its lease is over, and nobody else gets that before the transaction
ends; one of a command, which has no term (0), only waits."""
DOCUMENTS = r"""
CREATE FUNCTION ledger_text(document text, VARIADIC keys text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN json_extract_path_text(document::json, VARIADIC keys);
EXCEPTION WHEN data_exception THEN
  document := regexp_replace(document, '([,:[]\s*)(NaN|-?Infinity)(?=\s*[],}])', '\1null', 'g');
  document := regexp_replace(document, '(?<!\\)((?:\\\\)*)\\u(d[89a-f][0-9a-f]{2})', '\1\\\\u\2', 'g');
  RETURN json_extract_path_text(document::json, VARIADIC keys);
END $$
"""
"""A text within a document. One number that is none, or one text that is no valid Unicode, as a name of a file may be,
would fail each query that looks at its row: there they are read as null, and as they are written in other columns."""
COUNTERS = f"""
CREATE FUNCTION count_file(one files, sign integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO file_totals (model, bucket, state, kind, files, rows, labelled_rows)
  VALUES (one.model, coalesce(one.seq, 0) / {BUCKET}, one.state, one.kind, sign, sign * one.rows,
          sign * one.labelled_rows)
  ON CONFLICT (model, bucket, state, kind) DO UPDATE SET files = file_totals.files + excluded.files,
    rows = file_totals.rows + excluded.rows, labelled_rows = file_totals.labelled_rows + excluded.labelled_rows;
  IF one.state = 'accepted' AND json_typeof(one.class_rows::json) = 'object' THEN
    INSERT INTO class_totals (model, class, rows)
    SELECT one.model, key, sign * value::bigint FROM json_each_text(one.class_rows::json)
    ON CONFLICT (model, class) DO UPDATE SET rows = class_totals.rows + excluded.rows;
  END IF;
END $$;
CREATE FUNCTION count_taken(one files, sign integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF one.kind = 'rows' AND one.state IN ('accepted', 'expired') THEN
    UPDATE models SET taken_in = taken_in + sign * CASE WHEN one.rows <= 1000 THEN least(1000, 5 * one.rows)
                                                        ELSE least(3000, one.rows) END WHERE name = one.model;
  END IF;
END $$;
CREATE FUNCTION count_files() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN PERFORM count_file(OLD, -1); END IF;
  IF TG_OP <> 'DELETE' THEN PERFORM count_file(NEW, 1); END IF;
  IF TG_OP = 'UPDATE' THEN PERFORM count_taken(OLD, -1); END IF;
  IF TG_OP <> 'DELETE' THEN PERFORM count_taken(NEW, 1); END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER files_counted AFTER INSERT OR DELETE ON files FOR EACH ROW EXECUTE FUNCTION count_files();
CREATE TRIGGER files_counted_again AFTER UPDATE OF model, seq, state, kind, rows, labelled_rows, class_rows ON files
FOR EACH ROW EXECUTE FUNCTION count_files()
"""  # noqa: S608 - a number of ours
"""The same counts that triggers keep in a file of SQLite (migrations 0006, 0010 and 0012): of files by state and kind,
of labels by class, and of what was taken in since ever, which rows that leave the ledger do not take back."""
NO_PARAMETERS = {"no_parameters": True}


def create(
    engine: Engine, head: str, fill: Callable[[Connection], None] | None = None, schema: str | None = None
) -> bool:
    """Make it, in a shard's `schema`, and have it filled, all at once or not at all, unless somebody did before;
    whether it was made."""
    with engine.connect() as connection:
        name = "current_schema()" if schema is None else literal(schema)
        _several(connection, f"{BEGIN}; SELECT pg_advisory_xact_lock(1, hashtext({name}))")
        if schema is not None:
            _make_schema(connection, schema)
        is_new = connection.scalar(text("SELECT to_regclass('file_totals')")) is None
        if is_new:
            for index in (one for table in metadata.sorted_tables for one in table.indexes):
                index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]
            metadata.create_all(connection, checkfirst=False)
            for statements in (TURN, DOCUMENTS, COUNTERS):
                _several(connection, statements)
            _several(connection, "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
            connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": head})
            if fill is not None:
                fill(connection)
            crash_point("migration.before_commit")
        connection.commit()
    crash_point("migration.committed")
    return is_new


def _make_schema(connection: Connection, schema: str) -> None:
    """Unless it is there, as somebody else may have made it for a role that may not."""
    asked = f"SELECT 1 FROM pg_namespace WHERE nspname = {literal(schema)}"  # noqa: S608 - quoted
    if connection.exec_driver_sql(asked, execution_options=NO_PARAMETERS).scalar() is None:
        _several(connection, f"CREATE SCHEMA {quoted(schema)}")


def _several(connection: Connection, statements: str) -> None:
    connection.exec_driver_sql(statements, execution_options=NO_PARAMETERS)
