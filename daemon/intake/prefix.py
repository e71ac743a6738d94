"""A prefix of an object store as the data folder: listed from time to time, its new objects fetched and taken in as
files that are dropped. Objects appear whole, so nothing has to settle.

An object is known by its size, its time and its ETag, and fetched once for each of its contents, whole before it is
read. What counts is the commit, as of any file: a kill before it fetches again."""

import asyncio
import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from daemon.config.config import items_path
from daemon.intake.files import Intake
from daemon.intake.settle import poll_pause_s
from daemon.intake.take_in import refuse, take_file
from daemon.intake.taking import Taken, Taking
from daemon.ledger import files
from daemon.reading.look import Look, Problem, is_passing, refuse_large
from daemon.runtime.printable import printable
from daemon.runtime.stores import data_options
from drift.notation import counted
from retrain import durable
from retrain.records.errors import Refused, Retry
from retrain.store.backends.any_names import ODD_NAME, Stored, is_askable
from retrain.store.backends.objects import ObjectStore, StoreFailed

RETRY_S, LONGEST_RETRY_S = 5.0, 60.0
BARRED_S = 3600.0
"""An object that may not be read is asked for again after so long."""
LOGGED_BARRED = 20
NAME_BYTES = 200
"""Of an object's name, which may be longer than that of a file."""
NAMED = 3
"""New objects that are named to who asked."""


