"""Forecasts of a replay's gate, and what they came to once two more files were settled; as the ledger keeps them of the
daemon's cycles (`daemon.ledger.forecasts`)."""

from dataclasses import dataclass, field
from typing import Any

from retrain.model.deployment import LoadedDeployment
from retrain.model.version import LoadedVersion
from retrain.monitoring.cache import Memory
from retrain.monitoring.realised import realised
from retrain.planning.forecast import MOST_PAST, MOST_WAITING
from retrain.records.settings import ModelSettings
from retrain.rows.history import History


@dataclass(frozen=True, eq=False)
class Waiting:
    """A challenger and what it was compared with; `cycle` is where the replay tells of it, `after` the newest file
    then."""

    cycle: dict[str, Any]
    challenger: LoadedVersion
    champion: LoadedDeployment
    after: int


@dataclass
class Foretold:
    """Cycles whose difference is not known yet, promoted or not, oldest first, and the surprises of the others."""

    settings: ModelSettings
    waiting: list[Waiting] = field(default_factory=list)
    surprises: list[float] = field(default_factory=list)

    @property
    def past(self) -> tuple[float, ...]:
        """What the next forecast learns from."""
        return tuple(self.surprises[-MOST_PAST:])

    def add(
        self, cycle: dict[str, Any], challenger: LoadedVersion, champion: LoadedDeployment | None, after: int
    ) -> None:
        """A cycle that was judged just now."""
        if champion is not None and cycle["forecast"] is not None:
            self.waiting = [*self.waiting, Waiting(cycle, challenger, champion, after)][-MOST_WAITING:]

    def settle(self, history: History, memory: Memory) -> None:
        """Note what is known by now."""
        for one in list(self.waiting):
            forecast = one.cycle["forecast"]
            found = realised(history, one.challenger, one.champion, one.after, forecast, self.settings, memory)
            if found is not None:
                self.waiting.remove(one)
                one.cycle["realised"] = found
                self.surprises.append(found["surprise"])
