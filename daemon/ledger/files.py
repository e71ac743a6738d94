"""Data files and what became of them: accepted, held, duplicate, refused, superseded, forgotten, or expired (beyond the
retention of snapshots, or with the prediction log that they were made of). `source` says where they came from: "folder"
(labels over HTTP too), "events" that were posted, "traffic", or a "database"."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, String, func, insert, select, type_coerce, union_all, update

from daemon.ledger import totals
from daemon.ledger.rows import insert_row, last_row, last_rows, update_row
from daemon.ledger.tables import checks, file_totals, files, path_meant, rejects
from daemon.reading.look import Look
from retrain.records.errors import Refused
from retrain.records.new_classes import NewClass

FileRow = Row[Any]
KEPT_REJECTS = 1000
RETELLING_FILES = 5_000
"""So many of the newest files of labels are looked through for some that agree."""
LOOK = ("size", "mtime_ns", "ctime_ns", "inode")
SOURCES = ("folder", "events", "traffic", "database")
NEWEST_TIME = func.coalesce(files.c.last_time, files.c.at)
USABLE = (
    files.c.seq, files.c.snapshot, files.c.sha256, files.c.rows, files.c.kind, files.c.source,
    files.c.at.label("accepted_at"), files.c.schema_digest, files.c.first_time, files.c.last_time, files.c.number,
    files.c.labelled_rows,
)  # fmt: skip


def newest_time(conn: Connection, model: str) -> float | None:
    """The newest event time in accepted files of rows (Unix seconds), or when the newest one came, where rows have
    none; None without a file."""
    wanted = files.c.model == model, files.c.kind == "rows", files.c.state == "accepted"
    found: float | None = conn.scalar(select(NEWEST_TIME).where(*wanted).order_by(NEWEST_TIME.desc()).limit(1))
    return found


def known(conn: Connection, model: str) -> dict[str, Look]:
    """The newest look at each path that was dealt with."""
    columns = type_coerce(files.c.path, String), *(files.c[name] for name in LOOK)
    rows = conn.execute(select(*columns).where(files.c.model == model).order_by(files.c.id))
    cursor: Any = rows.cursor  # a year of files is half a million rows: SQLAlchemy's own take three times as long
    return {path_meant(path) if "\\" in path else path: Look(*look) for path, *look in cursor}


def by_content(conn: Connection, model: str, sha256: str) -> FileRow | None:
    """The file that this content was taken as; one that was forgotten stays forgotten, and one
    that expired is known."""
    used = files.c.state.in_(("accepted", "held", "forgotten", "expired"))
    return last_row(conn, files, files.c.model == model, files.c.sha256 == sha256, used)


def by_snapshot(conn: Connection, model: str, snapshot: str) -> FileRow | None:
    """The newest file of which these rows were read, the snapshot's path below the state folder."""
    return last_row(conn, files, files.c.model == model, files.c.snapshot == snapshot)


def record_accepted(
    conn: Connection,
    model: str,
    path: str,
    seen: Look,
    sha256: str,
    result: dict[str, Any],
    now: float,
    source: str = "folder",
    schema_digest: str | None = None,
) -> FileRow:
    """A file was taken in, read by the schema of that digest; what its path held before is superseded."""
    _supersede(conn, model, path)
    newest, number = totals.newest_numbers(conn, model)
    taken = (
        "kind", "snapshot", "rows", "labelled_rows", "class_rows", "rejected", "quarantine",
        "quality", "first_time", "last_time",
    )  # fmt: skip
    values = {name: result[name] for name in taken} | {"source": source, "schema_digest": schema_digest}
    if result["kind"] == "rows":
        values["number"] = number + 1
    file_id = _insert(conn, model, path, seen, now, state="accepted", seq=newest + 1, sha256=sha256, **values)
    kept = [{"file_id": file_id, **reject} for reject in result["rejects"][:KEPT_REJECTS]]
    if kept:
        conn.execute(insert(rejects), kept)
    return conn.execute(select(files).where(files.c.id == file_id)).one()


