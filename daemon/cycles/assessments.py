"""Assessments of newly labelled files and the proposal of what to serve: made by the analyst, committed, then planned
on."""

import time
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection

from daemon.cycles.classes import withheld_classes
from daemon.cycles.cpu import record_spent
from daemon.cycles.elsewhere import other_columns
from daemon.cycles.groups import log_groups, record_groups, with_groups
from daemon.cycles.label_warnings import tell_of_labels
from daemon.cycles.loadable import readable, unloadable, unreadable
from daemon.cycles.schemas import answers, change_since, schema_in, schema_of
from daemon.cycles.scoring import log_scores, record_scores, scores, to_score
from daemon.ledger import Ledger, assessments, files, forecasts, labels, models, promotions, trials, versions
from daemon.ledger.groups import EpisodeChange
from daemon.runtime.context import ModelContext
from daemon.runtime.worker.process import WorkerError
from retrain.operations import AssessRequest, AssessResult, Foretold, LabelsRequest, LabelsResult, to_json
from retrain.records.deployment import Champion, Deployment
from retrain.records.label_state import LabelState
from retrain.records.planner_state import PlannerState
from retrain.records.schema import Schema
from retrain.records.settings import LabelSettings

Asked = AssessRequest | LabelsRequest

REST = 20.0
"""After an assessment, labels alone wait for so many times its CPU seconds, at most LONGEST_REST_S. What takes less
than RESTED_S is no matter."""
RESTED_S, LONGEST_REST_S = 1.0, 600.0
MOST_FILES = 1_000
"""Of each source, whose labels had the time to settle."""
MOST_LATE_FILES = 20_000
"""With those after them: a month of a file every two minutes."""
MOST_EVENT_FILES = 1_000_000
"""The counters of a recommendation have all files."""


class Question(NamedTuple):
    """What distinguishes a question from others: when rows will be old enough, the files, the classes that do not
    count, the cycles that wait for what they foretold, and what else the answer depends on."""

    next_at: float | None
    to_come: float | None
    seqs: tuple[int, ...]
    withheld: tuple[str, ...]
    foretold: tuple[int, ...] = ()
    terms: tuple[Any, ...] = ()


