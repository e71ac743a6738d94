"""Suspicious batches of a replay: held before they teach anything, let in again where the doubt persists."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retrain.monitoring.contradiction import contradict
from retrain.monitoring.suspicion import suspect
from retrain.operations import AcceptedFile, ContradictRequest, JudgedFile, SuspectRequest
from retrain.planning.release import Retelling, labels_let_in, let_in
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings

RECENT_FILES = 6


@dataclass
class Suspects:
    """What is held (`held`, by seq), every batch that ever was (`holds`), of every judged batch where it lies, its
    predictions, and its doubts, and of each file that retells labels the files of rows before it and what it leaves."""

    held: set[int] = field(default_factory=set)
    holds: list[dict[str, Any]] = field(default_factory=list)
    _judged: dict[int, tuple[Path, Path | None, tuple[str, ...]]] = field(default_factory=dict)
    _retelling: dict[int, Retelling] = field(default_factory=dict)

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
        before = list(self._judged)
        if kinds:
            agree = let_in([self._judged[one][2] for one in before], kinds, settings.suspicion.release_after)
            self._decided(file.seq, place, doubts, None if agree is None else [before[one] for one in agree])
        self._judged[file.seq] = (file.snapshot, predictions, kinds)

    def judge_labels(
        self, file: AcceptedFile, place: int, past: Sequence[AcceptedFile], schema: Schema, settings: ModelSettings
    ) -> None:
        """Hold a new file of labels that contradicts those of the past, or let it in with those that agree."""
        if not settings.suspicion.hold_labels:
            return
        found = contradict(
            ContradictRequest(
                labels=file.snapshot, files=tuple(past), schema=schema, settings=settings, now=file.accepted_at
            )
        )
        if not found.retold:
            return
        new = Retelling(sum(one.kind == "rows" for one in past), found.leaves)
        if found.doubts:
            before = list(self._retelling)
            agree = labels_let_in(list(self._retelling.values()), new, settings.suspicion.release_after)
            self._decided(file.seq, place, found.doubts, None if agree is None else [before[one] for one in agree])
        self._retelling[file.seq] = new

    def _decided(self, seq: int, place: int, doubts: list[dict[str, Any]], agreeing: list[int] | None) -> None:
        """A new file is held, or let in with those `agreeing` ones."""
        if agreeing is not None:
            self.held.difference_update(agreeing)
            return
        self.held.add(seq)
        self.holds.append(
            {"batch": place, "kinds": [d["kind"] for d in doubts], "reason": "; ".join(d["reason"] for d in doubts)}
        )