def record_duplicate(
    conn: Connection, model: str, path: str, seen: Look, sha256: str, original: FileRow, now: float
) -> None:
    """Content that was taken before: at its own path only the look is renewed, elsewhere the name is noted."""
    if original.path == path:
        look = {name: getattr(seen, name) for name in LOOK}
        later = files.c.model == model, files.c.path == path, files.c.id > original.id
        conn.execute(update(files).where(*later, files.c.state == "refused").values(state="superseded"))
        conn.execute(update(files).where(files.c.model == model, files.c.path == path).values(**look))
        return
    _supersede(conn, model, path)
    _insert(
        conn, model, path, seen, now, state="duplicate", sha256=sha256, duplicate_of=original.id,
        kind=original.kind, reason=f"same content as {original.path}",
    )  # fmt: skip


def renew_look(conn: Connection, model: str, path: str, seen: Look) -> bool:
    """Note a fresh look at a path whose content is the same as before; no where that was refused, or is not known."""
    row = last_row(conn, files, files.c.model == model, files.c.path == path)
    if row is None or row.state in ("refused", "superseded"):
        return False
    look = {name: getattr(seen, name) for name in LOOK}
    conn.execute(update(files).where(files.c.model == model, files.c.path == path).values(**look))
    return True


def record_refused(
    conn: Connection, model: str, path: str, seen: Look, reason: str, now: float, source: str = "folder",
    reading: str | None = None,
) -> None:  # fmt: skip
    """A file beyond repair; what its path held before goes on to count, since nothing replaced it. `reading` is the
    digest of what decided how it was read; the same content that is refused again is one row."""
    last = last_row(conn, files, files.c.model == model, files.c.path == path)
    if last is not None and last.state == "refused" and all(getattr(last, key) == getattr(seen, key) for key in LOOK):
        update_row(conn, files, last.id, reason=reason, at=now, schema_digest=reading)
        return
    _insert(conn, model, path, seen, now, state="refused", reason=reason, source=source, schema_digest=reading)


def refused_otherwise(conn: Connection, model: str, reading: str) -> list[str]:
    """Paths whose newest content was refused when something else decided how files are read."""
    refused = files.alias("refused")
    later = files.c.model == model, files.c.path == refused.c.path, files.c.id > refused.c.id
    wanted = refused.c.model == model, refused.c.kind == "rows", refused.c.state == "refused"
    other = refused.c.schema_digest.is_distinct_from(reading), ~select(files.c.id).where(*later).exists()
    return list(conn.scalars(select(refused.c.path).where(*wanted, *other)))


def recent(conn: Connection, model: str, window_s: float) -> Sequence[Any]:
    """Path and snapshot of accepted files of rows, as far as their newest row is at most `window_s` older than the
    newest of all."""
    usable = files.c.model == model, files.c.kind == "rows", files.c.state == "accepted"
    newest = conn.scalar(select(func.max(NEWEST_TIME)).where(*usable))
    if newest is None:
        return []
    query = select(files.c.path, files.c.snapshot).where(*usable, newest - window_s <= NEWEST_TIME)
    return conn.execute(query.order_by(files.c.seq)).all()


def usable(conn: Connection, model: str, up_to_seq: int, from_seq: int = 0) -> Sequence[Any]:
    """Files that may teach, in order of arrival: seq, snapshot, sha256, rows, kind, source, accepted_at."""
    between = files.c.seq >= from_seq, files.c.seq <= up_to_seq
    query = select(*USABLE).where(files.c.model == model, files.c.state == "accepted", *between)
    return conn.execute(query.order_by(files.c.seq)).all()


def kept_snapshots(conn: Connection, model: str) -> list[str]:
    """Of files that teach or are held, the newest first, below the state folder."""
    kept = files.c.model == model, files.c.state.in_(("accepted", "held")), files.c.snapshot.is_not(None)
    found = conn.scalars(select(files.c.snapshot).where(*kept).order_by(files.c.id.desc()))
    return list(dict.fromkeys(found))


