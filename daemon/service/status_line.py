"""What the models do now, in one line for `systemctl status`; learned from the events that the service logs."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from drift.notation import counted

FEW = 6
ENDED = ("cycle_finished", "version_kept", "stage_failed")


@dataclass
class StatusLine:
    """What each model serves and works on, by the events so far.

    >>> line = StatusLine()
    >>> line.update({"event": "model_swapped", "model": "churn", "version": "v0001-ab"})
    >>> line.update({"event": "stage_started", "model": "churn", "cycle_id": 2, "stage": "train"})
    >>> line.text(["churn", "fraud"])
    'churn: v0001-ab, train of cycle 2; fraud: no version yet'
    """

    serves: dict[str, str] = field(default_factory=dict)
    works: dict[str, str] = field(default_factory=dict)
    disk_low: bool = False

    def update(self, entry: dict[str, Any]) -> None:
        """Learn from an event."""
        event, model = entry["event"], entry.get("model")
        if event in ("disk_low", "disk_ok"):
            self.disk_low = event == "disk_low"
        elif model is None:
            return
        elif event == "model_swapped":
            self.serves[model] = entry["version"]
        elif event == "stage_started":
            self.works[model] = f"{entry['stage']} of cycle {entry['cycle_id']}"
        elif event == "approval_needed":
            self.works[model] = f"cycle {entry['cycle_id']} waits for approval"
        elif event in ENDED:
            self.works.pop(model, None)

    def text(self, models: Iterable[str]) -> str:
        """The line; of many models only the numbers."""
        names = list(models)
        alarm = "disk low; " if self.disk_low else ""
        if len(names) > FEW:
            served = sum(name in self.serves for name in names)
            busy = sum(name in self.works for name in names)
            return f"{alarm}{counted(len(names), 'model')}: {served} serve, {busy} in a cycle"
        return alarm + "; ".join(f"{name}: {self._one(name)}" for name in names)

    def _one(self, name: str) -> str:
        served = self.serves.get(name, "no version yet")
        return f"{served}, {self.works[name]}" if name in self.works else served