class Assessing:
    """Asks only when something is new: a file, labels, another newest version, or rows that are old enough by now;
    `failed` asks for another try, `next_at` is when rows will be that old without anything new (Unix seconds)."""

    def __init__(self, context: ModelContext) -> None:
        self._context = context
        self._answered: Question | None = None
        self.failed = False
        self.next_at: float | None = None
        self._known: Any = None
        self._rest_until_s = 0.0

    async def run(self) -> None:
        """Assess what became labelled, and propose; without a champion, say how far labels are in."""
        context = self._context
        self.failed, self.next_at = False, None
        question, request = self._request(context.shared.ledger)
        if request is None or question is None:
            self._answered = question
            return
        rest_s = self._rest_until_s - time.monotonic()
        if rest_s > 0 and _besides_labels(request) == self._known:
            self.next_at = context.now() + rest_s
            return
        if isinstance(request, AssessRequest):
            request = await with_groups(context, request)
        try:
            result: Any = await context.shared.analyst.ask_again(request)
        except WorkerError as error:
            context.log.error("assessment_failed", reason=error.message)
            self.failed = True
            return
        context.spent_s["probes"] += result.cpu_s
        self._known = _besides_labels(request)
        rest_s = min(REST * result.seconds, LONGEST_REST_S) if result.seconds >= RESTED_S else 0.0
        self._rest_until_s = time.monotonic() + rest_s
        before, changes = self._commit(request, result)
        self._answered = self._with_answer(question, before, result)
        if result.labels is not None:
            tell_of_labels(context.log, context.name, before, LabelState.from_json(result.labels))
        if isinstance(request, AssessRequest):
            self._log(request, result)
            log_groups(context, result, changes)

    def _commit(
        self, request: Asked, result: AssessResult | LabelsResult
    ) -> tuple[LabelState | None, list[EpisodeChange]]:
        """Write down what was found; how far labels were in before, and what became of episodes of groups."""
        context, name, now = self._context, self._context.name, self._context.now()
        changes: list[EpisodeChange] = []
        with context.shared.ledger.begin(durable=True) as conn:
            if isinstance(request, AssessRequest) and isinstance(result, AssessResult):
                found, number = to_json(result), request.deployment.number
                assessments.record(conn, name, number, found, now, request.after)
                record_scores(conn, name, result, request.era)
                changes = record_groups(conn, context, request, result)
                forecasts.record(conn, result.realised)
            record_spent(conn, context)
            row = models.get(conn, name)
            before = labels.state_of(row)
            if result.labels is not None and row is not None:
                from_seq = min((file.seq for file in request.files), default=0)
                seen_seq = models.planner_of(row).seen_seq
                labels.save(conn, name, LabelState.from_json(result.labels), from_seq, seen_seq, now, row)
        return before, changes

    def _log(self, request: AssessRequest, result: AssessResult) -> None:
        """What labels say of files that were not assessed before, or otherwise."""
        values = scores(result, request.answered)
        for one in result.assessments:
            before = request.known.get(one["seq"], {})
            if all(before.get(key) == one[key] for key in ("rows", "score", "loss")):
                continue
            gains = {name: round(gain[0], 5) for name, gain in one["gains"].items()}
            self._context.log.info(
                "labels_assessed", seq=one["seq"], rows=one["rows"], metric=one["metric"],
                value=values.get(one["seq"], one["score"]),
                loss=round(one["loss"], 5), gains=gains, seconds=round(result.seconds, 3),
            )  # fmt: skip
        log_scores(self._context, result, request.answered, request.era)
        self._log_realised(request, result)

    def _log_realised(self, request: AssessRequest, result: AssessResult) -> None:
        """What forecasts of the gate came to."""
        of_cycle = {one.cycle: one.forecast for one in request.foretold}
        for one in result.realised:
            foretold = of_cycle[one["cycle"]]
            self._context.log.info(
                "difference_realised", cycle_id=one["cycle"], measured=foretold["difference"],
                expected=foretold["mean"], low=foretold["low"], high=foretold["high"],
                realised=one["difference"], rows=one["rows"],
            )  # fmt: skip

    def _with_answer(
        self, question: "Question", before: LabelState | None, result: AssessResult | LabelsResult
    ) -> "Question":
        """The question as it is once its answer is committed: what came while it was answered is new."""
        known = before if result.labels is None else LabelState.from_json(result.labels)
        self.next_at = _still_to_come(known, self._context.now())
        realised = {one["cycle"] for one in result.realised} if isinstance(result, AssessResult) else set()
        foretold = tuple(cycle for cycle in question.foretold if cycle not in realised)
        return question._replace(next_at=_next_at(known), to_come=self.next_at, foretold=foretold)

    def _request(self, ledger: Ledger) -> tuple["Question | None", Asked | None]:
        """What distinguishes this question from others, and the question; None where nothing can be asked, or where the
        answer is known."""
        context, name = self._context, self._context.name
        with ledger.connect() as conn:
            schema, champion = schema_in(conn, context), promotions.champion(conn, name)
            if schema is None or (_simple(context, conn) if champion is None else not _judged(conn, context, champion)):
                return None, None
            known, now = labels.load(conn, name), context.now()
            self.next_at = _still_to_come(known, now)
            listed = files_in_reach(context, conn, known, now)
            withheld = withheld_classes(conn, name, context.settings, context.folders.versions)
            if champion is None:  # classes that only lack rows are counted
                withheld = tuple(one for one in withheld if one.meant or one.declared)
            seqs, names = tuple(row.seq for row in listed), tuple(one.name for one in withheld)
            question = Question(_next_at(known), self.next_at, seqs, names)
            accepted = context.accepted(listed, withheld, {} if known is None else known.trust)
            of_files: dict[str, Any] = {"files": accepted, "schema": schema, "settings": context.settings, "now": now}
            if champion is None:
                return question, None if question == self._answered else LabelsRequest(**of_files)
            trial, state = trials.running(conn, name), models.load_planner(conn, name)
            fixed = (
                champion.fixed
                or context.settings.is_elsewhere
                or state.unadjusted == champion.newest
                or context.settings.mode != "auto"
            )
            foretold = _foretold(context, conn, schema)
            settings = context.settings
            terms: tuple[Any, ...] = champion.newest, fixed, trial and trial.version, state.base_seq, settings.labels
            terms += settings.decision, settings.gate, settings.groups
            question = question._replace(foretold=tuple(one.cycle for one in foretold), terms=terms)
            if question == self._answered:
                return question, None
            archive, predecessor = _versions(context, conn, champion, schema)
            evidence = _evidence(context, conn, state) | to_score(conn, context, champion)
        return question, AssessRequest(
            **of_files,
            **evidence,
            deployment=context.stored(champion.deployment, champion.newest),
            predecessor=None if predecessor is None else context.stored(predecessor, champion.newest),
            challenger=None if trial is None else trial.version,
            archive=archive,
            twin=state.regret.twin,
            fixed=fixed,
            foretold=foretold,
        )


def _simple(context: ModelContext, conn: Connection) -> bool:
    """Before the first model, whether labels came with their rows alone and count at once: nobody need be asked."""
    late = context.settings.labels.maturity is not None or assessments.newest_label_file(conn, context.name)
    return context.settings.task == "recommendation" or not late


