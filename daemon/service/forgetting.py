"""Forgets people: their rows leave the state folder, and what says who they were is erased last.

The command keeps the ids until the rows are gone, and is done again after a kill: the first transaction has the marks
by which intake leaves their rows out from then on, then file after file is written anew, committed and its old removed,
and one transaction blanks the command; the ledger is written anew before the command is done. Each step finds what is
left to do in the folder itself."""

import asyncio
import json
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import scoring_dirs
from daemon.config.paths import ROWS, ModelPaths
from daemon.cycles.schemas import known_schema
from daemon.cycles.tidying import clear_holds
from daemon.intake.events import REFUSED
from daemon.intake.prediction_log import convert_segments
from daemon.ledger import Ledger, commands, cpu, cycles, due, forgotten, versions
from daemon.ledger.forgotten import Theirs
from daemon.reading.marks import canonical, mark_of
from daemon.reading.mentions import Mentions
from daemon.reading.operations import ForgetRequest, Rewritten
from daemon.reports.forgotten import answer, learned_by
from daemon.runtime.context import ModelContext, Shared
from daemon.runtime.forget_key import make_key
from daemon.runtime.log import get_logger
from daemon.runtime.publish import publish_made
from daemon.runtime.spool import finished_segments
from daemon.runtime.worker.process import WorkerError
from retrain import durable
from retrain.records.cycle import CycleState
from retrain.records.errors import Refused
from retrain.records.schema import Schema
from retrain.store.versions import list_versions, reseal, undamaged

log = get_logger()
FILES_AT_ONCE = 50
LOOK_S, AGAIN_S = 0.1, 2.0
TOLD_S = 5.0
"""After so many seconds it is logged what has gone, again and again."""
AWAY = (SQLAlchemyError, OSError)
PURGE_AGAIN_S = 5.0
MASK, PACKED = b"x", (".gz", ".xz", ".bz2", ".zst")
KNOWN_USERS = "reference/users.npz"


@dataclass
class Forgetting:
    """`contexts` are the models that are kept; `hand_over` has servers close their segments, `take_posted` all events
    of a model that recommends be taken in that lie in finished ones, and says whether they were; `write_events` has the
    events of the log be written."""

    shared: Shared
    contexts: Callable[[], Mapping[str, ModelContext]]
    hand_over: Callable[[], Awaitable[None]]
    take_posted: Callable[[str], Awaitable[bool]]
    write_events: Callable[[], None]

    async def forget(self, command: commands.CommandRow) -> str:
        """Do what a command asks for, or the rest of it; what it came to. Refused where it asks for nothing that is
        there: then, too, the ids are erased."""
        ledger, refused = self.shared.ledger, command.args.get("refused")
        context = self.contexts().get(command.args["model"])
        try:
            if context is None:
                raise Refused(f"no model {command.args['model']!r} in the running configuration")
            if "ids" in command.args:
                await _Task(self, context, command).run()
        except AWAY:
            raise  # the world's fault: the ids are needed when that is over
        except Exception as error:  # it is not done again, so nothing may say any more who it was
            refused = _refusal(error)
            await self.shared.writable()
            with ledger.begin(durable=True) as conn:
                forgotten.blank(conn, command, refused)
        try:
            await asyncio.to_thread(ledger.purge)
        except AWAY:
            await asyncio.sleep(PURGE_AGAIN_S)  # it is asked again at once, and writes all tables anew
            raise
        if (store := self.shared.store) is not None:
            await store()
            await store.sweep_out(ledger)
        durable.crash_point("forget.purged")
        if refused is not None:
            raise Refused(*refused)
        assert context is not None
        with ledger.begin(durable=True) as conn:
            row = forgotten.of_command(conn, command)
            assert row is not None, "blanked only with what it came to"
            forgotten.finish(conn, row.id, context.now())
        context.log.info(
            "people_forgotten", column=row.column, people=row.people, rows=row.found["rows"],
            files=len(row.found.get("files", ())), seconds=round(context.now() - row.found["since"], 2),
        )  # fmt: skip
        context.decision_needed.set()
        return answer(self.shared.config, context.name, row)


def _refusal(error: Exception) -> tuple[str, str]:
    """What is told of an error, and the way out; of one that nobody thought of the log has where it came from, and not
    what it says, which may be an id."""
    if isinstance(error, Refused):
        return error.message, error.hint
    if isinstance(error, WorkerError):
        return f"rows of theirs may be left: {error.message}", "ask again"
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("part_failed", part="forget_people", error=type(error).__name__, traceback=frames)
    return f"rows of theirs may be left: {type(error).__name__}", "ask again; the log of the service may say more"


