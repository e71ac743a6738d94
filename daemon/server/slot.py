"""One model's place in a server: what answers behind one pointer, what is to, and the challenger beside it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Union

from daemon.server.served import ServedDeployment
from daemon.server.trial import RunningTrial
from retrain.records.deployment import Champion

if TYPE_CHECKING:
    from daemon.server.recommendation.served import ServedRecommender

Served = Union[ServedDeployment, "ServedRecommender"]
"""By the model's task; the latter comes with numerical libraries, which few servers need at once."""


class SlotState(StrEnum):
    """What a slot serves beside what it is to serve."""

    EMPTY = "nothing is promoted yet"
    SERVING = "serving"
    UNLOADED = "loaded when it is asked for"
    SWAPPING = "swapping"
    STANDING_IN = "standing in"
    LOADING = "loading"
    FAILED = "failed"

    @property
    def answers(self) -> bool:
        """Whether somebody answers where somebody should."""
        return self not in (SlotState.LOADING, SlotState.FAILED)


@dataclass
class ModelSlot:
    """One model's place in the server; `served` is replaced whole, so a request sees the old or the new. `trial` is the
    challenger beside it, `wanted` the last committed promotion that is known here; `failed` says by promotion why it
    cannot be loaded, `hindered` why loading is tried again; `proven` is the promotion whose files are, and which is
    loaded when somebody asks for it, who did so last at `asked_s` (monotonic). `is_elsewhere`: another system serves
    the model, and nobody here is to answer."""

    model: str
    served: Served | None = None
    trial: RunningTrial | None = None
    failed: dict[int, str] = field(default_factory=dict)
    wanted: Champion | None = None
    hindered: str = ""
    proven: int = 0
    asked_s: float = float("-inf")
    is_elsewhere: bool = False

    @property
    def state(self) -> SlotState:
        """What is served now, beside what is to be."""
        wanted, served = self.wanted, self.served
        if wanted is None:
            return SlotState.EMPTY if served is None else SlotState.SERVING
        if served is not None and served.promotion == wanted.promotion:
            return SlotState.SERVING
        if wanted.promotion in self.failed:
            return SlotState.FAILED if served is None else SlotState.STANDING_IN
        if served is None and wanted.promotion == self.proven and not self.hindered:
            return SlotState.UNLOADED
        return SlotState.LOADING if served is None else SlotState.SWAPPING

    @property
    def answering(self) -> str | None:
        """What answers call the version that answers, or that will once it is loaded for who asks."""
        if self.served is not None:
            return self.served.name
        return self.wanted.deployment.name if self.wanted is not None and self.state is SlotState.UNLOADED else None

    @property
    def lack(self) -> str:
        """Why nothing is served, or not what is to be; nothing where it is."""
        wanted = self.wanted
        if self.is_elsewhere:
            return f"another system serves {self.model}: driftd watches its data files and answers no rows"
        if wanted is None:
            return f"{self.model} has no promoted version yet; `driftd status` says what it waits for"
        if reason := self.failed.get(wanted.promotion):
            return f"the champion of {self.model} cannot be loaded: {reason}"
        if self.state is SlotState.UNLOADED:
            return f"the champion of {self.model}, {wanted.deployment.name}, is loaded when it is asked for"
        reason = f": {self.hindered}" if self.hindered else "; ask again in a moment"
        return f"the champion of {self.model}, {wanted.deployment.name}, is being loaded{reason}"
