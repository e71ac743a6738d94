"""Real paths of configured folders, also where one lies on a mount that hangs."""

import os
from pathlib import Path

from daemon.config.patience import Patience


class RealPaths:
    """Follows the links of paths; one that hangs is taken as it is written."""

    def __init__(self, patience_s: float | None = None) -> None:
        self._patience = Patience(patience_s)

    def of(self, path: Path) -> Path:
        """The path without links, or as it is written."""
        return Path(self._patience.look(lambda: os.path.realpath(path), os.path.normpath(path)))
