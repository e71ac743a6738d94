"""What a replay leaves behind: scores, cycles, deployments, decisions, and CPU seconds by purpose."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from daemon.tools.replay.suspects import Suspects
from retrain.records.trigger import Trigger


@dataclass
class Clock:
    """CPU seconds by purpose: "first" (model), "retrains", "probes" (twins, archive, recalibration), "checks" (drift)
    and "serving"."""

    spent: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("first", "retrains", "probes", "checks", "serving"), 0.0)
    )

    last: float = 0.0
    """Of what was counted last."""

    @contextmanager
    def during(self, purpose: str) -> Iterator[None]:
        """Count what happens within."""
        started = time.process_time()
        try:
            yield
        finally:
            self.last = time.process_time() - started
            self.spent[purpose] += self.last


@dataclass
class Run:
    """What came of one replay: a score a batch (None before there is a model, or undefined), and its cycles, each
    opened after its batch (from 0) was served; `prepared` are the notes on the rows of the newest training."""

    metric: str = ""
    scores: list[float | None] = field(default_factory=list)
    cycles: list[dict[str, Any]] = field(default_factory=list)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    drifts: list[int] = field(default_factory=list)
    suspects: Suspects = field(default_factory=Suspects)
    clock: Clock = field(default_factory=Clock)
    prepared: list[str] = field(default_factory=list)

    def note_cycle(
        self, batch: int, trigger: Trigger, promoted: bool, outcome: str, result: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Keep a finished cycle, which is what was counted last, and return it; `result` is the evaluate stage's, empty
        where the cycle failed before. `forecast` is what was expected of it, `realised` what it came to (None as long
        as that is not known)."""
        window = trigger.evidence.get("window") or {}
        name = f"last{window['files']}" if window.get("kind") == "files" else str(window.get("kind", "decay"))
        cycle = {"batch": batch, "trigger": trigger.kind, "reason": trigger.reason, "window": name}
        values = {who: (result.get(who) or {}).get("value") for who in ("champion", "challenger", "baseline")}
        told = {"cpu_seconds": self.clock.last, "forecast": result.get("forecast"), "realised": None}
        self.cycles.append({**cycle, "promoted": promoted, "outcome": outcome, **values, **told})
        return self.cycles[-1]
