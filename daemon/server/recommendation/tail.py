"""What was posted and is in no file yet: the whole lines of all segments in a model's spool, whoever wrote them.

A segment moves from the spool to a folder of segments that are taken in, and goes once the ledger has its lines. They
are read in this order, and the ledger after them: what moves meanwhile is met later, never missed."""

import contextlib
from pathlib import Path

from daemon.runtime.spool import CLOSED, OPEN, taking_folders


class Tail:
    """Reads each line once. `shrunk` says that lines are gone which were read: a write of them had failed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, int] = {}
        self.shrunk = False

    def new_lines(self) -> list[bytes]:
        """The whole lines since the last look, in no order."""
        seen: dict[str, int] = {}
        lines: list[bytes] = []
        for path in self._segments(self._folder):
            self._follow(path, seen, lines)
        for folder in taking_folders(self._folder):
            for path in self._segments(folder):
                self._follow(path, seen, lines)
        self._read = seen
        return lines

    @staticmethod
    def _segments(folder: Path) -> list[Path]:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return sorted(path for path in folder.iterdir() if path.suffix in (OPEN, CLOSED) and _is_segment(path))
        return []

    def _follow(self, path: Path, seen: dict[str, int], lines: list[bytes]) -> None:
        begin = max(self._read.get(path.stem, 0), seen.get(path.stem, 0))
        with contextlib.suppress(FileNotFoundError):
            with path.open("rb") as file:
                size = file.seek(0, 2)
                if size < begin:
                    self.shrunk = True
                file.seek(begin)
                data = file.read() if size > begin else b""
            end = data.rfind(b"\n") + 1
            lines += data[:end].splitlines()
            seen[path.stem] = begin + end


def _is_segment(path: Path) -> bool:
    """Named by the moment of its beginning."""
    return path.name.split("-")[0].isdigit()
