"""`python -m daemon.runtime.worker.child`: answers requests on standard input, one JSON object a line, until it ends.

Request `{"op", "args", "beat"}`, with the arguments as daemon.runtime.worker.operations declares them; answer
`{"ok": {...}}` or `{"error": {"kind", "message", "type", "traceback"}}` where kind is `refused` (the input is at fault,
trying again gives the same), `retry`, or `failed` where nobody thought of it. Either has `cpu_s`, the CPU seconds of
this process and its children since the answer before, or since its start. Until then `{"alive": true}` is written
every `beat` seconds, unless that is null: only a process that is stopped, or whose work lets no other thread run, is
silent. What libraries print goes to standard error, so that the answers stay clean.
"""

import daemon.runtime.quick_imports  # noqa: F401 - before all others

# isort: split
import argparse
import json
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from daemon.runtime import faults
from daemon.runtime.cgroups import try_to_enter
from daemon.runtime.memory import give_back, load_libraries, one_arena
from daemon.runtime.parent import end_with_parent
from daemon.runtime.worker.operations import BY_NAME, TRAINER_IMPORTS
from retrain.operations import from_json, to_json
from retrain.records.errors import Refused, Retry

LEAST_BYTES = 10**8
"""What the smallest training needs beside the libraries."""
GIVE_BACK_S = 5.0
"""CPU seconds of work after which free memory is given back."""


def main(already_niced: int = 0, beside: int = 0) -> None:
    """Set the limits, then answer until standard input ends. A fork is `already_niced`, and has so many bytes of
    addresses `beside` what a trainer imports."""
    options = _options()
    one_arena()
    end_with_parent(options.parent, signal.SIGKILL)
    _limit(options, already_niced)
    lack = limit_memory(options.max_memory, beside) if options.max_memory else ""
    faults.install(os.environ, options.role)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for number in (signal.SIGINT, signal.SIGHUP):  # the parent's affairs, also where the whole group gets them
        signal.signal(number, signal.SIG_IGN)
    serve(sys.stdin, answers, lack)


def limit_memory(most_bytes: int, beside: int = 0) -> str:
    """Bound this process's address space, without what it has `beside`; why nothing can be done within it, "" where
    something can.

    The libraries come first: loaded under a limit that is too small, OpenBLAS asks for its buffers for ever."""
    load_libraries(TRAINER_IMPORTS)
    own = address_space() - beside
    if own + LEAST_BYTES > most_bytes:
        needed = -(-(own + LEAST_BYTES) // 10**8) / 10
        return (
            f"limits.train_memory is {most_bytes / 1e9:.2g} GB, of which the libraries alone take {own / 1e9:.2g} GB; "
            f"raise it to {needed:.1f} GB at least"
        )
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes + beside, most_bytes + beside))
    return ""


def address_space() -> int:
    """Bytes that this process has mapped; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - not a real path
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def serve(requests: IO[str], answers: IO[str], lack: str = "") -> None:
    """Answer each line of `requests` with a line on `answers`: that it is refused where there is a `lack`."""
    spent_s = kept_s = 0.0
    for line in requests:
        request = json.loads(line)
        with _heartbeat(answers, request["beat"]):
            answered = (
                {"error": _error("refused", Refused(lack), lack)} if lack else answer(request["op"], request["args"])
            )
        before_s, spent_s = spent_s, sum(os.times()[:4])
        for part in answered.values():
            part["cpu_s"] = round(spent_s - before_s, 3)
        _write(answers, answered)
        if spent_s - kept_s >= GIVE_BACK_S:
            give_back()
            kept_s = spent_s


@contextmanager
def _heartbeat(answers: IO[str], every_s: float | None) -> Iterator[None]:
    """Signs of life until the work is done; none where nobody waits for them, since a thread takes of the memory."""
    if every_s is None:
        yield
        return
    done = threading.Event()

    def beat() -> None:
        while not done.wait(every_s):
            _write(answers, {"alive": True})

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _write(answers: IO[str], value: dict[str, Any]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


def answer(op: str, args: dict[str, Any]) -> dict[str, Any]:
    """The result of one operation, or its error as data."""
    try:
        operation = BY_NAME[op]
        return {"ok": to_json(operation.answer(from_json(args, operation.request)))}
    except Refused as error:
        return {"error": _error("refused", error, str(error))}
    except MemoryError as error:
        return {"error": _error("retry", error, "out of memory; raise limits.train_memory or shorten the window")}
    except (Retry, OSError) as error:
        return {"error": _error("retry", error, str(error) or type(error).__name__)}
    except Exception as error:
        return {"error": _error("failed", error, f"{type(error).__name__}: {error}")}


def _error(kind: str, error: BaseException, message: str) -> dict[str, Any]:
    trace = "" if kind == "refused" else "".join(traceback.format_exception(error))[-4000:]
    return {"kind": kind, "type": type(error).__name__, "message": message, "traceback": trace}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--role", default="analyst")
    parser.add_argument("--parent", type=int, required=True, help="process whose end ends this one")
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--max-memory", type=int, default=0, help="bytes of address space; 0: no limit")
    parser.add_argument("--oom-score", type=int, default=0)
    parser.add_argument("--group", default="", help="folder of the control group to work in")
    return parser.parse_args()


def _limit(options: argparse.Namespace, already_niced: int) -> None:
    try_to_enter(options.group)
    os.nice(max(0, options.nice - already_niced))
    if options.oom_score and sys.platform == "linux":
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123 - not a real path
            file.write(str(options.oom_score))


if __name__ == "__main__":
    main()
