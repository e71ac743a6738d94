"""A request as a text that means the same on another host: its files by name and digest, its paths by their root."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from daemon.runtime.cluster.files import Digests, Exchange, SentFile, files_below
from daemon.runtime.cluster.task import about
from retrain.operations import EvaluateRequest, Json, PrepareRequest, Request, TrainRequest, to_json
from retrain.records.errors import Refused
from retrain.records.settings import ModelSettings
from retrain.user_code import is_own

MARK = "@"
"""How a path begins that is below a root: `@state/snapshots/m/….parquet`."""
KEPT = ("snapshots", "versions")
"""Folders of the state folder whose files are in its object store under the same names."""


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is to do. `args` are the request's, with paths by their roots; `roots` say where these lie on
    control, `work` is the folder, by its root, whose files come back. `code` are files of the user's that have to lie
    on the worker where they lie on control. Files are put into `folder` of the `exchange`. `seconds` and `limit` bound
    the work as the key of the configuration says; `versions` are those of control."""

    op: str
    args: Json
    roots: dict[str, str]
    files: list[SentFile]
    exchange: str
    folder: str
    seconds: float
    limit: str
    threads: int
    memory: int
    versions: dict[str, str]
    work: str = ""
    code: list[SentFile] = []


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """As a `WorkerError`."""

    kind: Literal["refused", "retry", "failed", "late", "died"]
    message: str
    detail: str = ""
    raised: bool = False
    cpu_s: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = 0.0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`ok` is the result, with paths by their roots, and `files` all that the work folder has; or there is an
    `error`."""

    ok: Json | None = None
    error: Failure | None = None
    files: list[SentFile] = []


def by_root(path: Path, roots: Mapping[str, Path]) -> str:
    """A path by the root that it is below; another one as it is.

    >>> by_root(Path("/srv/state/work/cycles/3"), {"state": Path("/srv/state")})
    '@state/work/cycles/3'
    """
    for name, root in roots.items():
        if path.is_relative_to(root):
            return f"{MARK}{name}/{path.relative_to(root).as_posix()}"
    return str(path)


def at_root(text: str, roots: Mapping[str, Path]) -> Path:
    """The inverse, with the roots as they are here."""
    name, _, rest = text.removeprefix(MARK).partition("/")
    return roots[name] / rest if text.startswith(MARK) and name in roots else Path(text)


def pack(
    op: str,
    request: Request[Any],
    roots: Mapping[str, Path],
    exchange: Exchange,
    folder: str,
    digests: Digests,
    config_dir: Path,
    **limits: Any,
) -> Parcel:
    """The parcel of a request. What workers could not read elsewhere is in the exchange then: all files but those that
    the object store has anyway; in a folder that they see themselves, none."""
    work: Path | None = getattr(request, "work", None)
    there = set(exchange.names(folder))
    files, by_store = [], not exchange.uri.startswith("file:")
    for path in dict.fromkeys(inputs(request)):
        name, digest = by_root(path, roots).removeprefix(MARK), digests.of(path)
        kept = name.removeprefix("state/")
        at = f"/{kept}" if kept.split("/")[0] in KEPT else f"{folder}/{digest}"
        if by_store and not at.startswith("/") and at not in there:
            exchange.put(at, path)
            there.add(at)
        files.append(SentFile(name, digest, path.stat().st_size, at if by_store else ""))
    settings: ModelSettings = request.settings  # type: ignore[attr-defined]
    code = own_code(settings, config_dir)
    return Parcel(
        op=op, args=to_json(request, lambda path: str(path) if path == config_dir else by_root(path, roots)),
        roots={name: str(root) for name, root in roots.items()}, files=files, exchange=exchange.uri, folder=folder,
        work="" if work is None else by_root(work, roots),
        code=[SentFile(str(path), digests.of(path), path.stat().st_size) for path in code], versions=about(), **limits,
    )  # fmt: skip


def inputs(request: Request[Any]) -> Iterator[Path]:
    """The files that a stage may read, which are there: what is missing it says itself."""
    for file in getattr(request, "files", ()):
        path = file if isinstance(file, Path) else file.snapshot
        if path.is_file():
            yield path
    if isinstance(request, PrepareRequest | TrainRequest | EvaluateRequest) and request.champion is not None:
        for name in sorted({*request.champion.weights, request.champion.newest}):
            yield from files_below(request.champion.path(name))
    if isinstance(request, TrainRequest | EvaluateRequest):
        yield from files_below(request.work)


def own_code(settings: ModelSettings, config_dir: Path) -> list[Path]:
    """The files of the user's functions that a stage loads. They are not sent: a worker runs no code that was not put
    there by who keeps it. Refused where one is missing here."""
    names = (settings.metric, settings.prepare or "", settings.estimator.type)
    paths = [(config_dir / name.rpartition(":")[0]).resolve() for name in names if is_own(name)]
    for path in paths:
        if not path.is_file():
            raise Refused(f"there is no file {path}")
    return list(dict.fromkeys(paths))
