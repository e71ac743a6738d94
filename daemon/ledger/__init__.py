"""The ledger: all state that is not a file. One module of queries for each noun; SQL stays in this package."""

from daemon.ledger.engine import Ledger, open_ledger

__all__ = ["Ledger", "open_ledger"]
