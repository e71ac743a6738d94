"""The state folder's lasting files in an object store: put there before the ledger names them, and fetched where
another host goes on with the ledger. The folder is a copy then, which may be lost.

Who publishes a file does so as ever, and is observed; whoever is about to commit waits until all that was published is
in the store (see `daemon.runtime.ledger_wait`). What is gone from the folder goes from the store a while later."""

import asyncio
import contextlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from sqlalchemy.exc import OperationalError

from daemon.config.paths import FORGET_KEY, KEPT_FOLDERS, SNAPSHOTS, SPOOL, VERSIONS, StatePaths
from daemon.ledger import Ledger
from daemon.ledger.references import References, references_of
from daemon.runtime.fetching import Fetching
from daemon.runtime.lock import is_held
from daemon.runtime.log import get_logger
from daemon.runtime.looking import Looking
from daemon.runtime.restarting import error_key
from retrain import durable
from retrain.records.errors import Refused, Retry
from retrain.store.backends.any_names import Stored
from retrain.store.backends.objects import WAY_OUT, ObjectStore, StoreFailed
from retrain.store.versions import has_all_files

log = get_logger()
T = TypeVar("T")
AT_ONCE = 8
"""Objects that are put or fetched side by side."""
SHORTEST_S, LONGEST_S = 0.5, 10.0
"""Pauses between tries while the store is away."""
TOLD_AFTER_S = 5.0
FETCHING_S = 10.0
"""So often it is told how far a fetch is."""
MANIFEST = "manifest.json"
MARK = "ledger.json"
"""In the store: whose files are there."""


@contextlib.contextmanager
def mendable() -> Iterator[None]:
    """What of a store does not mend itself is Refused, with the way out."""
    try:
        yield
    except StoreFailed as error:
        if error.hopeless:
            raise Refused(f"cannot use the store: {error}", WAY_OUT) from None
        raise


@dataclass(frozen=True)
class Owner:
    """A ledger: which one of all, whatever it is called, and what people call it."""

    instance: str
    place: str


OF_NO_TERM = -1
"""A copy that no service worked in."""


@dataclass(frozen=True)
class Fetched:
    """How many objects and bytes came; `missing` are names of the ledger that the store lacks, or has damaged."""

    files: int
    bytes: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Swept:
    """How many objects were deleted, and how many put again."""

    deleted: int
    put: int


