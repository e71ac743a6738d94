"""The ledger: all state that is not a file. One module of queries for each noun; SQL stays in this package."""

from daemon.ledger.backends import Version, Watch
from daemon.ledger.engine import Ledger, followed_ledger, open_ledger, waiting_ledger

__all__ = ["Ledger", "Version", "Watch", "followed_ledger", "open_ledger", "waiting_ledger"]
