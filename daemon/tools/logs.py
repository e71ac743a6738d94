"""Events as they were logged, read back: lines of JSON of a file and of what it was rotated to or of standard input, or
the entries of the systemd journal."""

import contextlib
import gzip
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from retrain.records.errors import Refused

Entry = dict[str, Any]
LOOK_S, PIECE = 0.25, 1 << 20
"""How often a file that is followed is looked at, and how many bytes are read at once."""
LEVELS = ("debug", "info", "warning", "error")
PRIORITIES = {"info": 6, "warning": 4, "error": 3}
"""What the journal has of them."""
IDENTIFIER = "SYSLOG_IDENTIFIER=driftd"
LATEST = 250_000_000_000.0
"""A moment that calendars still have, in Unix seconds."""
LONGEST_LINE = 1_000_000
"""Bytes; a longer line is none of driftd's."""


@dataclass(frozen=True)
class Wanted:
    """Which events: of a model, of these names, from a level up, logged since a moment (Unix seconds)."""

    model: str | None = None
    events: frozenset[str] = frozenset()
    level: str = "debug"
    since: float | None = None

    def has(self, entry: Entry) -> bool:
        """Whether it is one of them.

        >>> Wanted(level="warning").has({"event": "file_held", "level": "warning"})
        True
        """
        level = entry.get("level")
        rank = LEVELS.index(level) if level in LEVELS else len(LEVELS)
        return (
            (self.model is None or entry.get("model") == self.model)
            and (not self.events or entry.get("event") in self.events)
            and rank >= LEVELS.index(self.level)
            and (self.since is None or moment(entry) >= self.since)
        )