def nth_newest_labelled(conn: Connection, model: str, up_to_seq: int, n: int, waited_s: float, now: float) -> int:
    """The seq of the n-th newest dropped file that may teach and has labelled rows of its own, all of which were waited
    for by now; 0 if there are fewer, or if labels also come in files of their own."""
    alike = files.c.model == model, files.c.state == "accepted"
    if conn.scalar(select(files.c.id).where(*alike, files.c.kind == "labels").limit(1)) is not None:
        return 0
    settled = _clock(conn, model, now) - waited_s if waited_s else math.inf
    own = files.c.kind == "rows", files.c.source != "traffic", files.c.labelled_rows > 0, files.c.seq <= up_to_seq
    wanted = *alike, *own, *([settled >= NEWEST_TIME + 0.0] if waited_s else [])  # by seq, not by the index of times
    return conn.scalar(select(files.c.seq).where(*wanted).order_by(files.c.seq.desc()).offset(n - 1).limit(1)) or 0


def newest_usable(conn: Connection, model: str, most: int) -> list[Any]:
    """The newest files that may teach, as `usable` has them, at most so many of each kind and source; in order."""
    found: list[Any] = []
    for kind in ("rows", "labels"):
        for source in SOURCES:
            alike = files.c.model == model, files.c.kind == kind, files.c.state == "accepted", files.c.source == source
            found += conn.execute(select(*USABLE).where(*alike).order_by(files.c.seq.desc()).limit(most)).all()
    return sorted(found, key=lambda row: int(row.seq))


def looked_back_over(conn: Connection, model: str, most: int, most_late: int, waited_s: float, now: float) -> list[Any]:
    """The newest files that may teach, as `usable` has them: of each source those since the `most`-th whose labels were
    waited for by now, so that late ones are not passed over, and the files of labels since then, or so many; of each
    kind and source at most `most_late`. In order."""
    usable = files.c.model == model, files.c.state == "accepted"
    until, parts = _clock(conn, model, now) - waited_s, list[Any]()
    for source in SOURCES:
        alike = *usable, files.c.kind == "rows", files.c.source == source
        waited = [until >= NEWEST_TIME + 0.0] if waited_s else []  # by seq, not by the index of times
        old = select(files.c.seq).where(*alike, *waited).order_by(files.c.seq.desc()).offset(most - 1).limit(1)
        newer = select(*USABLE).where(*alike, files.c.seq >= func.coalesce(old.scalar_subquery(), 0))
        parts.append(newer.order_by(files.c.seq.desc()).limit(most_late).subquery())
    for source in SOURCES:
        alike = *usable, files.c.kind == "labels", files.c.source == source
        newest = select(*USABLE).where(*alike).order_by(files.c.seq.desc()).limit(most_late)
        parts.append(newest.subquery())
    read = conn.execute(union_all(*(select(part) for part in parts))).all()
    found = [row for row in read if row.kind == "rows"]
    first = min((row.seq for row in found), default=0) // totals.BUCKET * totals.BUCKET  # it moves seldom
    for source in SOURCES:
        rows = sorted((row for row in read if (row.kind, row.source) == ("labels", source)), key=lambda row: -row.seq)
        found += [row for place, row in enumerate(rows) if place < most or row.seq >= first]
    return sorted(found, key=lambda row: int(row.seq))


def _clock(conn: Connection, model: str, now: float) -> float:
    """That of the data: the newest event time (else acceptance), and the wall clock since the newest file came."""
    usable = files.c.model == model, files.c.kind == "rows", files.c.state == "accepted"
    newest = select(func.max(NEWEST_TIME)).where(*usable).scalar_subquery()
    last = select(files.c.at).where(*usable).order_by(files.c.seq.desc()).limit(1).scalar_subquery()
    time, at = conn.execute(select(newest, last)).one()
    return now if time is None or at is None else float(time) + max(0.0, now - at)


def newest_items(conn: Connection, model: str, path: str) -> FileRow | None:
    """The newest accepted file of items at the path that is configured."""
    accepted = files.c.kind == "items", files.c.state == "accepted"
    return last_row(conn, files, files.c.model == model, files.c.path == path, *accepted)


def listed(conn: Connection, model: str, state: str | None = None, last: int | None = None) -> Sequence[FileRow]:
    """Files as people read them, newest last."""
    if state is None:
        return last_rows(conn, files, last, files.c.model == model)
    return last_rows(conn, files, None, files.c.id.in_(newest_of_state(model, state, last)))


