"""One model's place in a server: what answers behind one pointer, and the challenger beside it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Union

from daemon.server.served import ServedDeployment
from daemon.server.trial import RunningTrial

if TYPE_CHECKING:
    from daemon.server.recommendation.served import ServedRecommender

Served = Union[ServedDeployment, "ServedRecommender"]
"""By the model's task; the latter comes with numerical libraries, which few servers need at once."""


@dataclass
class ModelSlot:
    """One model's place in the server; `served` is replaced whole, so a request sees the old or the new. `trial` is the
    challenger beside it."""

    model: str
    served: Served | None = None
    trial: RunningTrial | None = None
    failed: dict[int, str] = field(default_factory=dict)

    @property
    def lack(self) -> str:
        """Why nothing is served."""
        if self.failed:
            return f"the champion of {self.model} cannot be loaded: {list(self.failed.values())[-1]}"
        return f"{self.model} has no promoted version yet; `driftd status` says what it waits for"