@dataclass
class _Task:
    """One command for one model."""

    all: Forgetting
    context: ModelContext
    command: Any

    async def run(self) -> None:
        """All that needs to know the ids; the ledger has the rest when it returns."""
        context, args = self.context, self.command.args
        self.schema = known_schema(context)
        self.column = column_of(context, self.schema, args.get("column"))
        kind = "category" if self.schema is None else self.schema.column(self.column).kind
        self.values = tuple(sorted({canonical(text, kind) for text in args["ids"]}))
        self.theirs = Theirs(self.column, {*self.values, *args["ids"]})
        self.there: set[str] = set()
        with self.ledger.connect() as conn:
            is_anyone = forgotten.is_anyone(conn)
        key = make_key(context.shared.config.paths, is_anyone)
        marks = {mark_of(context.name, self.column, value, key) for value in self.values}
        await context.shared.writable()
        with self.ledger.begin(durable=True) as conn:
            self.is_fresh = forgotten.of_command(conn, self.command) is None
            self.row = forgotten.begin(conn, self.command, context.name, self.column, marks, context.now())
        durable.crash_point("forget.begun")
        await self._labels_taken()
        async with context.turns.alone():
            await convert_segments(context)
            await self._files()
            await asyncio.to_thread(self._quarantine)
            await asyncio.to_thread(self._refused_events)
            self._restart_cycle()
            clear_holds(context.shared.config.paths)
            self.all.write_events()
            await asyncio.to_thread(self._mask_log)
            await context.shared.writable()
            await asyncio.to_thread(self._finish)
        durable.crash_point("forget.blanked")

    @property
    def _recommends(self) -> bool:
        return self.context.settings.task == "recommendation"

    @property
    def ledger(self) -> Ledger:
        """Of the service."""
        return self.context.shared.ledger

    @property
    def folders(self) -> ModelPaths:
        """Of the model."""
        return self.context.folders

    async def _labels_taken(self) -> None:
        """What servers have written until now lies in finished segments, and those of labels or events are taken in,
        which leaves out who is forgotten."""
        await self.all.hand_over()
        spools = self.folders.spool, self.folders.log_spool
        before = {path.with_suffix("") for spool in spools for path in spool.glob("*.*")}
        while True:
            finished_segments(self.folders.log_spool)  # closes those of servers that are gone
            if self._recommends and not await self.all.take_posted(self.context.name):
                await asyncio.sleep(AGAIN_S)
                continue
            left = {path.with_suffix("") for path in self.folders.spool.glob("*.*")}
            left |= {path.with_suffix("") for path in self.folders.log_spool.glob("*.open")}
            if not before & left:
                return
            await asyncio.sleep(LOOK_S)

    async def _files(self) -> None:
        """Snapshots with their predictions, the prediction log, and what waits: pulled, or beside a pipeline."""
        schema, folders = self.schema, self.folders
        target = "" if schema is None else schema.target
        by_class = schema is None or schema.task == "classification"
        logged = "__id" if schema is not None and self.column == schema.id_column else self.column
        places = (
            (sorted(folders.snapshots.glob("*.parquet")), self.column, self._snapshot),
            (sorted(folders.logged.glob("*.parquet")), logged, self._log),
            (sorted(folders.pulled.glob(f"*/{ROWS}")), self.column, self._pulled),
            (sorted(folders.adoptions.glob(f"*/{ROWS}")), self.column, self._adopted),
            (self._known_users(), self.column, self._users),
        )  # fmt: skip
        total, done, told_s = sum(len(paths) for paths, _, _ in places), 0, time.monotonic()
        for paths, column, rewritten in places:
            for start in range(0, len(paths), FILES_AT_ONCE):
                some = paths[start : start + FILES_AT_ONCE]
                request = ForgetRequest(
                    paths=tuple(some), column=column, values=self.values, work=folders.intake, target=target,
                    by_class=by_class, predictions=folders.predictions,
                )  # fmt: skip
                result = await self.context.shared.analyst.ask_again(request)
                for one in result.files:
                    self.there |= one.who
                    await rewritten(one)
                if result.unread:
                    names = [str(path.relative_to(folders.state)) for path in result.unread]
                    with self.ledger.begin() as conn:
                        forgotten.add(conn, self.row.id, "unread", names)
                done += len(some)
                if time.monotonic() - told_s >= TOLD_S:
                    told_s = time.monotonic()
                    self.context.log.info("people_forgetting", files=done, of=total)

    async def _snapshot(self, one: Rewritten) -> None:
        """Published, committed, and only then the old one removed."""
        folders = self.folders
        new = None if one.new is None else publish_made(one.new, folders.snapshot(one.digest), "forget.publish")
        beside: dict[str, str] = {}
        for name, made in one.beside.items():
            old = folders.predictions / name
            if new is None:
                made.unlink(missing_ok=True)
                beside[self._relative(old)] = ""
            else:
                final = folders.predictions / f"{new.stem}{name.removeprefix(one.old.stem)}"
                beside[self._relative(old)] = self._relative(publish_made(made, final, "forget.predictions"))
        told = {"rows": one.gone, "labelled": one.gone_labelled, "classes": one.gone_classes}
        await self.context.shared.writable()
        with self.ledger.begin(durable=True) as conn:
            forgotten.snapshot_rewritten(
                conn, self.row.id, self.context.name, self._relative(one.old),
                None if new is None else self._relative(new), told, beside,
            )  # fmt: skip
        durable.crash_point("forget.committed")
        for name in one.beside:
            durable.remove(folders.predictions / name, "forget.remove_predictions")
        if new != one.old:
            durable.remove(one.old, "forget.remove")

    async def _log(self, one: Rewritten) -> None:
        name = f"{one.old.stem.rpartition('-')[0]}-{one.digest[:32]}.parquet"
        new = None if one.new is None else publish_made(one.new, one.old.with_name(name), "forget.publish")
        told = {"rows": one.gone, "left": one.rows, "digest": one.digest, "bytes": one.bytes, "answers": one.answers}
        await self.context.shared.writable()
        with self.ledger.begin(durable=True) as conn:
            forgotten.log_rewritten(
                conn, self.row.id, self._relative(one.old), None if new is None else self._relative(new), told
            )
        durable.crash_point("forget.committed")
        durable.remove(one.old, "forget.remove")

    async def _pulled(self, one: Rewritten) -> None:
        """It keeps its name: it waits to be taken in, and goes then."""
        if one.new is None:
            durable.remove(one.old, "forget.remove")
        else:
            publish_made(one.new, one.old, "forget.publish")

    async def _adopted(self, one: Rewritten) -> None:
        """Rows that came with a pipeline which is to be adopted: where none are left it is not."""
        await self.context.shared.writable()
        with self.ledger.begin(durable=True) as conn:
            due.rows_left(conn, self.context.name, one.old.parent.name, one.rows, self.context.now())
            forgotten.add(conn, self.row.id, "adopted", [(one.old.parent.name, one.gone)])  # once more after a kill
        durable.crash_point("forget.committed")
        await self._pulled(one)

    def _known_users(self) -> list[Path]:
        """Of each version that recommends, published or not, the file of who was known; of others nothing."""
        if not self._recommends:
            return []
        found = [self.folders.version(name) for name in list_versions(self.folders.versions)]
        for staged in self.context.shared.config.paths.cycles.glob("*/version"):
            if (undamaged(staged / "training.json") or {}).get("model") == self.context.name:
                found.append(staged)
        return [path for folder in found if (path := folder / KNOWN_USERS).exists()]

    async def _users(self, one: Rewritten) -> None:
        """First the version says that it holds another file: if it is killed then, both are written again."""
        assert one.new is not None
        reseal(one.old.parents[1], KNOWN_USERS, one.digest)
        publish_made(one.new, one.old, "forget.publish")

    def _quarantine(self) -> None:
        """Rejected rows that are theirs."""
        gone = sum(_rewrite_lines(path, self._is_theirs) for path in sorted(self.folders.quarantine.glob("*.jsonl")))
        if gone:
            with self.ledger.begin() as conn:
                forgotten.add(conn, self.row.id, "rejected", [gone])

    def _refused_events(self) -> None:
        """Posted events that were refused and are kept for somebody to look at."""
        for path in sorted(self.folders.spool.glob(f"{REFUSED}*/*.jsonl")):
            _rewrite_lines(path, self._is_their_event)

    def _is_their_event(self, line: bytes) -> bool:
        """Of a line as it was posted, or of one as a data file has it."""
        try:
            said = json.loads(line)
        except ValueError:
            return True
        return not {said.get("user"), said.get(self.column)}.isdisjoint(self.values)

    def _is_theirs(self, line: bytes) -> bool:
        try:
            said = json.loads(line)
        except ValueError:
            return True  # torn: nobody can read it
        return self.theirs.in_reject(said.get("column"), said.get("raw"), said.get("reason"))

    def _restart_cycle(self) -> None:
        """What an open cycle prepared of their rows goes, and it begins anew; another keeps its version alone."""
        with self.ledger.connect() as conn:
            found = forgotten.of_command(conn, self.command)
            cycle = cycles.current(conn, self.context.name)
        if cycle is None or found is None or not (found.found.get("files") or found.found.get("adopted")):
            return
        work = self.folders.cycle(cycle.id)
        if cycle.state is CycleState.OPEN and cycle.stage != "promote":
            durable.remove(work, "forget.remove_work")
        elif work.is_dir():
            for path in work.iterdir():
                if path.name != "version":
                    durable.remove(path, "forget.remove_work")

    def _mask_log(self) -> None:
        """Long ids in the file of `[service.log]` and those beside it that are rotated and not packed: each byte is
        written over, for others append."""
        path = self.context.shared.config.log_file
        if path is None or not self.theirs.long:
            return
        for one in path.parent.glob(f"{path.name}*"):
            if one.is_file() and one.suffix not in PACKED:
                _write_over(one, self.theirs.long)

    def _finish(self) -> None:
        """What it comes to, and the command without the ids, at once."""
        context, name = self.context, self.context.name
        with self.ledger.connect() as conn:
            places = forgotten.mentioning(conn, self.theirs)
        with self.ledger.begin(durable=True) as conn:
            row = forgotten.of_command(conn, self.command)
            assert row is not None
            told = row.found.get("files", [])
            stored = [one.name for one in versions.stored(conn, name)]
            rejected = forgotten.remove_rejects(conn, name, self.theirs)
            redacted = forgotten.redact(conn, self.theirs, places)
            forgotten.note(
                conn, row.id, redacted=redacted,
                rows=sum(one["rows"] for one in told) + sum(dict(row.found.get("adopted", ())).values()),
                rejected=[max(rejected, sum(row.found.get("rejected", ())))],
                log_rows=sum(one["rows"] for one in row.found.get("log", ())),
                versions=learned_by(self.folders, stored, {one["sha256"] for one in told}),
                retrain_s=_retrain_s(cpu.by_cycle(conn, name, 0.0)),
                category=not self._recommends and _is_feature(self.schema, self.column),
                still=_still(context, told), scored=_scored(context),
                nowhere=len(set(self.values) - self.there) if self.is_fresh else 0,
                texts=[name for name in stored if self._mentions(self.folders.version(name))],
            )  # fmt: skip
            forgotten.blank(conn, self.command)

    def _mentions(self, version: Path) -> bool:
        """Whether a version learned a text that names one of them: a category, a word."""
        return bool(self.theirs.long) and any(
            self.theirs.long.holds(path.read_text("utf-8", "replace")) for path in version.rglob("*.json")
        )

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self.folders.state))