def newest_of_state(model: str, state: str, last: int | None, before: int | None = None) -> Select[Any]:
    """The ids of the newest files of a state, with smaller ones than `before` where that is given. Few of half a
    million files are held or refused: they are found in the index by their kinds, of which the totals know all, and not
    by looking through the files in the order of their ids, which adding 0 forbids."""
    kinds = select(file_totals.c.kind).where(file_totals.c.model == model, file_totals.c.state == state)
    wanted = [files.c.model == model, files.c.state == state, files.c.kind.in_(kinds)]
    wanted += [] if before is None else [files.c.id + 0 < before]
    return select(files.c.id).where(*wanted).order_by((files.c.id + 0).desc()).limit(last)


def path_of(conn: Connection, model: str, seq: int) -> str | None:
    """The path of an accepted file by its number; None where it is gone."""
    return conn.scalar(select(files.c.path).where(files.c.model == model, files.c.seq == seq))


def is_known(conn: Connection, model: str, path: str) -> bool:
    """Whether a model has, or had, a file at that path."""
    return conn.scalar(select(files.c.id).where(files.c.model == model, files.c.path == path).limit(1)) is not None


def newest_state(conn: Connection, model: str, path: str) -> str | None:
    """What became of the newest file of a model at that path; None where there was none."""
    newest = select(files.c.state).where(files.c.model == model, files.c.path == path).order_by(files.c.id.desc())
    return conn.scalar(newest.limit(1))


def rejects_of(conn: Connection, file_id: int) -> Sequence[Row[Any]]:
    """The first rejected rows of a file."""
    return last_rows(conn, rejects, None, rejects.c.file_id == file_id)


def first_rejects(conn: Connection, file_ids: Sequence[int], most: int) -> dict[int, list[Row[Any]]]:
    """The first rejected rows of many files, at most so many of each."""
    found: dict[int, list[Row[Any]]] = {}
    for row in conn.execute(select(rejects).where(rejects.c.file_id.in_(file_ids)).order_by(rejects.c.id)):
        first = found.setdefault(row.file_id, [])
        if len(first) < most:
            first.append(row)
    return found


def labelled_rows(conn: Connection, model: str, up_to_seq: int | None = None) -> int:
    """Rows that have a label: their own, or one from a file of labels, of which those count that found their row (see
    `record_accepted`). They count only as far as there are rows without one, since some may have theirs already."""
    return totals.with_late(totals.accepted_rows(conn, model, up_to_seq))


def teaching_rows(conn: Connection, model: str, withheld: Collection[NewClass]) -> int:
    """Labelled rows but those of `withheld` classes, which teach nobody."""
    return max(0, labelled_rows(conn, model) - sum(one.rows for one in withheld))


def unjoined(conn: Connection, model: str, most: int) -> Sequence[Row[Any]]:
    """The newest accepted files of labels, at most so many, of which some labels found no row yet."""
    some = files.c.kind == "labels", files.c.labelled_rows < files.c.rows
    query = select(files).where(files.c.model == model, files.c.state == "accepted", *some)
    return conn.execute(query.order_by(files.c.seq.desc()).limit(most)).all()


def joined_later(conn: Connection, row: Row[Any], found: int) -> None:
    """So many more labels of a file found their row in one that came after it."""
    share = min(1.0, (row.labelled_rows + found) / max(1, row.rows))
    quality, labels = row.quality or {}, (row.quality or {}).get("label_classes") or {}
    joined = quality.get("joined") or {}
    later = {"joined": min(joined["labels"], joined["joined"] + found)} if joined else {}
    update_row(
        conn, files, row.id, labelled_rows=round(share * row.rows), class_rows=scaled(labels, share),
        quality=quality | {"joined": joined | later},
    )  # fmt: skip


def scaled(class_rows: Mapping[str, int], share: float) -> dict[str, int]:
    """Of labels by class, a share: which of them found their row is not kept.

    >>> scaled({"no": 10, "yes": 1}, 0.5), scaled({"no": 10}, 0.0)
    ({'no': 5, 'yes': 1}, {})
    """
    return {name: math.ceil(rows * share) for name, rows in class_rows.items() if share > 0}


def hold(conn: Connection, model: str, path: str, reason: str) -> None:
    """Keep an accepted file's rows from teaching."""
    _change(conn, model, path, ("accepted",), "held", reason)


def release(conn: Connection, model: str, path: str) -> None:
    """Let a held file's rows teach again."""
    _change(conn, model, path, ("held",), "accepted", "")


