"""Assessments of newly labelled files and the proposal of what to serve: made by the analyst, committed, then planned
on."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from daemon.cycles.classes import withheld_classes
from daemon.cycles.loadable import readable, unloadable, unreadable
from daemon.cycles.schemas import answers, current_schema, schema_change
from daemon.ledger import Ledger, assessments, files, models, promotions, trials, versions
from daemon.runtime.context import ModelContext
from daemon.runtime.worker.process import WorkerError
from retrain.operations import AssessRequest, to_json
from retrain.records.label_state import LabelState
from retrain.records.schema import Schema

MOST_FILES = 1_000
MOST_EVENT_FILES = 1_000_000
"""The counters of a recommendation have all files."""


class Assessing:
    """Asks only when something is new: a file, labels, another newest version, or rows that are old enough by now;
    `failed` asks for another try, `next_at` is when rows will be that old without anything new (Unix seconds)."""

    def __init__(self, context: ModelContext) -> None:
        self._context = context
        self._answered: Any = None
        self.failed = False
        self.next_at: float | None = None

    async def run(self) -> None:
        """Assess what became labelled, and propose; nothing without a champion."""
        context = self._context
        self.failed, self.next_at = False, None
        question, request = self._request(context.shared.ledger)
        if request is None or question == self._answered:
            return
        try:
            result = await context.shared.analyst.ask_again(request)
        except WorkerError as error:
            context.log.error("assessment_failed", reason=error.message)
            self.failed = True
            return
        with context.shared.ledger.begin(durable=True) as conn:
            found, number = to_json(result), request.deployment.number
            assessments.record(conn, context.name, number, found, context.now(), request.after)
            if result.labels is not None:
                models.save_labels(conn, context.name, LabelState.from_json(result.labels))
        self._answered = self._request(context.shared.ledger)[0]
        for one in result.assessments:
            gains = {name: round(gain[0], 5) for name, gain in one["gains"].items()}
            context.log.info(
                "labels_assessed", seq=one["seq"], rows=one["rows"], metric=one["metric"], value=one["score"],
                loss=round(one["loss"], 5), gains=gains, seconds=round(result.seconds, 3),
            )  # fmt: skip

    def _request(self, ledger: Ledger) -> tuple[Any, AssessRequest | None]:
        """What distinguishes this question from others, and the question."""
        context, name, folder = self._context, self._context.name, self._context.folders.versions
        schema = current_schema(context)
        with ledger.connect() as conn:
            champion = promotions.champion(conn, name)
            if champion is None or schema is None or unloadable(folder, champion):
                return None, None
            changed = schema_change(context, champion)
            if changed is not None and not changed.comparable:
                return None, None
            now, labels = context.now(), models.load_labels(conn, name)
            self.next_at = None if labels is None or labels.next_at is None or labels.next_at <= now else labels.next_at
            stored = versions.stored(conn, name)
            first = min((row.seen_seq for row in stored), default=0)
            waiting = assessments.candidates(conn, name, first)
            proposed = assessments.proposal(conn, name)[1]
            state = models.load_planner(conn, name)
            known = {row.name for row in stored}
            trial, unproven = trials.running(conn, name), trials.not_passed(conn, name)
            archive = may_answer([row.name for row in stored], unproven, context.settings.adaptation.archive)
            archive = list(dict.fromkeys([*archive, *(m.version for m in champion.deployment.members)]))
            predecessor = champion.predecessor
            archive = [name for name in readable(folder, archive) if answers(folder / name, schema)]
            rivals = [] if predecessor is None else [m.version for m in predecessor.members]
            if not set(rivals) <= known or not all(_usable(folder / name, schema) for name in rivals):
                predecessor = None
            most = MOST_EVENT_FILES if context.settings.task == "recommendation" else MOST_FILES
            listed = files.newest_usable(conn, name, most)
            withheld = withheld_classes(conn, name, context.settings, folder)
            found = assessments.found_after(conn, name, state.base_seq)
            of_events = context.settings.task == "recommendation"
            before = None if of_events else assessments.proposal_at(conn, name, state.base_seq)
        accepted = context.accepted(listed, withheld, {} if labels is None else labels.trust)
        of_files = tuple(row.seq for row in listed), tuple(one.name for one in withheld)
        question = (tuple(waiting), *of_files, champion.newest, state.base_seq, labels and labels.next_at, self.next_at)
        return question, AssessRequest(
            files=accepted,
            schema=schema,
            settings=context.settings,
            candidates=waiting,
            deployment=context.stored(champion.deployment, champion.newest),
            predecessor=None if predecessor is None else context.stored(predecessor, champion.newest),
            challenger=None if trial is None else trial.version,
            archive=archive,
            before=before or proposed,
            twin=state.regret.twin,
            known={} if of_events else found,
            after=state.base_seq,
            base=asdict(state.base),
            fixed=champion.fixed,
            now=now,
        )


def _usable(version: Path, schema: Schema) -> bool:
    return not unreadable(version) and answers(version, schema)


def may_answer(stored: Sequence[str], not_passed: Collection[str], most: int) -> list[str]:
    """The newest stored versions that may be blended into what is served: none that is on trial or did not pass it.

    >>> may_answer(["v1", "v2", "v3", "v4"], {"v4", "v2"}, 1)
    ['v3']
    """
    return [name for name in stored if name not in not_passed][-most:]