@dataclass
class PrefixIntake(Intake):
    """One model's prefix; `run` until cancelled."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _opened: tuple[Mapping[str, str], ObjectStore] | None = None
    _asked: list["asyncio.Future[str]"] = field(default_factory=list)
    _barred: dict[str, tuple[Look, float]] = field(default_factory=dict)
    _newest_s: float = field(default_factory=time.monotonic)
    _failed: bool = False
    _failing_since_s: float = 0.0
    _retry_s: float = RETRY_S

    async def run(self) -> None:
        """List, fetch, take in, again and again."""
        await self._beside(durable.remove, self.context.folders.fetched, "prefix.leftover")
        await super().run()

    async def look_now(self) -> str:
        """List at once, and also what could not be read; what is new. Refused where the store cannot be asked."""
        asked: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        self._barred.clear()
        self._hint(None)
        return await asked

    def _make_folder(self) -> None:
        """There is none."""

    def _start_watch(self) -> None:
        """Nothing tells of changes but who asks for a look."""

    async def _beside(self, work: Any, *arguments: Any) -> Any:
        return await self.context.shared.looking.run(work, *arguments)

    # --- noticing -----------------------------------------------------------------------------------------

    async def _rescan(self) -> None:
        """List all, and consider what is not known as it is now."""
        intake, began_s = self.context.settings.intake, time.monotonic()
        asked, self._asked = self._asked, []
        try:
            fresh, count, requests = await self._listed()
        except (StoreFailed, Refused) as error:
            self._fail(str(error))
            _answer(asked, Refused(str(error)))
            return
        except BaseException:
            _answer(asked, None)
            raise
        self._recover()
        new = [path for path, seen in fresh if isinstance(seen, Look) and path not in self.pending]
        for path, seen in fresh:
            self._consider(path, seen)
        now_s = time.monotonic()
        self._newest_s = now_s if new else self._newest_s
        pause_s = poll_pause_s(now_s - self._newest_s, now_s - began_s, intake.poll, intake.poll_quiet)
        self._rescan_due_s = now_s if self._asked else now_s + pause_s
        _answer(asked, _sentence(new, count, requests))
        await self._beside(self._sweep, {_key(path, one.look) for path, one in self.pending.items()})

    async def _listed(self) -> tuple[list[tuple[str, Look | Problem]], int, int]:
        """A look at each object that is not known as it is, however many there are: page by page. How many were listed,
        by how many requests."""
        pages = (await self._beside(self._store)).pages()
        fresh, count, requests = list[tuple[str, Look | Problem]](), 0, 0
        while (page := await self._beside(next, pages, None)) is not None:
            count, requests = count + len(page), requests + 1
            fresh += self._fresh(page)
        if (name := self._items_here()) is not None:
            seen = await self._beside(self._look, name)
            fresh += [] if isinstance(seen, Problem) and seen.vanished else [(name, seen)]
        for path in self.problems.keys() - {path for path, _ in fresh}:
            del self.problems[path]
        return fresh, count, max(1, requests)

    def _store(self) -> ObjectStore:
        """By what says now how it is reached; Refused where that cannot be read."""
        uri = self.context.settings.data_uri
        assert uri is not None, "only models with a prefix are kept so"
        options = data_options(self.context.shared.config, self.context.name, self.environment)
        if self._opened is None or self._opened[0] != options:
            self._opened = options, ObjectStore(uri, options)
        return self._opened[1]

    def _fresh(self, page: list[tuple[str, Stored]]) -> Iterator[tuple[str, Look | Problem]]:
        """Of a page what may be news."""
        for name, stored in page:
            if not self.recursive and "/" in name:
                continue
            seen = look_of(stored)
            if not self._is_ours(name):
                if stored.size and not is_passing(name):  # an empty one may be the mark of a folder
                    self._log_unread(name)
            elif not is_askable(name):
                yield name, Problem(ODD_NAME)
            elif self.known.get(name) != seen and not self._is_barred(name, seen):
                yield name, seen

    def _is_barred(self, path: str, seen: Look) -> bool:
        look, until_s = self._barred.get(path, (None, 0.0))
        return look == seen and time.monotonic() < until_s

    def _fail(self, reason: str) -> None:
        """Told once; it is tried again after a while."""
        if not self._failed:
            self._failed, self._failing_since_s, self._retry_s = True, time.monotonic(), RETRY_S
            self.context.log.warning("prefix_awaited", prefix=self.context.settings.data_uri, reason=reason)
        self._rescan_due_s = time.monotonic() + min(self._retry_s, self.context.settings.intake.poll_quiet)
        self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)

    def _recover(self) -> None:
        if self._failed:
            seconds = round(time.monotonic() - self._failing_since_s, 1)
            self.context.log.info("prefix_reached", prefix=self.context.settings.data_uri, seconds=seconds)
            self.pending = {path: replace(one, due_s=0.0) for path, one in self.pending.items()}
        self._failed = False

    # --- taking -------------------------------------------------------------------------------------------

    def _items_here(self) -> str | None:
        """The name of the file of items, where it lies on this disk and is no object."""
        context = self.context
        return None if items_path(context.shared.config, context.name) is None else context.items_name

    def _settle_s(self, path: str) -> float:
        return super()._settle_s(path) if path == self._items_here() else 0.0

    def _learn(self, path: str, seen: Look) -> None:
        """Objects do not pause."""

    async def _settled(self) -> list[tuple[str, Look]]:
        """What the listing showed is taken as it is; while the store is away, later."""
        now_s, settled = time.monotonic(), list[tuple[str, Look]]()
        for path, one in sorted(self.pending.items()):
            if one.due_s > now_s:
                continue
            if path == self._items_here():
                seen = await self._beside(self._look, path)
                if isinstance(seen, Problem):
                    self._consider(path, seen)
                elif self._judge(path, seen):
                    settled.append((path, seen))
            elif self._failed:
                self.pending[path] = replace(one, due_s=self._rescan_due_s)
            else:
                settled.append((path, one.look))
        return settled

    async def _take(self, path: str, seen: Look) -> Taken:
        if path == self._items_here():
            return await super()._take(path, seen)
        taking = Taking(path, seen, items=path == self.context.items_name)
        try:
            if await self._is_as_before(path, seen):
                return Taken.DUPLICATE
            refuse_large(seen.size, self.context.settings.limits.max_file)
        except Refused as error:
            await self.context.shared.writable()
            refuse(self.context, taking, str(error))
            return Taken.REFUSED
        at = await self._tried(path, seen)
        if isinstance(at, Taken):
            return at
        taken = await take_file(self.context, replace(taking, at=at))
        if taken is not Taken.LATER:
            await self._beside(durable.remove, at.parent, "prefix.remove")
        return taken

    async def _is_as_before(self, path: str, seen: Look) -> bool:
        """Whether an object was only put once more, as its ETag says, and its content is dealt with."""
        known = self.known.get(path)
        if known is None or not seen.inode or (known.size, known.inode) != (seen.size, seen.inode):
            return False
        await self.context.shared.writable()
        with self.context.shared.ledger.begin() as conn:
            return files.renew_look(conn, self.context.name, path, seen)

    async def _tried(self, path: str, seen: Look) -> Path | Taken:
        """Where the object's content lies, or what became of it without."""
        log = self.context.log.bind(file=path)
        try:
            return await self._fetched(path, seen)
        except FileNotFoundError:
            return Taken.GONE
        except Refused as error:  # this one may not be read, and others may
            self._barred[path] = seen, time.monotonic() + BARRED_S
            if len(self._barred) <= LOGGED_BARRED:
                log.warning("file_refused", reason=str(error))
            return Taken.GONE
        except StoreFailed as error:
            self._fail(str(error))
            return Taken.HUNG
        except Retry as error:
            log.warning("file_delayed", reason=str(error))
            self._look_at_all()
        except OSError as error:
            log.warning("file_delayed", reason=str(error))
        return Taken.LATER

    async def _fetched(self, path: str, seen: Look) -> Path:
        """The object's content, whole, under its own name in a folder of its own. What `ObjectStore.parts` raises, and
        OSError where the disk has no room."""
        folder = self.context.folders.fetched / _key(path, seen)
        final = folder / path.rpartition("/")[2].encode()[-NAME_BYTES:].decode(errors="ignore")
        if final.exists():
            return final
        if self.context.shared.free_bytes() - seen.size < self.context.shared.config.service.min_free:
            raise OSError(f"the disk has no room for its {seen.size:,} bytes")
        durable.make_folder(folder, "prefix.folder")
        parts = (await self._beside(self._store)).parts(path, seen.size, lambda stored: _is_of(seen, stored))
        hidden = folder / f".{time.monotonic_ns()}"
        with hidden.open("wb") as file:
            while await self._beside(_write_next, parts, file):
                pass
        durable.rename(hidden, final, "prefix.fetch")
        durable.crash_point("prefix.fetched")
        return final

    def _sweep(self, wanted: set[str]) -> None:
        """What was fetched of contents that are gone."""
        for folder in self.context.folders.fetched.glob("*"):
            if folder.name not in wanted:
                durable.remove(folder, "prefix.remove")