def column_of(context: ModelContext, schema: Schema | None, named: str | None) -> str:
    """The column that says who it is; Refused where it is not plain, or a model has none."""
    name, settings = context.name, context.settings
    if settings.task == "recommendation":
        if named not in (None, settings.user_column):
            raise Refused(f"{name} recommends: it forgets its users, not by {named!r}", "leave --column out")
        return str(settings.user_column)
    column = named or settings.id_column
    if column is None:
        raise Refused(f"{name} has no id_column", "name the column with --column")
    if schema is not None and column not in {one.name for one in schema.columns}:
        raise Refused(f"{name} keeps no column {column!r}", f"it keeps {', '.join(one.name for one in schema.columns)}")
    return column


def _is_feature(schema: Schema | None, column: str) -> bool:
    return schema is not None and column in {one.name for one in schema.features}


def _retrain_s(by_cycle: Mapping[int, Mapping[str, float]]) -> float | None:
    """What a retrain took, the mean of all that are known (CPU seconds)."""
    spent = [one["retrains"] for one in by_cycle.values() if one["retrains"] > 0]
    return round(sum(spent) / len(spent), 2) if spent else None


def _still(context: ModelContext, told: Iterable[Mapping[str, Any]]) -> list[str]:
    """Files of the user's own that their rows came from and that are there still; objects, which are there or not."""
    paths = {one["file"] for one in told if one["source"] == "folder"}
    if (uri := context.settings.data_uri) is not None:
        return sorted(f"{uri}/{path}" for path in paths)
    return sorted(str(context.place_of(path)) for path in paths if context.place_of(path).exists())


def _rewrite_lines(path: Path, is_theirs: Callable[[bytes], bool]) -> int:
    """Let go of their lines; how many."""
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not is_theirs(line)]
    if len(kept) < len(lines):
        durable.replace_file(path, b"".join(kept), "forget.lines")
    return len(lines) - len(kept)


def _scored(context: ModelContext) -> list[str]:
    """Folders of the user's own in which files are scored: what lies there is theirs, and the results are, too."""
    places = scoring_dirs(context.shared.config, context.name) or ()
    return [str(place) for place in places if place.is_dir() and next(place.iterdir(), None) is not None]


def _write_over(path: Path, long: Mentions) -> None:
    """Line after line: a log may be large."""
    changed, at = False, 0
    with path.open("rb") as lines, path.open("r+b") as file:
        for line in lines:
            text = line.decode("utf-8", "surrogateescape")
            for begin, end in long.spans(text):
                before, theirs = (part.encode("utf-8", "surrogateescape") for part in (text[:begin], text[begin:end]))
                changed = True
                durable.crash_point("forget.mask.before_write")
                file.seek(at + len(before))
                file.write(MASK * len(theirs))
            at += len(line)
    if changed:
        durable.fsync_path(path)
