"""psycopg, or the refusal that says how it is installed; whoever needs it takes it from here."""

from retrain.records.errors import Refused

EXTRA = "pip install 'driftd[postgres]' into this environment"

try:
    import psycopg
    from psycopg.types.numeric import IntLoader
except ImportError:
    raise Refused("a ledger in PostgreSQL needs psycopg, which is not installed", EXTRA) from None

__all__ = ("IntLoader", "psycopg")