def look_of(stored: Stored) -> Look:
    """What tells one content of an object from the next: in place of an inode a number that its ETag gives, 0 without.

    >>> look_of(Stored(7, 1.5, "9dd4e461268c8034f5c8564e155c67a6"))
    Look(size=7, mtime_ns=1500000000, ctime_ns=0, inode=3818637669309699032)
    """
    return Look(stored.size, round(stored.at * 1000) * 10**6, 0, _number(stored.tag))


def _number(tag: str) -> int:
    """Of 63 bits, as the ledger keeps it."""
    return int.from_bytes(hashlib.sha256(tag.encode()).digest()[:8]) >> 1 if tag else 0


def _is_of(seen: Look, stored: Stored) -> bool:
    """Whether an object is as it was listed; its time is told by whole seconds when it is read."""
    is_alike = (stored.size, _number(stored.tag)) == (seen.size, seen.inode)
    return is_alike and (bool(stored.tag) or int(stored.at) == seen.mtime_ns // 10**9)


def _key(path: str, seen: Look) -> str:
    """The name of the folder that one content of an object is fetched into."""
    return hashlib.sha256(f"{path}\n{seen}".encode()).hexdigest()[:32]


def _write_next(parts: Iterator[bytes], file: BinaryIO) -> bool:
    """Write the next part; no where there is none."""
    part = next(parts, None)
    if part is not None:
        file.write(part)
    return part is not None


def _answer(asked: list["asyncio.Future[str]"], answer: str | Exception | None) -> None:
    """Tell those who asked for a look and still wait; None where nobody can say."""
    for one in asked:
        if one.done():
            continue
        if answer is None:
            one.cancel()
        elif isinstance(answer, str):
            one.set_result(answer)
        else:
            one.set_exception(answer)


def _sentence(new: list[str], count: int, requests: int) -> str:
    """What a listing showed, and what it took, for who asked.

    >>> _sentence([], 0, 1)
    'no object is new; 0 objects were listed by 1 request'
    >>> _sentence(["a", "b", "c", "d"], 1200, 2)
    '4 objects are new: a, b, c and more; 1,200 objects were listed by 2 requests'
    """
    names = f": {', '.join(map(printable, new[:NAMED]))}{' and more' if len(new) > NAMED else ''}" if new else ""
    told = f"{counted(len(new), 'object', 'are') if new else 'no object is'} new{names}"
    return f"{told}; {counted(count, 'object', 'were')} listed by {counted(requests, 'request')}"