def moment(entry: Entry) -> float:
    """When it was logged, in Unix seconds; 0 where it does not say.

    >>> moment({"timestamp": "1970-01-01T00:00:02Z"}), moment({"timestamp": "yesterday"}), moment({})
    (2.0, 0.0, 0.0)
    """
    try:
        at = datetime.fromisoformat(str(entry.get("timestamp")))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def entry_of(line: bytes) -> Entry | None:
    """The event of a line; None where it is none, such as of a traceback.

    >>> entry_of(b'{"event": "file_seen"}'), entry_of(b"Traceback"), entry_of(b"[1]")
    ({'event': 'file_seen'}, None, None)
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("event"), str) else None


def from_lines(lines: Iterable[bytes], wanted: Wanted) -> Iterator[Entry]:
    """Those events of the lines that are wanted, in their order."""
    return (entry for line in lines if (entry := entry_of(line)) is not None and wanted.has(entry))


def from_file(path: Path, wanted: Wanted, end: int | None = None) -> Iterator[Entry]:
    """The events of a log file, of which only the first `end` bytes where that is given, and of what it was rotated to,
    oldest first."""
    for one in rotated(path, wanted.since):
        try:
            with _opened(one) as file:
                yield from from_lines(_lines(file, end if one == path else None), wanted)
        except FileNotFoundError:
            continue  # it was rotated away meanwhile
        except (EOFError, gzip.BadGzipFile) as error:
            raise Refused(f"{one}: cannot be read: {error}", "move it away, or wait until it is compressed") from None


def rotated(path: Path, since: float | None = None) -> list[Path]:
    """The file and what rotation left beside it (`x.log.1`, `x.log.2.gz`, `x.log-20261130`), oldest first, without
    those that were last written before `since`."""
    found = []
    for one in path.parent.glob(f"{_escaped(path.name)}*"):
        rest = one.name[len(path.name) :].removesuffix(".gz")
        if rest == "" or (rest[0] in ".-" and rest[1:].replace("-", "").replace(".", "").isdigit()):
            with contextlib.suppress(FileNotFoundError):
                found.append((one != path, one.stat().st_mtime, one))
    ordered = sorted(((at, one) for is_old, at, one in found if is_old)) + [(0.0, path)] * path.exists()
    return [one for at, one in ordered if one == path or since is None or at >= since]


def whole_lines(path: Path) -> int:
    """Where the last whole line of a file ends, in bytes; 0 where it is not there."""
    file = _there(path)
    if file is None:
        return 0
    with file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LONGEST_LINE))
        tail = file.read(min(size, LONGEST_LINE))
        return size - (len(tail) - (tail.rfind(b"\n") + 1))


def follow(path: Path, wanted: Wanted, start: int = 0, sleep: Callable[[float], None] = time.sleep) -> Iterator[Entry]:
    """What comes in the file, for ever: also after it was renamed, removed or cut. Of the file that is there now, from
    byte `start` on."""
    file: BinaryIO | None = None
    rest = b""
    try:
        while True:
            if file is None:
                file, rest = _there(path), b""
                if file is not None:
                    file.seek(start)
                start = 0
            if file is None:
                sleep(LOOK_S)
                continue
            is_at = _is_at(file, path)  # before it is read: what is written before a renaming is read after it
            while piece := file.read(PIECE):
                *lines, rest = (rest + piece).split(b"\n")
                yield from from_lines(lines, wanted)
                rest = rest if len(rest) <= LONGEST_LINE else b""
            if not is_at:
                file.close()
                file = None
                continue
            if os.fstat(file.fileno()).st_size < file.tell():
                file.seek(0)
                rest = b""
            sleep(LOOK_S)
    finally:
        if file is not None:
            file.close()


def from_journal(wanted: Wanted, last: int | None, is_followed: bool) -> Iterator[Entry]:
    """The events that the journal has of driftd; Refused where there is no journal that this user may read."""
    program = shutil.which("journalctl")
    if program is None:
        raise Refused("there is no journal here", "set [service.log] file, or give a file: --from FILE")
    with subprocess.Popen(  # noqa: S603 - a fixed program, and arguments without a shell
        [program, *journal_arguments(wanted, last, is_followed)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            for line in process.stdout:
                entry = journal_entry(line)
                if entry is not None and wanted.has(entry):
                    yield entry
        except GeneratorExit:
            process.kill()
            raise
        error = process.stderr.read().decode("utf-8", "replace").strip()
    if process.returncode:
        raise Refused(f"the journal cannot be read: {error}", "run it as root or as a member of systemd-journal")


def journal_arguments(wanted: Wanted, last: int | None, is_followed: bool) -> list[str]:
    """How journalctl is asked: it has an index of names and models.

    >>> journal_arguments(Wanted("m", frozenset(["file_held"]), since=60.0), 5, False)[5:]
    ['--since=@60', 'SYSLOG_IDENTIFIER=driftd', 'MODEL=m', 'EVENT=file_held']
    """
    arguments = ["--quiet", "--no-pager", "--output=json", "--output-fields=MESSAGE", "--all"]
    if wanted.since is not None:
        arguments.append(f"--since=@{int(wanted.since)}")
    if is_followed:
        arguments += ["--follow", f"--lines={'all' if last is None else last}"]
    if wanted.level in PRIORITIES:
        arguments.append(f"--priority={PRIORITIES[wanted.level]}")
    names = [f"EVENT={name}" for name in sorted(wanted.events)]
    return [*arguments, IDENTIFIER, *([f"MODEL={wanted.model}"] if wanted.model is not None else []), *names]


def journal_entry(line: bytes) -> Entry | None:
    """The event of a line of `journalctl --output=json`; it writes a text that is no UTF-8 as a list of bytes."""
    try:
        message = json.loads(line).get("MESSAGE")
    except (ValueError, AttributeError, RecursionError):
        return None
    if isinstance(message, list):
        message = bytes(message).decode("utf-8", "replace")
    return entry_of(message.encode("utf-8", "surrogatepass")) if isinstance(message, str) else None


def sentence(entry: Entry) -> str:
    """An event as one plain line: local time, level where it is not usual, model, name and fields.

    >>> sentence({"event": "file_held", "level": "warning", "timestamp": "x", "model": "m", "rows": 3, "hint": None})
    '-                    warning  m             file_held           rows=3'
    """
    at = moment(entry)
    when = datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S") if 0 < at < LATEST else "-"
    level = "" if entry.get("level") in ("info", "debug") else str(entry.get("level", ""))
    fixed = ("event", "level", "timestamp", "model")
    fields = "  ".join(
        f"{key}={_plain(value)}" for key, value in entry.items() if key not in fixed and value is not None
    )
    return f"{when:<19}  {level:<7}  {entry.get('model') or '':<12}  {entry['event']:<18}  {fields}".rstrip()


def _plain(value: Any) -> str:
    """On the one line, as short as it can be said."""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False) if not text or any(c in text for c in "\n\r\t") else text


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        yield file  # type: ignore[misc]


def _lines(file: BinaryIO, end: int | None) -> Iterator[bytes]:
    """Lines that begin before byte `end`, of which none takes more memory than any of driftd's."""
    while (end is None or file.tell() < end) and (line := file.readline(LONGEST_LINE)):
        yield line


def _there(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