class StoredState:
    """What of a state folder is in a store. `reason` says why the store cannot be used now, "" while it can; `owner`
    whose files are there, once that is known; `fetching` how far a fetch is, while there is one."""

    def __init__(self, store: ObjectStore, state: Path, grace_s: float, clock: Callable[[], float] = time.monotonic):
        self.store, self.reason = store, ""
        self.fetching: Fetching | None = None
        self._fetched_s = 0.0
        self._paths, self._grace_s, self._clock = StatePaths(state), grace_s, clock
        self._changed: dict[str, None] = {}
        self._lock, self._putting = threading.Lock(), asyncio.Lock()
        self._gone_s: dict[str, float] = {}
        self._failed_s, self._is_closed = 0.0, False
        self._away_s: float | None = None
        self.owner: Owner | None = None
        self._unswept = ""
        self._threads = Looking()
        self.room: Callable[[], int] = lambda: shutil.disk_usage(state).free

    def observe(self) -> None:
        """Note from here on what this process publishes."""
        durable.observe(self.note)

    async def beside(self, work: Callable[..., T], *arguments: Any) -> T:
        """What work that asks the store returns, in a thread that keeps no process from ending."""
        return await self._threads.run(work, *arguments)

    def close(self) -> None:
        """Note no more, and begin to put or fetch no more: StoreFailed for who is about to."""
        self._is_closed = True
        durable.observe(None)

    def note(self, path: Path) -> None:
        """A file or folder was published or changed; any thread may say so."""
        name = self._name(path)
        if name is not None and path.exists():
            with self._lock:
                self._changed[name] = None

    async def __call__(self) -> None:
        """Return once all that was published until now is in the store, however long that takes."""
        pause_s = SHORTEST_S
        while self._changed or self._putting.locked():
            async with self._putting:
                if not (names := self._taken()):
                    continue
                try:
                    await self._put_beside(names)
                    self.reached()
                    pause_s = SHORTEST_S
                    continue
                except StoreFailed as error:
                    self._put_back(names)
                    self.failed(str(error))
                except BaseException:  # whoever waits for these too must not go on without them
                    self._put_back(names)
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_S)

    async def _put_beside(self, names: Iterable[str]) -> None:
        """In a thread; that it takes long is told meanwhile."""
        putting = asyncio.ensure_future(self.beside(self.put, names))
        if not (await asyncio.wait({putting}, timeout=TOLD_AFTER_S))[0]:
            self.failed(f"{self.store.place} has not taken files for {TOLD_AFTER_S:.0f} s", is_slow=True)
        await putting

    def put(self, names: Iterable[str]) -> None:
        """Put what is there of these files and folders; of a folder its manifest last. StoreFailed."""
        files = list[str]()
        for name in names:
            path = self._paths.state / name
            inside = sorted(path.rglob("*")) if path.is_dir() else [path]
            files += [told for one in inside if not one.is_dir() and (told := self._name(one)) is not None]
        self.side_by_side(self._put_one, [name for name in files if not _is_last(name)])
        self.side_by_side(self._put_one, [name for name in files if _is_last(name)])

    def fetch(self, named: References, was_copy: bool, owner: Owner | None = None) -> Fetched:
        """Have of the state folder's lasting files exactly those that a ledger names, as the store has them: what it
        does not name goes if the folder `was_copy` of the same before, what may have changed comes anew, and what the
        store lacks is put. StoreFailed, Retry where the disk does not take them, Refused where the files of the folder
        or of the store are of another ledger than its `owner`."""
        there, here = self._compared(named, was_copy, owner)
        lacked = [name for name in here if name not in there]
        fresh = [name for name in sorted(there) if not self._is_here(name, there[name])]
        fresh.sort(key=_is_last)
        sizes = [there[name].size for name in fresh]
        self._has_room(sum(sizes))
        with self._fetches(sizes):
            self.side_by_side(self._get_one, fresh)
        for folder in named.versions:
            self._checked(folder)
        self.put(sorted(lacked, key=_is_last))
        return Fetched(len(fresh), sum(sizes), self._missing(named))

    def follow(self, place: str, look: Callable[[], References], turn: threading.Lock) -> None:
        """Have of the state folder's lasting files those that the ledger at this `place` names now, as the store has
        them, while another host leads: what is not named goes, nothing is put. Who fetches what is served meanwhile
        takes turns with it. StoreFailed, Retry, Refused, as `fetch`, and errors of `look`."""
        was_copy, began_s = self._copied(place) is not None, self._clock()
        with turn:
            named = look()
            there, _ = self._compared(named, was_copy)
        fresh = [name for name, one in sorted(there.items()) if not self._is_here(name, one)]
        for folder in sorted(one for one in named.versions if f"{one}/{MANIFEST}" in there):
            with turn:
                self.fetch_version(folder)
        plain = [name for name in fresh if not name.startswith(f"{VERSIONS}/")]
        sizes = [there[name].size for name in plain]
        self._has_room(sum(sizes))
        with self._fetches(sizes):
            self.side_by_side(self._get_one, plain)
        if not was_copy:
            self.say_copied(place, OF_NO_TERM)
            seconds = round(self._clock() - began_s, 1)
            log.info("store_fetched", files=len(fresh), bytes=sum(there[name].size for name in fresh), seconds=seconds)

    def _compared(
        self, named: References, was_copy: bool, owner: Owner | None = None
    ) -> tuple[dict[str, Stored], list[str]]:
        """What a ledger names that is in the store, and in the folder; what else a folder that `was_copy` has goes."""
        is_marked = owner is None or self.is_marked(owner)
        folders = named.versions | named.adoptions
        plain = named.files | named.spare

        def is_named(name: str) -> bool:
            return name in plain or "/".join(name.split("/")[:3]) in folders

        there, others = dict[str, Stored](), 0
        for name, one in self.store.listed():
            if is_named(name):
                there[name] = one
            elif self._name(self._paths.state / name) is not None:
                others += 1
        if named.versions and not any(self._has_version(folder, there) for folder in named.versions):
            raise StoreFailed(
                f"{self.store.place} has no version of this ledger: is it the right bucket?", hopeless=True
            )
        here = [str(self._name(path)) for path in self._local()]
        unnamed = [name for name in here if not is_named(name)]
        if not was_copy and len(unnamed) == len(here) > 0:
            raise Refused(
                f"{self._paths.state} has files of another ledger; nothing was changed", "name an empty state_dir"
            )
        if others and not there and not is_marked:
            raise Refused(
                f"{self.store.place} has {others:,} files, none of which this ledger names; nothing was changed",
                "name a prefix of its own in [service] store",
            )
        if owner is not None:
            self.mark(owner)
        for name in unnamed if was_copy else ():
            durable.remove(self._paths.state / name, "store.remove_local")
        return there, [name for name in here if is_named(name)]

    def fetch_version(self, folder: str) -> None:
        """Have a published version, whole or not at all. StoreFailed, too where the store has none that is whole; Retry
        where the disk has no room for it."""
        final = self._paths.state / folder
        if (final / MANIFEST).is_file():
            return
        hidden = final.with_name(f".{final.name}.tmp")
        for leftover in (hidden, final):
            durable.remove(leftover, "store.leftover")
        there = self.store.names(f"{folder}/")
        if not there:
            raise StoreFailed(f"{self.store.place} has no {folder}: is it the right bucket?")
        sizes = [one.size for one in there.values()]
        self._has_room(sum(sizes))
        places = {name: hidden / PurePosixPath(name).relative_to(folder) for name in there}
        for place in places.values():
            place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._fetches(sizes):
                self.side_by_side(lambda name: self._get(name, places[name]), places)
        except BaseException:
            durable.remove(hidden, "store.leftover")
            raise
        if not has_all_files(hidden):
            durable.remove(hidden, "store.leftover")
            raise StoreFailed(f"{self.store.place}/{folder} is not whole")
        durable.publish_folder(hidden, final, "store.fetch")

    def fetch_files(self, names: Collection[str]) -> None:
        """Have those files of one folder that are not here, each named by what it holds. StoreFailed, Retry where the
        disk does not take them."""
        fresh = [name for name in names if not (self._paths.state / name).exists()]
        if fresh:
            there = self.store.names(f"{PurePosixPath(fresh[0]).parent}/")
            with self._fetches(there[name].size for name in fresh if name in there):
                self.side_by_side(self._get_one, fresh)

    def put_missing(self) -> int:
        """Put what the folder has and the store lacks; how many. StoreFailed."""
        lacked = dict.fromkeys(str(self._name(path)) for path in self._local())
        for name, _ in self.store.listed():
            lacked.pop(name, None)
        self.put(lacked)
        return len(lacked)

    def sweep(self, named: References, at_once: bool = False) -> Swept:
        """Delete what the ledger does not name and has been gone from the folder for the time of grace; with `at_once`
        all of it but versions, which others may be loading. What is named and here, but went from the store, is
        put again. Nothing where the folder itself is gone. StoreFailed, Refused where the store is another ledger's."""
        if not self._paths.copied.exists():
            return Swept(0, 0)
        if self.owner is not None and not self.is_marked(self.owner):
            raise StoreFailed(f"{self.store.place}/{MARK} is gone, which says whose files these are")
        here = {str(self._name(path)) for path in self._local()}
        lacked, gone = {name for name in here if named.needs(name)}, list[str]()
        for name, _ in self.store.listed():
            lacked.discard(name)
            is_lasting = self._name(self._paths.state / name) is not None
            if is_lasting and name not in here and not named.needs(name):
                gone.append(name)
        self.put(sorted(lacked))
        now_s = self._clock()
        self._gone_s = {name: self._gone_s.get(name, now_s) for name in gone}
        is_urgent = [at_once and not name.startswith(f"{VERSIONS}/") for name in gone]
        due = [
            name for name, urgent in zip(gone, is_urgent, strict=True)
            if urgent or now_s - self._gone_s[name] >= self._grace_s
        ]  # fmt: skip
        due = [name for name in due if not (self._paths.state / name).exists()]  # it came back meanwhile
        self.store.delete(due)
        for name in due:
            del self._gone_s[name]
        return Swept(len(due), len(lacked))

    def _sweep_by(self, ledger: Ledger, at_once: bool) -> Swept:
        with ledger.connect() as conn:
            named = references_of(conn)
        return self.sweep(named, at_once)

    async def sweep_out(self, ledger: Ledger) -> None:
        """Return once nothing is in the store that is gone from the folder, but versions; however long that takes."""
        pause_s = SHORTEST_S
        while not await self.swept(ledger, at_once=True):
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_S)

    async def swept(self, ledger: Ledger, at_once: bool = False) -> bool:
        """`sweep` beside the event loop, by what the ledger names now; whether it could be done, why not told once."""
        try:
            found = await self.beside(self._sweep_by, ledger, at_once)
        except (StoreFailed, Refused) as error:
            if str(error) != self._unswept:
                log.warning("store_unswept", reason=str(error))
            self._unswept = str(error)
            return False
        if found.deleted or found.put or self._unswept:
            log.info("store_swept", files=found.deleted, put=found.put)
        self._unswept = ""
        return True

    def make_whole(self, ledger: Ledger) -> bool:
        """Have the folder be a whole copy of what the ledger names, once this service is the one that writes it: where
        the service before worked in it, the store gets what it lacks; else the folder is made anew of the store. No,
        told once, where that cannot be now; Refused where it will not mend itself."""
        began_s, place, term = self._clock(), ledger.place, ledger.term
        copied = self._copied(place)
        try:
            with ledger.connect() as conn:
                owner, named = Owner(ledger.instance(), place), references_of(conn)
            if is_whole := copied in (term - 1, term):
                self.say_copied(place, term)  # whether the store can be reached or not
            with mendable():
                found = self.complete(named, owner) if is_whole else self.fetch(named, copied is not None, owner)
            if found.missing:
                log.error("store_lacks", files=len(found.missing), first=found.missing[0])
            if found.files:
                seconds = round(self._clock() - began_s, 1)
                log.info("store_fetched", files=found.files, bytes=found.bytes, seconds=seconds)
            self.say_copied(place, term)
        except (OSError, Retry, OperationalError) as error:
            self.failed(error_key(error))
            return False
        self.owner = owner
        self.reached()
        return True

    def complete(self, named: References, owner: Owner) -> Fetched:
        """Of a folder that is a whole copy: the store gets what it lacks, the folder what it lost."""
        self.is_marked(owner)
        self.mark(owner)
        self.put_missing()
        return self._brought_back(named)

    def _brought_back(self, named: References) -> Fetched:
        """What the folder lost of what the ledger needs, as the store has it."""
        lost = self._missing(named)
        folders = [name.removesuffix(f"/{MANIFEST}") for name in lost if _is_last(name)]
        fresh = [name for folder in folders for name in self.store.names(f"{folder}/")]
        fresh = sorted({*lost, *fresh}, key=_is_last)
        self.side_by_side(self._get_one, fresh)
        for folder in folders:
            self._checked(folder)
        came = [path for name in fresh if (path := self._paths.state / name).exists()]
        return Fetched(len(came), sum(path.stat().st_size for path in came), self._missing(named))

    def _missing(self, named: References) -> tuple[str, ...]:
        needed = (*named.files, *(f"{folder}/{MANIFEST}" for folder in named.versions))
        return tuple(sorted(name for name in needed if not (self._paths.state / name).exists()))

    # --- whose files these are ----------------------------------------------------------------------------

    def is_marked(self, owner: Owner) -> bool:
        """Whether the store says that its files are this ledger's; Refused where they are another's: each of the two
        would delete what the other one needs. StoreFailed."""
        try:
            told = json.loads(self.store.read(MARK))
            instance, place = str(told["instance"]), str(told["ledger"])
        except FileNotFoundError:
            return False
        except (ValueError, KeyError, TypeError):
            raise StoreFailed(f"{self.store.place}/{MARK} cannot be understood", hopeless=True) from None
        if instance != owner.instance:
            raise Refused(
                f"{self.store.place} has the files of the ledger {place}, and this one is another or a copy of it: "
                f"{owner.place}; nothing was changed",
                "name a prefix of its own in [service] store; or, if that ledger is not used any more, remove "
                f"{self.store.place}/{MARK}",
            )
        return True

    def mark(self, owner: Owner) -> None:
        """Have the store say that its files are this ledger's. StoreFailed: who may not put finds it out here."""
        told = {"instance": owner.instance, "ledger": owner.place}
        self.store.write(MARK, json.dumps(told).encode() + b"\n")

    # --- whose copy it is ---------------------------------------------------------------------------------

    def _copied(self, place: str) -> int | None:
        """Of which term of this ledger, and this store, the folder is a whole copy; None of none."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads(self._paths.copied.read_bytes())
            if told["store"] == self.store.place and told["ledger"] == place:
                return int(told["term"])
        return None

    def is_left(self, ledger: Ledger) -> bool:
        """Whether another host works with the ledger since the folder was a whole copy. OperationalError."""
        copied = self._copied(ledger.place)
        return copied is not None and not is_held(self._paths.state) and ledger.backend.newest_term() > copied

    def say_copied(self, place: str, term: int) -> None:
        """Write that the folder is whole, as of that term of the ledger."""
        told = {"store": self.store.place, "ledger": place, "term": term}
        durable.replace_file(self._paths.copied, json.dumps(told).encode() + b"\n", "store.copied")

    # --- one by one ---------------------------------------------------------------------------------------

    def _put_one(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):  # gone again
            self.store.put(name, self._paths.state / name)

    @contextlib.contextmanager
    def _fetches(self, sizes: Iterable[int]) -> Iterator[None]:
        """Count what comes of objects of these sizes."""
        known = list(sizes)
        self.fetching, self._fetched_s = Fetching(len(known), sum(known)), self._clock()
        try:
            yield
        finally:
            self.fetching = None
            durable.remove(self._paths.fetching, "store.fetching")

    def _get(self, name: str, path: Path) -> None:
        """An object to a new file, counted."""
        self.store.get(name, path, self._came)
        if self.fetching is not None:
            self.fetching.files += 1

    def _came(self, size: int) -> None:
        """So many bytes more; told now and then."""
        with self._lock:
            now_s, fetching = self._clock(), self.fetching
            if fetching is None:
                return
            fetching.bytes += size
            is_due = now_s - self._fetched_s >= FETCHING_S
            self._fetched_s = now_s if is_due else self._fetched_s
        if is_due:
            log.info("store_fetching", **asdict(fetching))
            durable.replace_file(self._paths.fetching, json.dumps(asdict(fetching)).encode(), "store.fetching")

    def _get_one(self, name: str) -> None:
        """Under a hidden name first; a snapshot is named by what it holds."""
        final = self._paths.state / name
        final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        hidden = final.with_name(f".{final.name}.tmp")
        with contextlib.suppress(FileNotFoundError):  # swept meanwhile
            try:
                self._get(name, hidden)
            except BaseException:
                hidden.unlink(missing_ok=True)
                raise
            if name.startswith(f"{SNAPSHOTS}/") and not durable.sha256(hidden).startswith(final.stem):
                hidden.unlink()  # it is damaged: as good as missing
                return
            try:
                durable.publish_file(hidden, final, "store.fetch")
            except OSError as error:
                hidden.unlink(missing_ok=True)
                raise Retry(f"{final}: {error.strerror}") from None

    def _checked(self, folder: str) -> None:
        """A version that is not whole, or is another one than its manifest says, comes anew as a whole; where that is
        damaged, too, there is none."""
        path = self._paths.state / folder
        if (path / MANIFEST).is_file() and not has_all_files(path):
            durable.remove(path, "store.remove_local")
            self.side_by_side(self._get_one, sorted(self.store.names(f"{folder}/"), key=_is_last))
            if not has_all_files(path):
                durable.remove(path, "store.remove_local")

    def _has_room(self, needed: int) -> None:
        """Retry where the disk has none for so many bytes."""
        free = self.room()
        if needed > free:
            raise Retry(f"{self._paths.state} has {free:,} free bytes, and what is to come has {needed:,}")

    def _has_version(self, folder: str, there: Collection[str]) -> bool:
        manifest = f"{folder}/{MANIFEST}"
        return manifest in there or (self._paths.state / manifest).is_file()

    def _is_here(self, name: str, stored: Stored) -> bool:
        """Of what is not named by what it holds only a file that came from the store, which has its time in whole
        seconds, is known to be the same."""
        is_digest = name.startswith((f"{SNAPSHOTS}/", f"{VERSIONS}/")) and not name.endswith(f"/{MANIFEST}")
        try:
            found = (self._paths.state / name).stat()
        except OSError:
            return False
        return found.st_size == stored.size and (is_digest or found.st_mtime_ns == int(stored.at) * 10**9)

    def _local(self) -> Iterator[Path]:
        """The lasting files that are here."""
        for first in KEPT_FOLDERS:
            for folder, _, names in os.walk(self._paths.state / first):
                for name in names:
                    if self._name(path := Path(folder, name)) is not None:
                        yield path
        if self._paths.forget_key.exists():
            yield self._paths.forget_key

    def _name(self, path: Path) -> str | None:
        """What a lasting file or folder is called in the store; None of others."""
        try:
            told = path.relative_to(self._paths.state)
        except ValueError:
            return None
        parts = told.parts
        if told.as_posix() == FORGET_KEY:
            return FORGET_KEY
        is_kept = len(parts) > 2 and parts[0] in KEPT_FOLDERS and parts[2] != SPOOL  # FOLDER/MODEL/...
        if not is_kept or any(part.startswith(".") for part in parts) or path.is_symlink():
            return None
        return told.as_posix()

    def side_by_side(self, act: Callable[[T], None], works: Collection[T]) -> None:
        """Do it to each, in threads that keep no process from ending, since a store may give no answer for long; raises
        the first error."""
        left, errors = iter(list(works)), list[Exception]()

        def work() -> None:
            while not errors:
                if self._is_closed:
                    errors.append(StoreFailed(f"{self.store.place} is used no more"))
                    return
                with self._lock:
                    one = next(left, None)
                if one is None:
                    return
                try:
                    act(one)
                except Exception as error:
                    errors.append(error)

        threads = [threading.Thread(target=work, name="store", daemon=True) for _ in range(min(AT_ONCE, len(works)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def _taken(self) -> list[str]:
        with self._lock:
            names, self._changed = list(self._changed), {}
        return names

    def _put_back(self, names: Iterable[str]) -> None:
        with self._lock:
            self._changed = {**dict.fromkeys(names), **self._changed}

    def failed(self, why: str, is_slow: bool = False) -> None:
        """It cannot be used now, or takes long; told once."""
        if self._away_s is None and not is_slow:
            self._away_s = self._clock()
        if not self.reason:
            log.warning("store_awaited", reason=why)
            self._failed_s = self._clock()
        self.reason = why

    def reached(self) -> None:
        """It can be used; told where it could not."""
        if self.reason:
            log.info("store_reached", seconds=round(self._clock() - self._failed_s, 1))
        self.reason, self._away_s = "", None

    def away_s(self) -> float:
        """For how long each try to use it failed; one that only takes long has not."""
        return 0.0 if self._away_s is None else self._clock() - self._away_s


def _is_last(name: str) -> bool:
    """What says that all before it is there."""
    return name.endswith(f"/{MANIFEST}")
