"""Groups of rows, as they are watched: what was answered to those of each file, where that leaves a model, and the
episodes in which groups do worse or differ by more than is allowed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, String, delete, or_, select, type_coerce, update

from daemon.ledger.rows import insert_or_update, insert_row, last_row, update_row
from daemon.ledger.tables import group_counts, group_episodes, group_summaries
from retrain.operations import from_json, to_json
from retrain.records.groups import Degraded, Disparity, GroupSummary, GroupWatch

KEPT_EPISODES = 100
"""Of a model, with those that last."""
AT_ONCE = 500
"""Rows that one statement names."""
EPISODE_EVENTS = {
    "degraded": ("slice_degraded", "slice_recovered"),
    "exceeded": ("disparity_exceeded", "disparity_cleared"),
}
"""By kind of episode, the events that begin and end it."""
BRIEF = ("degraded", "exceeded")
"""Of a summary, what is read of all models at once: a whole one can have 50 groups for each column."""
Found = Degraded | Disparity


@dataclass(frozen=True)
class EpisodeChange:
    """An episode that begins, that `found` joined, or that ends, where nothing is found any more."""

    kind: str
    episode: int
    found: tuple[Found, ...]


def known(conn: Connection, model: str) -> tuple[str, ...]:
    """What is known of the groups of a model's files, by check, as the text that it is kept as: megabytes, which the
    analyst alone reads (`retrain.records.groups: read_file_groups`)."""
    query = select(type_coerce(group_counts.c.found, String)).where(group_counts.c.model == model)
    return tuple(conn.scalars(query.order_by(group_counts.c.check_id)))


def summary(conn: Connection, model: str) -> GroupSummary | None:
    """Where the groups of a model stand; None where none are watched, or no file was answered yet."""
    found = conn.scalar(select(group_summaries.c.found).where(group_summaries.c.model == model))
    return None if found is None else from_json(found, GroupSummary)


def summaries(conn: Connection, names: Collection[str], brief: bool) -> dict[str, dict[str, Any]]:
    """Of each of these models where its groups stand, as `summary`, or of that the BRIEF alone."""
    content = group_summaries.c.brief if brief else group_summaries.c.found
    query = select(group_summaries.c.model, content).where(group_summaries.c.model.in_(names))
    return {row[0]: row[1] for row in conn.execute(query)}


def record(conn: Connection, model: str, watch: GroupWatch | None, now: float) -> list[EpisodeChange]:
    """Write what an assessment found in place of what was known, and begin, extend and end episodes by it."""
    kept = () if watch is None else watch.kept
    _remove_others(conn, model, kept)
    if watch is None or watch.summary is None:
        conn.execute(delete(group_summaries).where(group_summaries.c.model == model))
        ended = [_changed(conn, model, kind, (), now) for kind in EPISODE_EVENTS]
        return [change for change in ended if change is not None]
    for one in watch.changed:
        insert_or_update(
            conn, group_counts, ["check_id"], {"check_id": one.check, "model": model, "found": to_json(one)}
        )
    whole = to_json(watch.summary)
    brief = {name: whole[name] for name in BRIEF}
    insert_or_update(conn, group_summaries, ["model"], {"model": model, "brief": brief, "found": whole})
    found: dict[str, Sequence[Found]] = {"degraded": watch.summary.degraded, "exceeded": watch.summary.exceeded}
    changes = (_changed(conn, model, kind, found[kind], now) for kind in EPISODE_EVENTS)
    return [change for change in changes if change is not None]


def is_any(conn: Connection, model: str) -> bool:
    """Whether anything of groups is known: seldom is any watched."""
    lasting = group_episodes.c.model == model, group_episodes.c.closed_at.is_(None)
    found = (select(group_counts.c.check_id).where(group_counts.c.model == model).exists(),
             select(group_summaries.c.model).where(group_summaries.c.model == model).exists(),
             select(group_episodes.c.id).where(*lasting).exists())  # fmt: skip
    return bool(conn.scalar(select(or_(*found))))


def end_open_episodes(conn: Connection, model: str, now: float) -> None:
    """Whatever lasted is over, without a word: another version is served."""
    lasting = group_episodes.c.model == model, group_episodes.c.closed_at.is_(None)
    conn.execute(update(group_episodes).where(*lasting).values(closed_at=now))


def _changed(conn: Connection, model: str, kind: str, found: Sequence[Found], now: float) -> EpisodeChange | None:
    """What becomes of a model's episode of this kind; None where it goes on as it was, or there is none."""
    of_kind = group_episodes.c.model == model, group_episodes.c.kind == kind
    row = last_row(conn, group_episodes, *of_kind, group_episodes.c.closed_at.is_(None))
    if row is None:
        if not found:
            return None
        _forget_old_episodes(conn, model)
        values = {"model": model, "kind": kind, "opened_at": now, "found": [to_json(one) for one in found]}
        return EpisodeChange(kind, insert_row(conn, group_episodes, values), tuple(found))
    if not found:
        update_row(conn, group_episodes, row.id, closed_at=now)
        return EpisodeChange(kind, row.id, ())
    told = {_subject(one) for one in row.found}
    joining = tuple(one for one in found if _subject(to_json(one)) not in told)
    if not joining:
        return None
    update_row(conn, group_episodes, row.id, found=[*row.found, *map(to_json, joining)])
    return EpisodeChange(kind, row.id, joining)


def _forget_old_episodes(conn: Connection, model: str) -> None:
    """All but the newest that are over."""
    over = group_episodes.c.model == model, group_episodes.c.closed_at.is_not(None)
    newest = select(group_episodes.c.id).where(*over).order_by(group_episodes.c.id.desc()).limit(KEPT_EPISODES)
    conn.execute(delete(group_episodes).where(*over, group_episodes.c.id.not_in(newest)))


def _subject(found: dict[str, Any]) -> tuple[str, str]:
    """What an entry of an episode is about: a column and one of its groups, or one of its figures."""
    return found["column"], found.get("group", found.get("figure", ""))


def _remove_others(conn: Connection, model: str, kept: Collection[int]) -> None:
    """Counts of files that what is served did not answer, or that are not looked back to any more."""
    there = conn.scalars(select(group_counts.c.check_id).where(group_counts.c.model == model)).all()
    gone = sorted(set(there) - set(kept))
    for start in range(0, len(gone), AT_ONCE):
        conn.execute(delete(group_counts).where(group_counts.c.check_id.in_(gone[start : start + AT_ONCE])))
