"""Real paths of configured folders, also where one lies on a mount that hangs."""

import os
import threading
from pathlib import Path

PATIENCE_S, SHORT_S = 2.0, 0.1
"""For a folder, and after the first one that hung: others may lie on the same mount."""


class RealPaths:
    """Follows the links of paths in threads of which one may hang; such a path is taken as it is written."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s

    def of(self, path: Path) -> Path:
        """The path without links, or as it is written."""
        found: list[str] = []
        thread = threading.Thread(target=lambda: found.append(os.path.realpath(path)), daemon=True)
        thread.start()
        thread.join(self._patience_s)
        if not found:
            self._patience_s = min(self._patience_s, SHORT_S)
        return Path(found[0] if found else os.path.normpath(path))
