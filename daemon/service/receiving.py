"""Control's end of what hosts without control uploaded: segments come from the object store into the spools, where they
are taken in as those of this host's servers, and go from the store once the ledger knows them.

What lies in the spools of them is a copy: a service that begins removes it and has it brought anew. Segments of a
stream are brought in the order of their numbers, and appear in the spools between two looks of the intake."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path

from daemon.config.paths import LOG, SPOOL, StatePaths
from daemon.config.uploads import LOGGED, TRIALS, UPLOADS, Stream, Upload, is_uploaded, of_name
from daemon.ledger import trials, uploads
from daemon.runtime.context import Shared
from daemon.runtime.log import get_logger
from daemon.runtime.spool import CLOSED, TAKING
from daemon.runtime.stored_state import StoredState
from daemon.service.followers import Followers
from daemon.service.uploading import Uploading
from retrain import durable
from retrain.store.backends.objects import StoreFailed

log = get_logger()
LOOK_S = 3.0
AT_ONCE = 16
"""Segments of one stream that wait to be taken in; the others wait in the store."""


class Receiving:
    """`is_resting` says that the state folder is lost; `decide_again` has a model's trial be looked at."""

    def __init__(
        self, shared: Shared, store: StoredState, is_resting: Callable[[], bool], decide_again: Callable[[str], None]
    ) -> None:
        self._shared, self._store, self._is_resting, self._decide_again = shared, store, is_resting, decide_again
        self._own = Uploading(shared.config.paths, (), store)
        self._followers = Followers(shared.config.paths, store)
        self._brought: set[Upload] = set()
        self._damaged: set[Upload] = set()

    async def run(self) -> None:
        """Bring what comes until cancelled."""
        while True:
            if not self._is_resting():
                with suppress(StoreFailed):  # told where the store is waited for
                    await self.look()
            await asyncio.sleep(LOOK_S)

    def close(self) -> None:
        """Leave what waits here to another part of this process, which may follow from now on."""
        self._own.close()

    async def look(self) -> None:
        """Delete what the ledger knows, and bring the next segments of each stream; StoreFailed."""
        await self._store.beside(self._own.upload)  # this host may have been one without control
        names = await self._store.beside(self._store.store.names, f"{UPLOADS}/")
        await self._store.beside(self._followers.look, names)
        found = map(of_name, names)
        there = {one for one in found if one is not None and one.stream.model in self._shared.config.models}
        with self._shared.ledger.connect() as conn:
            known = uploads.taken_up_to(conn)
        done = {one for one in there if one.number <= known.get(one.stream, 0)}
        self._brought -= done
        if done:
            await self._store.beside(self._store.store.delete, [one.name for one in done])
        if not self._shared.lack():
            await self._bring(self._next(there - done))

    def _next(self, left: Collection[Upload]) -> Mapping[Stream, list[Upload]]:
        """Of each stream the first ones that are not brought."""
        streams = defaultdict[Stream, list[Upload]](list)
        for one in sorted(left):
            if len(streams[one.stream]) < AT_ONCE:
                streams[one.stream].append(one)
        return {stream: [one for one in ones if one not in self._brought] for stream, ones in streams.items()}

    async def _bring(self, streams: Mapping[Stream, list[Upload]]) -> None:
        read: list[tuple[Upload, Path]] = []
        try:
            await self._store.beside(
                self._store.side_by_side, lambda stream: self._read(streams[stream], read.append), streams
            )
        finally:
            for upload, hidden in sorted(read):
                if upload.stream.kind == TRIALS:
                    await self._add_to_trial(upload, hidden)
            for upload, hidden in sorted(read):  # the intake looks on this thread, too: it sees all of them or none
                if upload.stream.kind != TRIALS:
                    durable.rename(hidden, hidden.with_name(upload.file), "receive")
                self._brought.add(upload)

    def _read(self, segments: Collection[Upload], keep: Callable[[tuple[Upload, Path]], None]) -> None:
        """Under hidden names, as many of a stream as are what their names say."""
        for upload in segments:
            folder = self._folder(upload.stream)
            durable.make_folder(folder, "receive.folder")
            hidden = folder / f".{upload.file}.tmp"
            try:
                self._store.store.get(upload.name, hidden)
            except FileNotFoundError:  # another control took it over
                return
            if not durable.sha256(hidden).startswith(upload.digest):
                hidden.unlink()
                if upload not in self._damaged:
                    log.error("upload_damaged", model=upload.stream.model, object=upload.name)
                self._damaged.add(upload)
                return
            keep((upload, hidden))

    def _folder(self, stream: Stream) -> Path:
        model = self._shared.config.paths.model(stream.model)
        return model.log_spool if stream.kind == LOGGED else model.spool

    async def _add_to_trial(self, upload: Upload, hidden: Path) -> None:
        """What servers saw, and that it is known, in one transaction."""
        lines = [json.loads(line) for line in hidden.read_bytes().splitlines()]
        await self._shared.writable()
        with self._shared.ledger.begin() as conn:
            for line in lines:
                trials.add(conn, line["trial"], line["seen"])
            uploads.record(conn, [upload])
        hidden.unlink()
        self._decide_again(upload.stream.model)


def clear_received(paths: StatePaths) -> None:
    """Remove what another run brought: what of it the ledger does not know is still in the store."""
    for folder in (*paths.state.glob(f"{SPOOL}/*"), *paths.state.glob(f"{LOG}/*/{SPOOL}")):
        for path in folder.iterdir():
            name = path.name.removeprefix(".").removesuffix(".tmp").removeprefix(TAKING)
            if is_uploaded(name if name.endswith(CLOSED) else name + CLOSED):
                durable.remove(path, "receive.clear")
