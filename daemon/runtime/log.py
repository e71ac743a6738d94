"""Structured logs: a readable console on a terminal, journal fields under systemd, JSON lines otherwise."""

import array
import errno
import fcntl
import io
import json
import os
import socket
import sys
import warnings
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import structlog

from daemon.runtime.log_file import LogFile
from daemon.runtime.printable import printable

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3}
JOURNAL = "/run/systemd/journal/socket"
TOO_LARGE = (errno.EMSGSIZE, errno.ENOBUFS)
FORMATS = ("auto", "console", "json", "journal")
LONGEST_LINE = 8_000
"""Bytes of an event as a line of JSON: whatever a file or a request holds, its longest fields are cut until it fits."""
SHORTEST_FIELD = 100
MOST_WARNINGS = 100
"""Warnings of libraries that a process tells: their texts may have numbers in them."""
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
Tap = Callable[[dict[str, Any]], None]


def get_logger() -> Any:
    """The logger of all parts; `bind` adds context such as model, file or cycle_id."""
    return structlog.get_logger()


def configure(
    level: str = "info",
    style: str = "auto",
    stream: TextIO | None = None,
    tap: Tap | None = None,
    file: Path | None = None,
) -> None:
    """Set the process's logs up; `style` is one of FORMATS. `tap` gets each event as a dict; `file` gets each as a line
    of JSON besides."""
    stream = stream or _unbuffered(sys.stdout)
    chosen = _style(stream) if style == "auto" else style
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _bounded,
    ]
    if tap is not None:
        processors.append(_tapped(tap))
    if file is not None:
        processors.append(_tapped(LogFile(file, json_line, partial(_tell_lost, file)).add))
    if chosen == "console":
        processors.append(_for_people)
    factory: Any = Journal() if chosen == "journal" else _Lines(stream)
    processors += [_with_dropped(factory), _renderer(chosen, stream)]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: factory,
        cache_logger_on_first_use=False,
    )
    warnings.showwarning = _told_once(set())


def _told_once(told: set[tuple[str, str]]) -> Callable[..., None]:
    """What logs a warning of Python's as an event, each text once: scikit-learn sets its filters anew in each call, so
    that one of a pipeline would come with every request."""

    def tell(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any) -> None:
        one = (category.__name__, " ".join(str(message).split()))
        if one not in told and len(told) < MOST_WARNINGS:
            told.add(one)
            get_logger().info("code_warned", kind=one[0], text=one[1], place=f"{filename}:{lineno}")

    return tell


def _tell_lost(file: Path, reason: str) -> None:
    get_logger().warning("log_file_failed", file=str(file), reason=reason)


def _style(stream: TextIO) -> str:
    if _is_journal(os.environ.get("JOURNAL_STREAM", "")):
        return "journal"
    return "console" if stream.isatty() else "json"


def own_output() -> TextIO:
    """Standard output for the log alone, as a stream: what code of the user's prints goes to standard error."""
    stream = io.TextIOWrapper(io.FileIO(os.dup(1), "w"), sys.stdout.encoding, "backslashreplace", write_through=True)
    os.dup2(2, 1)
    return stream


def _unbuffered(stream: TextIO) -> TextIO:
    """The same file without a buffer: a line that it did not take neither comes again nor fails the process's end."""
    try:
        raw = io.FileIO(stream.fileno(), "w", closefd=False)
    except (OSError, ValueError):
        return stream
    return io.TextIOWrapper(raw, stream.encoding, "backslashreplace", write_through=True)


def _is_journal(stream: str) -> bool:
    """Whether systemd connected standard error with the journal, whose device and inode it names."""
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return stream == f"{status.st_dev}:{status.st_ino}"


def _bounded(_logger: Any, _method: str, entry: dict[str, Any]) -> dict[str, Any]:
    """An event of at most LONGEST_LINE; of a text that is cut, beginning and end stay."""
    longest = LONGEST_LINE // 2
    while len(json_line(entry)) > LONGEST_LINE and longest >= SHORTEST_FIELD:
        entry = {key: _cut(value, longest) for key, value in entry.items()}
        longest //= 2
    return entry


