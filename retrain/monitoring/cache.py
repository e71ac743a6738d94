"""What a process remembers between calls to save work: predictions, twins, matrices. Losing it changes nothing."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from retrain.model.version import LoadedVersion
from retrain.store.versions import load_version


@dataclass
class Memory:
    """Values by key, the least recently asked for forgotten first.

    >>> memory = Memory(1)
    >>> memory.get("a", lambda: 1), memory.get("a", lambda: 2), memory.get("b", lambda: 3), memory.get("a", lambda: 4)
    (1, 1, 3, 4)
    """

    limit: int = 256
    _kept: "OrderedDict[Hashable, Any]" = field(default_factory=OrderedDict)

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What was made for this key, or what `make` makes now."""
        if key not in self._kept:
            self._kept[key] = make()
            while len(self._kept) > self.limit:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


@lru_cache(maxsize=24)
def loaded_version(folder: Path, trusted_types: tuple[str, ...]) -> LoadedVersion:
    """A published version, which cannot change; it is loaded again only after 24 others."""
    return load_version(folder, trusted_types)