def forget(conn: Connection, model: str, path: str) -> None:
    """Drop a file's rows for good."""
    _change(conn, model, path, ("accepted", "held", "refused"), "forgotten", "by hand")


def retelling(conn: Connection, model: str, before_id: int) -> list[FileRow]:
    """Files of labels before one that give labels to rows that have some, accepted or held, oldest first."""
    alike = files.c.model == model, files.c.kind == "labels", files.c.state.in_(("accepted", "held"))
    found = last_rows(conn, files, RETELLING_FILES, *alike, files.c.id < before_id)
    return [row for row in found if (row.quality or {}).get("retold")]


def newest_seq_at(conn: Connection, model: str, path: str) -> int | None:
    """The number of what a path holds now, which a new file there replaces; None for nothing."""
    here = files.c.model == model, files.c.path == path, files.c.state.in_(("accepted", "held"))
    return conn.scalar(select(files.c.seq).where(*here).order_by(files.c.id.desc()).limit(1))


def hold_new(
    conn: Connection, row: FileRow, doubts: list[dict[str, Any]], reason: str, also: Mapping[str, Any] | None = None
) -> None:
    """Note what speaks against a file that was taken in just now, and what `also` is known; with a `reason` it teaches
    nobody."""
    quality = {**(row.quality or {}), "doubts": doubts, **(also or {})}
    update_row(conn, files, row.id, state="held" if reason else "accepted", reason=reason, quality=quality)


def let_in(conn: Connection, file_id: int) -> None:
    """A held file may teach after all."""
    conn.execute(
        update(files).where(files.c.id == file_id, files.c.state == "held").values(state="accepted", reason="")
    )


def newest_rows(
    conn: Connection, model: str, last: int, states: tuple[str, ...], but: str = "", sources: tuple[str, ...] = ()
) -> Sequence[FileRow]:
    """The newest files of rows in these states, oldest first, and where what was first predicted of each lies;
    without that at path `but`, and where `sources` are named only those from there."""
    of_file = checks.c.file_id == files.c.id, checks.c.predictions.is_not(None)
    first = select(checks.c.predictions).where(*of_file).order_by(checks.c.id).limit(1).scalar_subquery()
    wanted = files.c.model == model, files.c.kind == "rows", files.c.state.in_(states), files.c.path != but
    query = select(files, first.label("predictions")).where(*wanted)
    if sources:
        query = query.where(files.c.source.in_(sources))
    return conn.execute(query.order_by(files.c.seq.desc()).limit(last)).all()[::-1]


def _change(conn: Connection, model: str, path: str, before: tuple[str, ...], after: str, reason: str) -> None:
    rows = last_rows(conn, files, None, files.c.model == model, files.c.path == path)
    if not rows:
        raise Refused(f"{model} has no file {path!r}", f"driftd files {model} lists them")
    changed = [row.id for row in rows if row.state in before]
    if not changed:
        raise Refused(f"{path} is {rows[-1].state}, not {' or '.join(before)}")
    update_row(conn, files, changed[-1], state=after, reason=reason)


def _insert(conn: Connection, model: str, path: str, seen: Look, now: float, **values: Any) -> int:
    look = {name: getattr(seen, name) for name in LOOK}
    return insert_row(conn, files, {"model": model, "path": path, "at": now, **look, **values})


def _supersede(conn: Connection, model: str, path: str) -> None:
    """The rows that the path held leave every window, unless the same content lives on under another name; what was
    refused there is past."""
    here = files.c.model == model, files.c.path == path, files.c.state.in_(("accepted", "held", "refused"))
    there = conn.execute(select(files).where(*here)).all()
    refused = [row.id for row in there if row.state == "refused"]
    if refused:
        conn.execute(update(files).where(files.c.id.in_(refused)).values(state="superseded"))
    old = next((row for row in there if row.state != "refused"), None)
    if old is None:
        return
    copies = files.c.duplicate_of == old.id, files.c.state == "duplicate", files.c.path != path
    heir = last_row(conn, files, *copies)
    update_row(conn, files, old.id if heir is None else heir.id, state="superseded")
    if heir is not None:
        update_row(conn, files, old.id, path=heir.path, **{name: getattr(heir, name) for name in LOOK})
