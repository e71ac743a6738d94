"""Files that are scored as they are dropped: noticed and settled as data files are, answered by the served deployment
in a worker, and each content once, wherever the service is killed.

What is to be scored by whom is committed before the worker begins, and what came of it, with the rows for the
prediction log, before the result gets its name: a kill before that begins anew, and after it only gives the names."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.exc import OperationalError

from daemon.config.config import scoring_dirs
from daemon.cycles.schemas import current_schema
from daemon.intake.files import Intake
from daemon.intake.hanging import FolderHung, answers, unless_hung
from daemon.intake.settle import Pause
from daemon.intake.take_in import MOST_DEATHS, SMALLER, tell_failure
from daemon.intake.taking import Taken
from daemon.ledger import prediction_log, promotions, scored
from daemon.reading.look import Look
from daemon.reading.operations import DigestRequest, ScoreRequest, ScoreResult
from daemon.runtime.forgotten import marks_of
from daemon.runtime.publish import publish_made
from daemon.runtime.worker.process import WorkerError
from daemon.scoring.names import REJECTS, beside, is_of_a_result, passing, result_name
from drift.notation import counted
from retrain import durable
from retrain.operations import to_json
from retrain.records.deployment import Deployment
from retrain.records.errors import Refused, Retry

T = TypeVar("T")
LONGEST_NAME = 255
"""Bytes of a name, on file systems that are in use."""
OTHER_NAME = "give the file another name"


@dataclass
class DroppedFiles(Intake):
    """One model's files to be scored; `run` until cancelled. `logged` is called when rows came into the log."""

    logged: Callable[[], None] = lambda: None
    _told_waiting: bool = field(default=False)
    _unnamed: dict[str, str] = field(default_factory=dict)

    async def run(self) -> None:
        """Give names to what was made, then notice, settle and score, again and again."""
        await self._in_out(self._make_out)
        await self.context.shared.writable()
        await self._finish()
        with self.context.shared.ledger.begin() as conn:
            begun = scored.forget_begun(conn, self.context.name)
        await self._in_out(self._sweep, begun)
        await super().run()

    @property
    def folder(self) -> Path:
        """The folder that files are dropped into."""
        return self._dirs[0]

    @property
    def out_dir(self) -> Path:
        """The folder that results appear in."""
        return self._dirs[1]

    @property
    def recursive(self) -> bool:
        """Sub-folders would give two results one name."""
        return False

    def called(self, path: str) -> str:
        """By its place: no data file is called so."""
        return str(self.folder / path)

    @property
    def _dirs(self) -> tuple[Path, Path]:
        dirs = scoring_dirs(self.context.shared.config, self.context.name)
        assert dirs is not None, "only models with [scoring] have these"
        return dirs

    def _known(self) -> tuple[dict[str, Look], str]:
        with self.context.shared.ledger.connect() as conn:
            return scored.known(conn, self.context.name), ""

    async def _look_at_refused_again(self) -> None:
        """Only a file that was touched is looked at again."""

    def _keep_learned(self, found: Pause) -> None:
        """It is learned anew after a restart."""

    def _items_beside(self, found: Any) -> Any:
        return found

    async def _in_out(self, work: Callable[..., T], *arguments: Any) -> T:
        """What touches the folder of results, which may hang as that of the files may."""
        return await self._beside_of(self.out_dir, work, *arguments)

    def _is_ours(self, path: str) -> bool:
        return "/" not in path and super()._is_ours(path)

    def _look(self, path: str) -> Any:
        from daemon.reading.look import look

        return look(self.folder / path, self.folder)

    # --- one file -----------------------------------------------------------------------------------------

    async def _take(self, path: str, seen: Look) -> Taken:
        log = self.context.log.bind(file=self.called(path))
        deployment = self._served()
        if deployment is None:
            if not self._told_waiting:
                self._told_waiting = True
                log.info("scoring_waits", reason="there is no promoted version yet")
            return Taken.LATER
        self._told_waiting = False
        try:
            await self._finish()
            self._require_named(result_name(path))
            return await self._scored(path, seen, deployment)
        except FolderHung as error:
            log.warning("file_delayed", reason=str(error))
            return Taken.HUNG
        except Refused as error:
            reason = await self._refused(path, seen, str(error))
            if not reason:
                return Taken.REFUSED
        except WorkerError as error:
            reason, deaths = error.message, 0
            if error.kind in ("died", "failed"):
                deaths = self.context.deaths[self.called(path), seen] = (
                    self.context.deaths.get((self.called(path), seen), 0) + 1
                )
                reason = f"{reason}, {counted(deaths, 'time')} so far"
            if error.kind in ("refused", "late") or deaths >= MOST_DEATHS:
                smaller = "" if error.kind == "refused" else SMALLER
                reason = await self._refused(path, seen, reason + smaller)
                if not reason:
                    return Taken.REFUSED
        except (OSError, OperationalError, Retry) as error:
            reason = str(error)
        except Exception as error:  # one file must never stand before all others
            reason = tell_failure(self.context, log, error)
        log.warning("file_delayed", reason=reason)
        return Taken.LATER

    def _served(self) -> Deployment | None:
        with self.context.shared.ledger.connect() as conn:
            champion = promotions.champion(conn, self.context.name)
        return None if champion is None else champion.deployment

    async def _scored(self, path: str, seen: Look, deployment: Deployment) -> Taken:
        context, name, log = self.context, result_name(path), self.context.log.bind(file=self.called(path))
        _refuse_name(path, name)
        most = context.settings.limits.max_file
        look_at = DigestRequest(
            path=self.folder / path, recent=self._is_recent(path, seen), root=self.folder, most_bytes=most
        )
        content = await self._asked(context.shared.analyst.call(look_at))
        if content.writing:
            log.info("file_unfinished", reason=content.writing)
            return Taken.UNFINISHED
        await context.shared.writable()
        if await self._repeats(path, seen, content.sha256):
            return Taken.DUPLICATE
        await self._refuse_taken(path, name)
        with context.shared.ledger.begin(durable=True) as conn:
            key = scored.begin(
                conn, context.name, path, seen, context.now(), sha256=content.sha256, result=name,
                version=deployment.name, deployment=deployment.digest,
            )  # fmt: skip
        durable.crash_point("scoring.begun")
        async with context.turns.shared():
            try:
                result = await self._asked(self._score(path, seen, content.sha256, deployment))
            except WorkerError:
                await self._in_out(self._sweep, [name])
                raise
            await context.shared.writable()
            await self._commit(key, result)
        durable.crash_point("scoring.committed")
        if result.logged is not None:
            self.logged()
        await self._finish(is_proven=True)
        self._require_named(name)
        return Taken.ACCEPTED

    async def _asked(self, asked: Any) -> Any:
        """What the worker answers; FolderHung where what takes long is one of the folders."""
        looking, places = self.context.shared.looking, (self.folder / "in", self.out_dir / "out")
        for place in places:
            asked = unless_hung(looking, place, asked)
        try:
            return await asked
        except WorkerError as error:
            for place in places if error.kind == "late" else ():
                if not await answers(looking, place):
                    raise FolderHung(f"{place.parent} does not answer") from None
            raise

    async def _score(self, path: str, seen: Look, sha256: str, deployment: Deployment) -> ScoreResult:
        context, name = self.context, result_name(path)
        with context.shared.ledger.connect() as conn:
            is_logged = scored.is_logged(conn, context.name, sha256)
        request = ScoreRequest(
            path=self.folder / path, root=self.folder, seen=seen, name=name, out=passing(self.out_dir / name),
            rejected=passing(self.out_dir / (name + REJECTS)), work=context.folders.intake, deployment=deployment,
            versions=context.folders.versions, schema=current_schema(context), settings=context.settings,
            now=context.now(), is_logged=is_logged, forgotten=marks_of(context),
        )  # fmt: skip
        return await context.shared.analyst.call(request, context.settings.limits.read_time, "limits.read_time")

    async def _commit(self, key: int, result: ScoreResult) -> None:
        """What came of it, and the rows for the log, at once."""
        context, logged, relative = self.context, result.logged, ""
        if logged is not None:
            final = context.folders.logged / f"scored-{logged.digest[:32]}.parquet"
            publish_made(logged.path, final, "prediction_log.publish")
            relative = str(final.relative_to(context.folders.state))
            await context.shared.writable()
        with context.shared.ledger.begin(durable=True) as conn:
            if logged is not None:
                prediction_log.record(conn, context.name, relative, [], to_json(logged), context.now())
            scored.made(
                conn, key, result_sha256=result.sha256, rows=result.rows, rejected=result.rejected,
                logged=0 if logged is None else logged.rows,
            )  # fmt: skip

    async def _repeats(self, path: str, seen: Look, sha256: str) -> bool:
        """Whether this content was scored, and its result is there still, of no other content and as it was written;
        then only its name is recorded."""
        with self.context.shared.ledger.connect() as conn:
            original = scored.by_content(conn, self.context.name, sha256)
            latest = None if original is None else scored.made_last(conn, self.context.name, original.result)
        if original is None or latest is None or latest.id != original.id:
            return False
        if not await self._in_out(_is_of, self.out_dir / original.result, original.result_sha256):
            return False
        with self.context.shared.ledger.begin() as conn:
            scored.repeated(conn, self.context.name, path, seen, original, self.context.now())
        if original.path != path:
            same, result = self.called(original.path), original.result
            self.context.log.info("scoring_repeated", file=self.called(path), duplicate_of=same, result=result)
        return True

    async def _refuse_taken(self, path: str, name: str) -> None:
        """Refused where a file of the result's name, or of its list's or receipt's, is none of this file's own."""
        with self.context.shared.ledger.connect() as conn:
            latest = scored.made_last(conn, self.context.name, name)
        if latest is not None and latest.path == path:
            return
        if latest is not None:
            raise Refused(f"its result would be called {name}, as that of {latest.path} is", OTHER_NAME)
        there = await self._in_out(_first_there, self.out_dir / name)
        if there is not None and not await self._in_out(self._is_by_receipt, path, self.out_dir / name):
            raise Refused(f"out_dir has a {there.name} that is no result", OTHER_NAME)

    def _is_by_receipt(self, path: str, out: Path) -> bool:
        """Whether a result's receipt says that it was made of this file, as where the ledger is of a backup."""
        said = _receipt_of(beside(out)[1])
        is_mine = (said.get("file"), said.get("model"), said.get("result")) == (path, self.context.name, out.name)
        return is_mine and (not out.exists() or _is_of(out, str(said.get("result_sha256"))))

    async def _refused(self, path: str, seen: Look, reason: str) -> str:
        """Commit that a file cannot be scored, and log why; "", or why that could not be done."""
        context = self.context
        try:
            await context.shared.writable()
            with context.shared.ledger.begin() as conn:
                scored.refused(conn, context.name, path, seen, reason, context.now())
        except OperationalError as failure:
            return str(failure)
        context.log.warning("scoring_refused", file=self.called(path), reason=reason)
        return ""

    # --- names --------------------------------------------------------------------------------------------

    async def _finish(self, is_proven: bool = False) -> None:
        """Give all committed results their names; what was made just now `is_proven` to be whole."""
        with self.context.shared.ledger.connect() as conn:
            rows = scored.unfinished(conn, self.context.name)
        self._unnamed = {}
        for row in rows:
            try:
                is_named = await self._in_out(self._publish, row, is_proven)
            except OSError as error:  # one result must never stand before all others
                self._unnamed[row.result] = str(error)
                continue
            if is_named:
                self.context.log.info(
                    "file_scored", file=self.called(row.path), version=row.version, rows=row.rows,
                    rejected=row.rejected, result=row.result,
                )  # fmt: skip

    def _require_named(self, name: str) -> None:
        """Retry where a result of that name lies ready, and cannot be given it."""
        if name in self._unnamed:
            raise Retry(f"{name} cannot be given its name: {self._unnamed[name]}")

    def _publish(self, row: Any, is_proven: bool) -> bool:
        """Give a committed result, the list of rows without an answer, and the receipt their names; the result's comes
        last. Done again after a kill it changes nothing, also where somebody took the result away at once: its receipt
        is there. No where what lay ready was removed."""
        out = self.out_dir / row.result
        ready, (rejects, receipt) = passing(out), beside(out)
        is_there = is_proven or _is_of(ready, row.result_sha256)
        if (
            not is_there
            and not _is_of(out, row.result_sha256)
            and _receipt_of(receipt).get("result_sha256") != row.result_sha256
        ):
            with self.context.shared.ledger.begin() as conn:
                scored.lost(conn, row.id)
            return False
        if row.rejected and passing(rejects).exists():
            durable.publish_file(passing(rejects), rejects, "scoring.rejects")
        elif not row.rejected:
            rejects.unlink(missing_ok=True)
        if is_there:
            said = json.dumps(self._receipt(row), indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace")
            durable.replace_file(receipt, said + b"\n", "scoring.receipt")
            durable.publish_file(ready, out, "scoring.result")
        passing(rejects).unlink(missing_ok=True)
        with self.context.shared.ledger.begin(durable=True) as conn:
            scored.finished(conn, row.id, self.context.now())
        return True

    def _receipt(self, row: Any) -> dict[str, Any]:
        return {
            "file": row.path, "sha256": row.sha256, "model": self.context.name, "version": row.version,
            "deployment": row.deployment, "result": row.result, "result_sha256": row.result_sha256, "rows": row.rows,
            "rejected": row.rejected, "rejects": row.result + REJECTS if row.rejected else None, "at": row.at,
        }  # fmt: skip

    def _make_out(self) -> None:
        try:
            self.out_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.context.log.error("data_dir_missing", folder=str(self.out_dir), error=error.strerror)

    def _sweep(self, names: Sequence[str]) -> None:
        """Remove what a worker left of results of these names; what others write stays."""
        for name in names:
            for path in (self.out_dir / name, self.out_dir / (name + REJECTS)):
                with contextlib.suppress(OSError):
                    passing(path).unlink(missing_ok=True)


def _refuse_name(path: str, name: str) -> None:
    """Refused where a result could not have that name."""
    if is_of_a_result(path) or is_of_a_result(name):
        raise Refused(f"{name} is what the list or the receipt of another result is called", OTHER_NAME)
    if len(os.fsencode(passing(Path(name + REJECTS)).name)) > LONGEST_NAME:
        raise Refused("its name is too long for those of what is made of it", OTHER_NAME)


def _first_there(out: Path) -> Path | None:
    """Which of a result, its list and its receipt is there."""
    return next((one for one in (out, *beside(out)) if one.exists() or one.is_symlink()), None)


def _receipt_of(path: Path) -> dict[str, Any]:
    """What a receipt says; nothing where none is there."""
    try:
        said = json.loads(path.read_bytes())
    except (FileNotFoundError, IsADirectoryError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _is_of(path: Path, sha256: str) -> bool:
    """Whether a file is there and has this content."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False
