"""Brings a ledger to today's schema with Alembic; imported only when there is something to do."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from retrain.durable import crash_point


def upgrade(engine: Engine, revision: str = "head", begin: str = "BEGIN IMMEDIATE") -> None:
    """Run the migrations up to `revision`, all in one transaction, which `begin` begins alone."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect() as connection:
        connection.exec_driver_sql(begin, execution_options={"no_parameters": True})
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        crash_point("migration.before_commit")
        connection.commit()
    crash_point("migration.committed")
