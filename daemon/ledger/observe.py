"""All that the planner may know of a model, read from the ledger in one transaction."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from daemon.ledger import assessments, class_totals, cycles, due, labels, models, promotions, totals
from daemon.ledger import files as file_queries
from daemon.ledger.checks import open_episode
from daemon.ledger.tables import checks, files
from daemon.ledger.tables import cycles as table
from retrain.records.cycle import CycleState
from retrain.records.deployment import Champion
from retrain.records.finished_check import FinishedCheck, Rise
from retrain.records.new_classes import NewClass
from retrain.records.observation import CycleResult, Elsewhere, Observation
from retrain.records.planner_state import PlannerState
from retrain.records.schema_change import PreparationChange, SchemaChange

LATE_CHECKS = 5_000
"""So far back, of all models' checks, a drop that late labels show is looked for."""
NOWHERE = Elsewhere()
RISE = ("detector", "row", "before", "after")


class Read(NamedTuple):
    """What was read in the same transaction: the model's row and its champion."""

    row: Any
    champion: Champion | None


def observe(
    conn: Connection,
    model: str,
    backlog: int,
    state: PlannerState,
    unloadable: str = "",
    changed: SchemaChange | None = None,
    withheld: Collection[NewClass] = (),
    seen: Elsewhere = NOWHERE,
    preparation: PreparationChange | None = None,
    read: Read | None = None,
) -> Observation:
    """What the ledger says now; `backlog` is what the intake still has to take in. `unloadable`, `changed` and
    `preparation` are what the store and the configuration say of the champion; the rows of `changed` are counted here.
    `withheld` classes do not count, but those that only lack rows; `seen` is what there is of a model that another
    system serves. Labels count as far as they may be believed, but all where that was not asked: before a first model
    whose labels come with their rows, and of a champion that cannot be judged."""
    none = {one.name for one in withheld if one.meant or one.declared}
    waiting = due.waiting(conn, model, ("retrain", "manual", "adopt"))
    row, champion = read or Read(models.get(conn, model), promotions.champion(conn, model))
    judged = not unloadable and (changed is None or changed.comparable)
    known = labels.state_of(row) if judged else None
    classes = class_totals.class_rows(conn, model) if known is None else known.classes
    teaching, new = (
        _labelled(conn, model, state, withheld)
        if known is None or row is None
        else labels.settled_beside(conn, model, known, row.settled)
    )
    proposal_id, proposal = assessments.proposal(conn, model)
    return Observation(
        labelled_rows=teaching,
        new_labelled_rows=new,
        class_rows=_without(classes, none) if (champion is None or seen.rows) and teaching else {},
        newest_seq=totals.newest_seq(conn, model),
        champion=champion,
        open_cycle=cycles.current(conn, model),
        evidence=tuple(_evidence(conn, model, state, champion)),
        due=tuple(one.id for one in waiting.get("retrain", ())),
        manual=tuple(one.id for one in waiting.get("manual", ())),
        adoption=due.adopted_last(waiting.get("adopt", ())),
        paused=bool(row is not None and row.paused),
        backlog=backlog,
        assessments=assessments.newer_than(conn, model, state.evidence_after),
        proposal=proposal,
        proposal_id=proposal_id,
        drifting=open_episode(conn, model) is not None,
        retrained=_retrained(conn, model, state.judged_cycle),
        unloadable=unloadable,
        changed=None if changed is None else _counted(conn, model, changed, none),
        preparation=preparation,
        batches=models.batches_of(row),
        elsewhere=seen,
    )


def _labelled(conn: Connection, model: str, state: PlannerState, withheld: Collection[NewClass]) -> tuple[int, int]:
    """Rows with any label, and those of files after the newest one that the last cycle knew: before labels are assessed
    nobody says which of them may be believed."""
    new = file_queries.labelled_rows(conn, model) - file_queries.labelled_rows(conn, model, state.seen_seq)
    if withheld:
        of_new = class_totals.class_rows_after(conn, model, state.seen_seq)
        new -= sum(of_new.get(one.name, 0) for one in withheld)
    return file_queries.teaching_rows(conn, model, withheld), max(0, new)


def _counted(conn: Connection, model: str, changed: SchemaChange, none: Collection[str]) -> SchemaChange:
    """With the rows that were read by the new schema."""
    if not changed.digest:
        return changed
    new = files.c.model == model, files.c.schema_digest == changed.digest, files.c.state == "accepted"
    sums = func.sum(files.c.labelled_rows), func.sum(files.c.rows)
    found = {kind: (own, rows) for kind, own, rows in conn.execute(
        select(files.c.kind, *sums).where(*new).group_by(files.c.kind)
    )}  # fmt: skip
    labelled = totals.with_late(found)
    classes = _without(_class_rows(conn, new), none) if labelled else {}
    return replace(changed, labelled_rows=labelled, class_rows=classes)


def _retrained(conn: Connection, model: str, judged: int) -> CycleResult | None:
    """The newest finished cycle after one, if it came to a comparison."""
    query = select(table.c.id, table.c.state).where(table.c.model == model, table.c.id > judged)
    finished = table.c.state.in_((CycleState.PROMOTED, CycleState.KEPT))
    row = conn.execute(query.where(finished).order_by(table.c.id.desc()).limit(1)).first()
    result = None if row is None else cycles.results(conn, row.id).get("evaluate")
    if row is None or result is None:
        return None
    return CycleResult.of(row.id, row.state == CycleState.PROMOTED, result)


def _without(rows: Mapping[str, int], classes: Collection[str]) -> dict[str, int]:
    return {name: count for name, count in rows.items() if name not in classes}


def _class_rows(conn: Connection, usable: tuple[Any, ...]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counts in conn.scalars(select(files.c.class_rows).where(*usable)):
        total.update(counts or {})
    return dict(total)


def _evidence(conn: Connection, model: str, state: PlannerState, champion: Champion | None) -> list[FinishedCheck]:
    """Checks against an earlier champion say nothing about today's, those of held files nothing about data. A drop that
    late labels showed counts, however old the check is, until a cycle knew its file."""
    if champion is None:
        return []
    columns = checks.c.id, checks.c.drift, checks.c.drifted, checks.c.dropped, checks.c.performance, checks.c.stream
    query = select(*columns, files.c.seq).select_from(checks.outerjoin(files, checks.c.file_id == files.c.id))
    late = checks.c.dropped & (files.c.seq > state.seen_seq)
    counting = checks.c.id > state.handled_check - LATE_CHECKS, (checks.c.id > state.handled_check) | late
    wanted = checks.c.model == model, checks.c.deployment == champion.era, *counting
    trusted = files.c.state.is_distinct_from("held")
    found = []
    for row in conn.execute(query.where(*wanted, trusted).order_by(checks.c.id)):
        performance, stream = row.performance or {}, row.stream or {}
        rise = Rise(*(stream[key] for key in RISE)) if stream.get("dropped") else None
        found.append(
            FinishedCheck(
                row.id, row.seq, row.drift, tuple(row.drifted), row.dropped, performance.get("drop"),
                performance.get("metric"), rise,
            )
        )  # fmt: skip
    return found
