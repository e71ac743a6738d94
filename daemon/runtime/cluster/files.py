"""Files on their way between control and the workers of a cluster: an object store, or a folder that both see. What is
in it is named by its digest, so that whoever puts a file twice changes nothing."""

import hashlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import msgspec

from retrain import durable
from retrain.records.errors import Retry
from retrain.store.backends.objects import ObjectStore

PREFIX = "exchange"
"""Below a store: what is on its way, a folder for each cycle."""


class SentFile(msgspec.Struct, frozen=True):
    """A file by its digest: its `name` begins with that of its root (see `daemon.runtime.cluster.parcel: Parcel`); of a
    file of the user's code it is the path. `at` is what it is called in the exchange, "" where it is not there."""

    name: str
    sha256: str
    size: int
    at: str = ""


class Exchange(Protocol):
    """Where files are put for the other side; `uri` says to a worker where that is."""

    uri: str

    def put(self, name: str, path: Path) -> None:
        """Have a file's content under a name."""

    def get(self, name: str, path: Path) -> None:
        """Have the content of a name in a new file; FileNotFoundError."""

    def names(self, folder: str = "") -> Iterator[str]:
        """What there is in a folder, or in all."""

    def delete(self, names: Collection[str]) -> None:
        """Those that are there."""


class FolderExchange:
    """A folder that control and workers see under the same path."""

    def __init__(self, folder: Path) -> None:
        self.uri, self._folder = folder.as_uri(), folder

    def put(self, name: str, path: Path) -> None:
        """Whole or not at all; Retry where this host has no such folder."""
        target = self._folder / name
        if not self._folder.is_dir():
            raise Retry(
                f"there is no {self._folder} here", "let workers see control's state folder, or name a [service] store"
            )
        if target.exists():
            return
        target.parent.mkdir(exist_ok=True)
        temporary = target.with_name(f".{uuid4().hex}")
        try:
            shutil.copyfile(path, temporary)
            durable.publish_file(temporary, target, "cluster.put")
        finally:
            temporary.unlink(missing_ok=True)

    def get(self, name: str, path: Path) -> None:
        """A copy."""
        shutil.copyfile(self._folder / name, path)

    def names(self, folder: str = "") -> Iterator[str]:
        """Files that were being put, too."""
        for path in (self._folder / folder).rglob("*"):
            if path.is_file():
                yield path.relative_to(self._folder).as_posix()

    def delete(self, names: Collection[str]) -> None:
        """And the folders that are empty then."""
        for name in names:
            (self._folder / name).unlink(missing_ok=True)
        for folder in sorted({(self._folder / name).parent for name in names} - {self._folder}):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


class StoreExchange:
    """An object store; below `exchange/` what is on its way, beside it what driftd keeps there anyway."""

    def __init__(self, store: ObjectStore) -> None:
        self.uri, self._store = store.place, store

    def put(self, name: str, path: Path) -> None:
        """In place of the same content, if it is there."""
        self._store.put(f"{PREFIX}/{name}", path)

    def get(self, name: str, path: Path) -> None:
        """A name that begins with "/" is of what driftd keeps in the store."""
        self._store.get(name[1:] if name.startswith("/") else f"{PREFIX}/{name}", path)

    def names(self, folder: str = "") -> Iterator[str]:
        """As the store lists them."""
        for name, _ in self._store.listed(f"{PREFIX}/{folder}/" if folder else f"{PREFIX}/"):
            yield name.removeprefix(f"{PREFIX}/")

    def delete(self, names: Collection[str]) -> None:
        """Those that are there."""
        self._store.delete([f"{PREFIX}/{name}" for name in names])


def exchange_at(uri: str, environment: Mapping[str, str]) -> Exchange:
    """The exchange that a parcel names; what says how a store is reached is the worker's own environment."""
    if uri.startswith("file:"):
        return FolderExchange(Path(unquote(urlsplit(uri).path)))
    return StoreExchange(ObjectStore(uri, environment))


def digest_of(path: Path) -> str:
    """SHA-256 of a file; FileNotFoundError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Digests:
    """Digests of files, each read once as long as it is the same by its size, time and number."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int, int], str]] = {}

    def of(self, path: Path) -> str:
        """SHA-256; FileNotFoundError."""
        found = path.stat()
        mark = (found.st_size, found.st_mtime_ns, found.st_ino)
        known = self._known.get(path)
        if known is None or known[0] != mark:
            known = self._known[path] = (mark, digest_of(path))
        return known[1]


def is_same(path: Path, file: SentFile) -> bool:
    """Whether that file lies here."""
    try:
        return path.stat().st_size == file.size and digest_of(path) == file.sha256
    except OSError:
        return False


def fetch(exchange: Exchange, at: str, file: SentFile, path: Path) -> None:
    """Have a file of the exchange at a path, proved by its digest; Retry where it is not there, or another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid4().hex}.tmp")
    try:
        exchange.get(at, temporary)
        if digest_of(temporary) != file.sha256:
            raise Retry(f"{file.name} came damaged from {exchange.uri}")
        durable.publish_file(temporary, path, "cluster.fetch")
    except FileNotFoundError:
        raise Retry(f"{file.name} is not in {exchange.uri} any more") from None
    finally:
        temporary.unlink(missing_ok=True)


def files_below(folder: Path) -> list[Path]:
    """The files of a folder, without those that are being written."""
    found = [Path(where, name) for where, _, names in os.walk(folder) for name in names]
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))
