"""`python -m daemon.runtime.cluster.attempt`: attempts at stages on a worker of a cluster, one after the other. A
parcel comes as a line on standard input, its answer goes as one to standard output. The stage runs in the same child,
with the same limits, as on control's own host, in a folder that is gone with the answer. The child is kept for the next
stage, which comes soon if at all; then this process ends, and it ends with the worker's."""

import argparse
import asyncio
import contextlib
import fcntl
import os
import platform
import select
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from daemon.runtime.cluster.files import Exchange, SentFile, digest_of, exchange_at, fetch, files_below, is_same
from daemon.runtime.cluster.parcel import MARK, Answer, Failure, Parcel, at_root, by_root
from daemon.runtime.cluster.task import about
from daemon.runtime.parent import end_with_parent
from daemon.runtime.worker.operations import BY_NAME
from daemon.runtime.worker.process import Limits, Worker, WorkerError
from retrain.operations import Result, from_json, to_json
from retrain.records.errors import DriftdError, Refused, Retry

NICE, OOM_SCORE = 19, 500
IDLE_S = 30.0
"""So long the child waits for another stage: its libraries take 200 MB, and seconds to load."""
CODE_STAYS = "code of your own is not sent: put it onto the workers"
WAY_OUT = "install on the cluster's workers what is installed here; `driftd doctor` compares them"


def main() -> None:
    """Answer parcels until none comes any more."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parent = parser.parse_args().parent
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    end_with_parent(parent, signal.SIGTERM)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is logged and printed keeps clear of them
    with asyncio.Runner() as runner:
        children = Children(runner)
        try:
            while select.select([0], [], [], IDLE_S)[0] and (line := sys.stdin.buffer.readline()):
                answer = _answered(line, children)
                answers.write(msgspec.json.encode(answer) + b"\n")
                answers.flush()
        finally:
            children.close()


class Children:
    """The child that does stages; another one where the limits are others."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._worker: Worker | None = None

    def call(self, parcel: Parcel, request: Any) -> Result:
        """Its result, or WorkerError."""
        limits = Limits(NICE, parcel.threads, parcel.memory, OOM_SCORE)
        if self._worker is not None and self._worker.limits != limits:
            self.close()
        self._worker = self._worker or Worker("trainer", limits)
        result: Result = self._runner.run(self._worker.call(request, parcel.seconds, parcel.limit))
        return result

    def close(self) -> None:
        """End it."""
        if self._worker is not None:
            self._runner.run(self._worker.close())
        self._worker = None


def _answered(line: bytes, children: Children) -> Answer:
    """Of a parcel as it came."""
    try:
        parcel = msgspec.json.decode(line, type=Parcel)
    except msgspec.MsgspecError as error:
        here = f"this worker has driftd {about()['driftd']}, which cannot read what control sends"
        return _failed("retry", f"on {platform.node()}: {here} ({error}); {WAY_OUT}")
    try:
        with _folder() as folder:
            return attempt(parcel, folder, children)
    except (DriftdError, OSError) as error:  # of the folder
        return _failed("retry", f"on {platform.node()}: {error}")


def attempt(parcel: Parcel, folder: Path, children: Children) -> Answer:
    """Do it in a folder; whatever hinders it is an error of the answer."""
    try:
        _refuse_unlike(parcel)
        roots = {name: folder / name for name in parcel.roots}
        exchange = exchange_at(parcel.exchange, os.environ)
        for file in parcel.files:
            _place(file, parcel, roots, exchange)
        if parcel.work:
            at_root(parcel.work, roots).mkdir(parents=True, exist_ok=True)
        request = from_json(parcel.args, BY_NAME[parcel.op].request, lambda text: at_root(text, roots))
        result = children.call(parcel, request)
        return Answer(ok=to_json(result, lambda path: by_root(path, roots)), files=_put(parcel, roots, exchange))
    except WorkerError as error:
        told: dict[str, Any] = {"detail": error.detail, "raised": error.raised, "cpu_s": error.cpu_s}
        return _failed(error.kind, error.message, **told)
    except (DriftdError, OSError) as error:
        return _failed("refused" if isinstance(error, Refused) else "retry", f"on {platform.node()}: {error}")
    except Exception as error:
        detail = "".join(traceback.format_exception(error))[-4000:]
        return _failed("failed", f"on {platform.node()}: {type(error).__name__}: {error}", detail=detail, raised=True)


def _failed(kind: Any, message: str, **told: Any) -> Answer:
    return Answer(error=Failure(kind=kind, message=message, **told))


def _refuse_unlike(parcel: Parcel) -> None:
    """Retry where this host would make something else of it."""
    here = about()
    unlike = [f"{name} {here.get(name)}, not {its}" for name, its in parcel.versions.items() if here.get(name) != its]
    if unlike:
        raise Retry(f"this worker has {', '.join(unlike)}", WAY_OUT)
    for file in parcel.code:
        if not is_same(Path(file.name), file):
            raise Retry(f"{file.name} is not here, or another one", CODE_STAYS)


def _place(file: SentFile, parcel: Parcel, roots: dict[str, Path], exchange: Exchange) -> None:
    """Have a file where the stage will look for it: as it lies on this host where that is the same, else from the
    exchange. What the stage may change is a copy."""
    target = at_root(MARK + file.name, roots)
    lies = at_root(MARK + file.name, {name: Path(root) for name, root in parcel.roots.items()})
    if is_same(lies, file):
        target.parent.mkdir(parents=True, exist_ok=True)
        is_work = bool(parcel.work) and f"{MARK}{file.name}".startswith(f"{parcel.work}/")
        shutil.copyfile(lies, target) if is_work else target.symlink_to(lies)
    elif file.at:
        fetch(exchange, file.at, file, target)
    else:
        way_out = "let workers see control's state folder under the same path, or name a [service] store"
        raise Retry(f"{lies} is not here, or another one", way_out)


def _put(parcel: Parcel, roots: dict[str, Path], exchange: Exchange) -> list[SentFile]:
    """All that the work folder has; in the exchange is what did not come with the parcel."""
    if not parcel.work:
        return []
    came, sent = {(file.name, file.sha256) for file in parcel.files}, []
    there = set(exchange.names(parcel.folder))
    for path in files_below(at_root(parcel.work, roots)):
        name, digest = by_root(path, roots).removeprefix(MARK), digest_of(path)
        at = f"{parcel.folder}/{digest}"
        if (name, digest) not in came and at not in there:
            exchange.put(at, path)
        sent.append(SentFile(name, digest, path.stat().st_size, at))
    return sent


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder for one attempt. Before it is made, those of attempts that were killed are removed, which hold no lock
    any more."""
    base = Path(tempfile.gettempdir(), f"driftd-attempts-{os.geteuid()}")
    base.mkdir(mode=0o700, exist_ok=True)
    if base.is_symlink() or base.stat().st_uid != os.geteuid():
        raise Retry(f"{base} is another user's", "set TMPDIR for the workers")
    with (base / ".lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        for left in base.iterdir():
            if left.is_dir() and _is_left(left):
                shutil.rmtree(left, ignore_errors=True)
        made = Path(tempfile.mkdtemp(dir=base))
        held = (made / ".lock").open("w")
        fcntl.flock(held, fcntl.LOCK_EX)
    with held:
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    try:
        with (folder / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
