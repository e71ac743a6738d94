"""Alembic's entry: runs the migrations on the connection that `daemon.ledger.migrate` hands over."""

from alembic import context

from daemon.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
    render_as_batch=True,
)
context.run_migrations()