def _evidence(context: ModelContext, conn: Connection, state: PlannerState) -> dict[str, Any]:
    """What was found of labels, and where it begins; of a log of events, which files nobody assessed yet."""
    name, after = context.name, state.base_seq
    if context.settings.task == "recommendation":
        first = min((row.seen_seq for row in versions.stored(conn, name)), default=0)
        return {"candidates": assessments.candidates(conn, name, first), "before": assessments.proposal(conn, name)[1]}
    return {
        "candidates": [],
        "before": assessments.proposal_at(conn, name, after),
        "known": assessments.found_after(conn, name, after),
        "after": after,
        "base": asdict(state.base),
    }


def _foretold(context: ModelContext, conn: Connection, schema: Schema) -> tuple[Foretold, ...]:
    """Cycles whose forecast waits for its files, as far as their challengers are there; those of another target or task
    are judged by no file that comes."""
    found = []
    for one in forecasts.waiting(conn, context.name):
        staged = context.folders.cycle(one.cycle) / "version"
        path = context.folders.version(one.version) if one.version else staged
        compared = [path, *(context.folders.version(member.version) for member in one.champion.members)]
        if path.is_dir() and all(answers(folder, schema) for folder in compared):
            stored = context.stored(one.champion, one.champion.members[0].version)
            found.append(
                Foretold(
                    cycle=one.cycle,
                    challenger=path,
                    staged=not one.version,
                    champion=stored,
                    after=one.after,
                    forecast=one.forecast,
                )
            )
    return tuple(found)


def _judged(conn: Connection, context: ModelContext, champion: Champion) -> bool:
    """Whether the champion can be asked for what it answers to today's rows."""
    folder = context.folders.versions
    changed = change_since(context.settings, schema_of(models.brief(conn, context.name)), folder, champion)
    if unloadable(folder, champion, context.settings) or other_columns(folder / champion.newest, context.settings):
        return False
    return changed is None or changed.comparable


def _next_at(known: LabelState | None) -> float | None:
    """When the next rows become old enough, as the newest assessment found."""
    return None if known is None else known.next_at


def _still_to_come(known: LabelState | None, now: float) -> float | None:
    """When rows are old enough; None where that is past or not foreseen."""
    return None if known is None or known.next_at is None or known.next_at <= now else known.next_at


def _versions(
    context: ModelContext, conn: Connection, champion: Champion, schema: Schema
) -> tuple[list[str], Deployment | None]:
    """The versions that may be blended, and what was served before the last promotion if it still answers."""
    name, folder = context.name, context.folders.versions
    if context.settings.is_elsewhere:  # nothing is blended, and what was recorded before is in other rows
        return [member.version for member in champion.deployment.members], None
    stored = [row.name for row in versions.stored(conn, name)]
    archive = may_answer(stored, trials.not_passed(conn, name), context.settings.adaptation.archive)
    archive = list(dict.fromkeys([*archive, *(m.version for m in champion.deployment.members)]))
    predecessor = champion.predecessor
    before = [] if predecessor is None else [m.version for m in predecessor.members]
    usable = set(before) <= set(stored) and all(_usable(folder / version, schema) for version in before)
    archive = [version for version in readable(folder, archive) if answers(folder / version, schema)]
    return archive, predecessor if usable else None


def files_in_reach(context: ModelContext, conn: Connection, known: LabelState | None, now: float) -> Sequence[Any]:
    """The newest files, and of those whose labels had the time to settle so many, too."""
    settings, name = context.settings, context.name
    if settings.task == "recommendation":
        return files.newest_usable(conn, name, MOST_EVENT_FILES)
    return files.looked_back_over(conn, name, MOST_FILES, MOST_LATE_FILES, _waited_s(settings.labels, known), now)


def _waited_s(settings: LabelSettings, known: LabelState | None) -> float:
    """How long labels are waited for, as configured, else as they come."""
    if settings.maturity is not None and settings.maturity.seconds is not None:
        return settings.maturity.seconds
    if known is None or known.unit != "seconds":
        return 0.0
    return max((one.slow for one in known.arrivals.values()), default=0.0)


def _besides_labels(request: Asked) -> Any:
    """What a question is of apart from the labels that are in: files of rows, settings, and the versions that are
    compared; adjustments follow labels."""
    rows = tuple(file.seq for file in request.files if file.kind == "rows")
    served = None if isinstance(request, LabelsRequest) else (request.deployment.newest, request.challenger)
    return rows, request.settings, served


def _usable(version: Path, schema: Schema) -> bool:
    return not unreadable(version) and answers(version, schema)


def may_answer(stored: Sequence[str], not_passed: Collection[str], most: int) -> list[str]:
    """The newest stored versions that may be blended into what is served: none that is on trial or did not pass it.

    >>> may_answer(["v1", "v2", "v3", "v4"], {"v4", "v2"}, 1)
    ['v3']
    """
    return [name for name in stored if name not in not_passed][-most:]