def _cut(value: Any, longest: int) -> Any:
    """A value that takes about so many characters of JSON."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if len(text) > longest:  # before it is looked at more closely
        value = text = f"{text[: longest // 2]}…{text[-longest // 2 :]}"
    excess = len(json.dumps(value, default=str)) / longest
    return value if excess <= 1 else text[: int(longest / excess)] + "…"


def both(one: Tap, other: Tap) -> Tap:
    """A tap that feeds two."""

    def tap(entry: dict[str, Any]) -> None:
        one(entry)
        other(entry)

    return tap


def _tapped(tap: Tap) -> Callable[..., Any]:
    def process(_logger: Any, _method: str, entry: dict[str, Any]) -> dict[str, Any]:
        tap(dict(entry))
        return entry

    return process


def _with_dropped(factory: Any) -> Callable[..., Any]:
    """Adds to an event how many before it were not taken."""

    def process(_logger: Any, _method: str, entry: dict[str, Any]) -> dict[str, Any]:
        return entry | {"dropped_before": factory.dropped} if factory.dropped else entry

    return process


def _for_people(_logger: Any, _method: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Local time of day, numbers to four digits, large ones whole; nothing of what has no value, nor that the terminal
    would obey."""
    moment = datetime.fromisoformat(entry["timestamp"]).astimezone()
    shown = {key: _digits(value) if isinstance(value, float) else value for key, value in entry.items()}
    shown = {key: printable(value) if isinstance(value, str) else value for key, value in shown.items()}
    shown = {key: value for key, value in shown.items() if value is not None}
    return shown | {"timestamp": moment.strftime("%H:%M:%S")}


def _digits(value: float) -> str:
    return f"{value:,.0f}" if 10_000 <= abs(value) < 1e15 else f"{value:.4g}"


def _renderer(style: str, stream: TextIO) -> Any:
    if style == "console":
        colours = stream.isatty() and "NO_COLOR" not in os.environ
        return structlog.dev.ConsoleRenderer(
            colors=colours, pad_event_to=18, sort_keys=False, timestamp_key="timestamp"
        )
    if style == "json":
        return lambda _logger, _method, entry: json_line(entry)
    return lambda _logger, _method, entry: ((entry,), {})


def json_line(entry: dict[str, Any]) -> str:
    """One event as one line of JSON, the fixed fields first."""
    first = {key: entry[key] for key in ("event", "level", "timestamp") if key in entry}
    return json.dumps(first | entry, default=str)


class _Lines:
    """Writes lines to a stream. One that is full or whose reader went away costs lines, never the service; how many
    is told with the next line that it takes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.dropped = 0

    def msg(self, message: str) -> None:
        try:
            self._stream.write(message + "\n")
            self._stream.flush()
            self.dropped = 0
        except (OSError, ValueError):
            self.dropped += 1

    debug = info = warning = error = critical = exception = msg


class Journal:
    """Sends each event to the journal by its native protocol: fields are indexed, large values are whole.

    Sending never blocks; what the journal did not take is counted and told with the next event it takes.
    """

    def __init__(self, address: str = JOURNAL) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self.dropped = 0

    def msg(self, entry: dict[str, Any]) -> None:
        try:
            self._send(journal_datagram(entry))
            self.dropped = 0
        except OSError:
            self.dropped += 1

    debug = info = warning = error = critical = exception = msg

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendto(data, self._address)
        except OSError as error:
            if error.errno not in TOO_LARGE:
                raise
            self._send_by_memory(data)

    def _send_by_memory(self, data: bytes) -> None:
        """What is too large for a datagram goes as a sealed piece of memory, whose descriptor is sent."""
        memory = os.memfd_create("driftd-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            with open(memory, "wb", closefd=False) as file:
                file.write(data)
            fcntl.fcntl(memory, fcntl.F_ADD_SEALS, SEALS)
            passed = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [memory]))
            self._socket.sendmsg([b""], [passed], 0, self._address)
        finally:
            os.close(memory)


def log_dropped() -> None:
    """Log that the journal did not take events, where none came after them that has their number."""
    journal = structlog.get_config()["logger_factory"]()
    if isinstance(journal, Journal) and journal.dropped:
        get_logger().warning("log_dropped")


def journal_datagram(entry: dict[str, Any]) -> bytes:
    """An event in the journal's native protocol: NAME=value lines, values with line ends by length."""
    fields = {
        "MESSAGE": json_line(entry),
        "PRIORITY": str(PRIORITIES.get(str(entry.get("level")), 6)),
        "SYSLOG_IDENTIFIER": "driftd",
    }
    for key, value in entry.items():
        if isinstance(value, str | int | float) and key not in ("level", "timestamp"):
            fields[key.upper()] = str(value)
    return b"".join(_field(name, value) for name, value in fields.items())


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "backslashreplace")
    if b"\n" in data:
        return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
    return name.encode() + b"=" + data + b"\n"
