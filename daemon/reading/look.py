"""Looks at files without opening them: is it there, is it a file, has it changed?"""

import fnmatch
import functools
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from retrain.records.errors import Refused

EXCEL = ".xlsx"
EXCEL_EXTRA = 'pip install "driftd[excel]"'
READABLE = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".pq", EXCEL)
UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".download", ".swp", "~", ".lock")
"""Endings of names of files that are being written."""
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

LEADS_OUT = "a link that leads out of the data folder is not read; put the file, or a copy, into the folder"


@dataclass(frozen=True, slots=True)
class Look:
    """What tells one content from the next: `ctime_ns` and `inode` see rewrites that keep size and mtime."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something named like a data file is none."""

    reason: str
    vanished: bool = False


def look(path: str | Path, root: str | Path | None = None) -> Look | Problem:
    """One look at a path, following a symbolic link, but not out of the folder `root`."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        if os.path.islink(path):
            return Problem("a broken symbolic link: its target does not exist")
        return Problem("it vanished", vanished=True)
    except OSError as error:
        return Problem(f"cannot be looked at: {error.strerror or error}")
    if root is not None and leads_out(path, root):
        return Problem(LEADS_OUT)
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
        return Problem(f"{kind}; expected a file")
    if not os.access(path, os.R_OK):
        mode = stat.filemode(status.st_mode)
        return Problem(f"may not be read by this user ({mode}, owner {status.st_uid}); make it readable")
    return Look(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def refuse_large(size: int, most_bytes: int) -> None:
    """Refused where a file has more bytes than `limits.max_file`."""
    if size > most_bytes:
        raise Refused(f"the file has {size:,} bytes; limits.max_file is {most_bytes:,}")


def leads_out(path: str | Path, root: str | Path) -> bool:
    """Whether a path leads, by symbolic links, to a place that is not below the folder, which may be a link itself."""
    top = os.path.realpath(root)
    return os.path.commonpath((os.path.realpath(path), top)) != top


def matches(relpath: str, patterns: Sequence[str]) -> bool:
    """Whether a path within the data folder is named like a data file; hidden files and folders never are.

    >>> matches("2024/a.csv.gz", ("*.csv.gz",)), matches(".tmp/a.csv", ("*.csv",))
    (True, False)
    """
    parts = relpath.split(os.sep)
    if any(part.startswith(".") for part in parts):
        return False
    name = parts[-1].lower()
    if name.endswith(EXCEL) and not excel_is_installed():
        return False
    return any(fnmatch.fnmatchcase(name, pattern.lower()) for pattern in patterns)


def scan(
    root: str | Path, patterns: Sequence[str], recursive: bool, others: list[str] | None = None
) -> Iterator[tuple[str, Look | Problem]]:
    """All data files below the folder with a look at each, in no order; a folder that is gone is empty. The paths of
    files that are none by their names are added to `others`.

    Sub-folders that are symbolic links are not followed: they may lead back."""
    folders = [os.fspath(root)]
    top = len(folders[0].rstrip(os.sep)) + 1
    while folders:
        folder = folders.pop()
        try:
            entries = os.scandir(folder)
        except OSError:
            continue
        with entries:
            for entry in entries:
                relative = entry.path[top:]
                if recursive and entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                    folders.append(entry.path)
                if matches(relative, patterns):
                    yield relative, look(entry.path, root if entry.is_symlink() else None)
                elif others is not None and not is_passing(relative) and entry.is_file():
                    others.append(relative)


def is_passing(relpath: str) -> bool:
    """Whether a name is that of a hidden file or folder, or of a file that a program is still writing.

    >>> is_passing("a.csv.part"), is_passing("~$a.xlsx"), is_passing(".a/b.xls"), is_passing("a.xls")
    (True, True, True, False)
    """
    parts = relpath.lower().split(os.sep)
    return any(part.startswith(".") for part in parts) or parts[-1].startswith("~") or parts[-1].endswith(UNFINISHED)


def why_unread(relpath: str) -> str:
    """Why a file that no pattern takes is not read, and the way out."""
    name = relpath.lower()
    if name.endswith(EXCEL) and not excel_is_installed():
        return f"not read: spreadsheets need a package that is not installed; {EXCEL_EXTRA}"
    bare = name.removesuffix(".gz").removesuffix(".zst")
    suffix = os.path.splitext(bare)[1]
    if suffix in READABLE:
        return f'not read: no pattern takes it; if it is data, add "*{suffix}{name[len(bare) :]}" to intake.patterns'
    return f"not read: its format is none of {', '.join(READABLE)}; save it as one of these, or put it elsewhere"


@functools.cache
def excel_is_installed() -> bool:
    """Whether spreadsheets can be read here."""
    return find_spec("python_calamine") is not None
