"""Deployments that were served a while ago, loaded and proven: going back to one costs no second."""

import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

from retrain.records.deployment import Deployment
from retrain.store.versions import seen_files

MOST_KEPT, KEPT_S = 16, 600.0
"""Of all models together, and for how long after they were served last: they take memory."""
Key = tuple[Any, ...]


def key_of(deployment: Deployment, folder: Path) -> Key:
    """The same while the deployment and the files of its versions are; OSError where these cannot be seen."""
    return deployment.model, deployment.digest, tuple(seen_files(folder / m.version) for m in deployment.members)


class KeptDeployments:
    """The newest ones, by key."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, tuple[float, Any]] = OrderedDict()

    def find(self, key: Key) -> Any:
        """What was served by that key; None where it is not kept."""
        found = self._kept.get(key)
        return None if found is None else found[1]

    def keep(self, key: Key, served: Any) -> None:
        """Keep what is served now."""
        self._kept.pop(key, None)
        self._kept[key] = time.monotonic(), served
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def forget_old(self) -> None:
        """Let go of what was served long ago."""
        while self._kept and time.monotonic() - next(iter(self._kept.values()))[0] > KEPT_S:
            self._kept.popitem(last=False)
