"""Suspicious batches of a replay: held before they teach anything, let in again where the doubt persists."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retrain.monitoring.contradiction import contradict
from retrain.monitoring.suspicion import suspect
from retrain.operations import AcceptedFile, ContradictRequest, JudgedFile, SuspectRequest
from retrain.planning.release import agreeing, left, persistent
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings

RECENT_FILES = 6
CONTRADICTING = "contradicting_labels"


@dataclass
class Suspects:
    """What is held (`held`, by seq), every batch that ever was (`holds`), of every judged batch where it lies, its
    predictions, and its doubts, and of each file that retells labels the files of rows before it and what it leaves."""

    held: set[int] = field(default_factory=set)
    holds: list[dict[str, Any]] = field(default_factory=list)
    _judged: dict[int, tuple[Path, Path | None, tuple[str, ...]]] = field(default_factory=dict)
    _retelling: list[tuple[int, int, frozenset[str]]] = field(default_factory=list)

    def judge(
        self, file: AcceptedFile, place: int, predictions: Path | None, schema: Schema, settings: ModelSettings
    ) -> None:
        """Hold a new batch, or let it in together with the held ones before it, as the daemon does; `predictions` is
        None before there is a model."""
        if not settings.suspicion.hold:
            return
        recent = [seq for seq in self._judged if seq not in self.held][-RECENT_FILES:]
        request = SuspectRequest(
            file=JudgedFile(name="it", snapshot=file.snapshot, predictions=predictions),
            recent=tuple(
                JudgedFile(name=str(seq), snapshot=self._judged[seq][0], predictions=self._judged[seq][1])
                for seq in recent
            ),
            schema=schema,
            settings=settings,
        )
        doubts = suspect(request).doubts
        kinds = tuple(doubt["kind"] for doubt in doubts)
        self._judged[file.seq] = (file.snapshot, predictions, kinds)
        if kinds:
            self._decide(file.seq, place, kinds, doubts, settings.suspicion.release_after)

    def judge_labels(
        self, file: AcceptedFile, place: int, past: Sequence[AcceptedFile], schema: Schema, settings: ModelSettings
    ) -> None:
        """Hold a new file of labels that contradicts those of the past, or let it in with those that agree."""
        suspicion = settings.suspicion
        if not suspicion.hold or CONTRADICTING not in suspicion.kinds:
            return
        found = contradict(
            ContradictRequest(
                labels=file.snapshot, files=tuple(past), schema=schema, settings=settings, now=file.accepted_at
            )
        )
        if not found.retold:
            return
        self._retelling.append((file.seq, sum(one.kind == "rows" for one in past), left(found.leaves)))
        if not found.doubts:
            return
        batches = [(rows, leaves) for _, rows, leaves in self._retelling]
        normal, since = agreeing(batches, suspicion.release_after)
        if found.leaves in normal:
            alike = (seq for seq, rows, leaves in self._retelling if rows >= since and leaves and leaves <= normal)
            self.held.difference_update(alike)
        else:
            self._hold(file.seq, place, tuple(doubt["kind"] for doubt in found.doubts), found.doubts)

    def _decide(self, seq: int, place: int, kinds: tuple[str, ...], doubts: list[dict[str, Any]], after: int) -> None:
        newest = list(self._judged)[-after:]
        normal = persistent([self._judged[one][2] for one in newest], after)
        if not set(kinds) <= normal:
            self._hold(seq, place, kinds, doubts)
            return
        for one in newest[:-1]:
            if set(self._judged[one][2]) <= normal:
                self.held.discard(one)

    def _hold(self, seq: int, place: int, kinds: tuple[str, ...], doubts: list[dict[str, Any]]) -> None:
        self.held.add(seq)
        self.holds.append({"batch": place, "kinds": list(kinds), "reason": "; ".join(d["reason"] for d in doubts)})
