"""`python -m daemon.runtime.worker.fork_server`: a process that has imported what workers import, and does nothing but
fork one for each request of control, so that a worker need not import it anew.

On its socket it says `{"ready": true}` once it has the libraries. A request carries the descriptors that are to be the
worker's standard input, output and error; it is answered by `{"pid"}` with a descriptor of the process (pidfd), or by
`{"error"}`. `{"ended": pid, "status"}` tells the end of a worker, a signal as negative. A worker's arguments and
environment are the first line of its own standard input: no secret passes here. The server has one thread, since a lock
that another one holds would stay locked in a fork for ever. It ends with control, and its workers end with it.
"""

import daemon.runtime.quick_imports  # noqa: F401 - before all others

# isort: split
import argparse
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path

from daemon.runtime.cgroups import try_to_enter
from daemon.runtime.memory import give_back, load_libraries, one_arena
from daemon.runtime.parent import end_with_parent
from daemon.runtime.worker import child
from daemon.runtime.worker.operations import ANALYST_IMPORTS, TRAINER_IMPORTS

NICE = 5
"""As the least niced worker; a fork adds what it lacks."""
ARG_START, ARG_END = 48 - 3, 49 - 3
"""Fields of /proc/PID/stat (proc(5)) behind the command's name: where the process's arguments lie."""
THREADS = "OMP_NUM_THREADS"


def main() -> None:
    """Load the libraries, then fork; a fork goes on as a worker."""
    options = _options()
    one_arena()
    end_with_parent(options.parent, signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGHUP):  # the parent's affairs, also where the whole group gets them
        signal.signal(number, signal.SIG_IGN)
    try_to_enter(options.group)
    os.nice(NICE)
    show(sys.orig_argv[: -2 if options.room else None])
    beside = load()
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        sys.exit(f"{threads} threads are alive once the libraries are loaded: a fork would have one of them only")
    if serve(socket.socket(fileno=options.socket)):
        work(beside)


def load() -> int:
    """Import what workers import, never to be looked through for garbage; how many bytes of addresses that takes beyond
    what a trainer imports."""
    load_libraries(TRAINER_IMPORTS)
    own = child.address_space()
    load_libraries(ANALYST_IMPORTS)
    beside = child.address_space() - own
    gc.collect()
    give_back()
    gc.freeze()
    return beside


def serve(control: socket.socket) -> bool:
    """Fork until control is gone (False); True in a fork, which has nothing of this but its standard streams."""
    running: dict[int, int] = {}
    poll, own = select.poll(), os.getpid()
    poll.register(control, select.POLLIN)
    control.send(b'{"ready": true}')
    while True:
        for descriptor, _ in poll.poll():
            if (pid := running.get(descriptor)) is not None:
                poll.unregister(descriptor)
                os.close(descriptor)
                del running[descriptor]
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                control.send(json.dumps({"ended": pid, "status": status}).encode())
                continue
            request, streams, _, _ = socket.recv_fds(control, 64, 3)
            if not request:
                return False
            try:
                pid = os.fork()
            except OSError as error:
                _close(streams)
                control.send(json.dumps({"error": str(error)}).encode())
                continue
            if pid == 0:
                end_with_parent(own, signal.SIGKILL)
                for number, stream in enumerate(streams):
                    os.dup2(stream, number)
                _close([*streams, *running])
                control.close()
                return True
            _close(streams)
            running[descriptor := os.pidfd_open(pid)] = pid
            poll.register(descriptor, select.POLLIN)
            socket.send_fds(control, [json.dumps({"pid": pid}).encode()], [descriptor])


def work(beside: int) -> None:
    """Be the worker that the first line on standard input asks for, as if it had been started so."""
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - until the end
    line = sys.stdin.readline()
    if not line:  # nobody asks any more
        return
    asked = json.loads(line)
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv[1:] = asked["arguments"]
    show([sys.executable, "-m", child.__name__, *asked["arguments"]])
    # Python's own generator is seeded anew in each fork; NumPy's is a copy of the server's.
    sys.modules["numpy"].random.seed()
    _use_threads(int(os.environ.get(THREADS, "1")))
    child.main(already_niced=NICE, beside=beside)


def show(words: list[str]) -> None:
    """Have ps and pgrep show this command line, as far as there is room, where this process's own arguments lie."""
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - not a real path
        fields = file.read().rpartition(")")[2].split()
    start, room = int(fields[ARG_START]), int(fields[ARG_END]) - int(fields[ARG_START])
    text = "\0".join(words).encode(errors="surrogateescape")[: room - 1]
    ctypes.memmove(start, text.ljust(room, b"\0"), room)


def _use_threads(number: int) -> None:
    """What libraries took from the environment when they were loaded, with one thread."""
    if number > 1:
        import pyarrow
        from threadpoolctl import threadpool_limits

        threadpool_limits(number)
        pyarrow.set_cpu_count(number)


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True, help="process whose end ends this one")
    parser.add_argument("--socket", type=int, required=True, help="descriptor of the socket to control")
    parser.add_argument("--group", default="", help="folder of the control group to work in")
    parser.add_argument("--room", default="", help="as long as the arguments of a worker, which take its place")
    return parser.parse_args()


if __name__ == "__main__":
    main()
