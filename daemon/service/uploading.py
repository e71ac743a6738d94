"""What the servers of a host without control wrote down goes into the object store, for control to take in: finished
segments get numbers, which only grow, and are put in their order, so that control knows each by the last one it took.

A segment goes from here once it is in the store; put again after a kill it is known by its number. While the store is
away all of them wait."""

import asyncio
import fcntl
import json
import secrets
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import IO, Any

from daemon.config.paths import StatePaths
from daemon.config.uploads import DIGEST_CHARS, HOST_CHARS, KINDS, TRIALS, Stream, Upload, of_file
from daemon.runtime.log import get_logger
from daemon.runtime.spool import finished_segments
from daemon.runtime.stored_state import StoredState
from retrain import durable

log = get_logger()
LOOK_S = 2.0
PACED_MODELS = 40
MACHINE = Path("/etc/machine-id")


class Uploading:
    """`upload` is called in a thread."""

    def __init__(
        self, paths: StatePaths, models: Iterable[str], stored: StoredState, clock_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._paths, self._stored, self._clock_ns = paths, stored, clock_ns
        self._pace = max(1.0, sum(1 for _ in models) / PACED_MODELS)
        self._seen: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
        self._lock: IO[bytes] | None = None
        self._turn, self._noting = threading.Lock(), threading.Lock()
        self._reason = ""

    async def run(self) -> None:
        """Upload until cancelled."""
        while True:
            await self._stored.beside(self.upload)
            await asyncio.sleep(LOOK_S * self._pace)

    def note_trial(self, message: dict[str, Any]) -> None:
        """What a server saw of a trial."""
        with self._noting:
            self._seen[message["model"], message["trial"]].append(message["seen"])

    def upload(self) -> bool:
        """Put all finished segments; no where that cannot be now, which is logged once."""
        with self._turn:
            return self._upload()

    def _upload(self) -> bool:
        try:
            if not self._is_mine():
                return True
            self._write_trials()
            self._number()
            streams = [list(files) for _, files in groupby(self._waiting(), lambda one: one[0].stream)]
            self._stored.side_by_side(self._put, streams)
        except OSError as error:
            if str(error) != self._reason:
                log.warning("upload_delayed", reason=str(error))
            self._reason = str(error)
            return False
        self._reason = ""
        return True

    def _is_mine(self) -> bool:
        """Whether no other process uploads what is in this state folder."""
        if not self._paths.uploads.is_dir():
            return False
        if self._lock is None:
            file = self._paths.uploading.open("wb")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return False
            self._lock = file
        return True

    def close(self) -> None:
        """Leave what waits to another process."""
        if self._lock is not None:
            self._lock.close()
        self._lock = None

    # --- numbers ------------------------------------------------------------------------------------------

    def _number(self) -> None:
        """Give numbers to segments that have none, in the order in which they were begun."""
        fresh = [
            (kind, folder.name, path)
            for kind, folder in self._folders()
            for path in finished_segments(folder)
            if of_file(kind, folder.name, path.name) is None
        ]
        for number, (kind, model, path) in zip(self._numbers(len(fresh)), fresh, strict=False):
            upload = Upload(number, Stream(kind, model, host_id(self._paths)), durable.sha256(path)[:DIGEST_CHARS])
            durable.rename(path, path.with_name(upload.file), "upload.number")

    def _write_trials(self) -> None:
        for number, (model, trial) in zip(self._numbers(len(self._seen)), list(self._seen), strict=False):
            with self._noting:
                counts = self._seen.pop((model, trial))
            data = b"".join(json.dumps({"trial": trial, "seen": one}).encode() + b"\n" for one in counts)
            stream = Stream(TRIALS, model, host_id(self._paths))
            upload = Upload(number, stream, sha256(data).hexdigest()[:DIGEST_CHARS])
            durable.make_folder(self._paths.model(model).uploads(TRIALS), "upload.folder")
            durable.write_file(self._paths.state / upload.name, data, "upload.trials")

    def _numbers(self, count: int) -> range:
        """So many that this host never gave before, whatever its clock says."""
        if not count:
            return range(0)
        last = 0
        with suppress(FileNotFoundError, ValueError):
            last = int(self._paths.numbered.read_text("ascii"))
        first = max(last + 1, self._clock_ns())
        durable.replace_file(self._paths.numbered, str(first + count - 1).encode(), "upload.numbers")
        return range(first, first + count)

    # --- into the store -----------------------------------------------------------------------------------

    def _waiting(self) -> Iterator[tuple[Upload, Path]]:
        """What has a number, stream after stream."""
        for kind, folder in self._folders():
            found = [(one, path) for path in folder.iterdir() if (one := of_file(kind, folder.name, path.name))]
            yield from sorted(found, key=lambda one: (one[0].stream, one[0].number))

    def _put(self, segments: Iterable[tuple[Upload, Path]]) -> None:
        for upload, path in segments:
            self._stored.store.put(upload.name, path)
            durable.remove(path, "upload.remove")

    def _folders(self) -> Iterator[tuple[str, Path]]:
        for kind in KINDS:
            with suppress(FileNotFoundError):
                yield from ((kind, folder) for folder in sorted((self._paths.uploads / kind).iterdir()))


def host_id(paths: StatePaths) -> str:
    """What names this host in what it uploads: drawn once for a state folder; a copy of that on another machine is
    another host."""
    if not paths.host.exists():
        durable.replace_file(paths.host, secrets.token_hex(16).encode(), "upload.host")
    machine = MACHINE.read_bytes() if MACHINE.exists() else b""
    return sha256(paths.host.read_bytes() + machine + socket.gethostname().encode()).hexdigest()[:HOST_CHARS]
