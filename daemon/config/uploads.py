"""What a host without control uploads for control to take in: segments of answered rows, of labels or events, and of
what its servers saw of trials. Names alone; nothing is read or written here.

`uploads/KIND/MODEL/NUMBER-HOST-DIGEST.jsonl` is the name in the store and below that host's state folder. A host's
numbers only grow, so that control knows by the last one of a stream which segments it has."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

UPLOADS = "uploads"
POSTED, LOGGED, TRIALS = "posted", "logged", "trials"
KINDS = POSTED, LOGGED, TRIALS
HOST_CHARS, DIGEST_CHARS = 12, 16
HOSTS = f"{UPLOADS}/hosts/"
"""Below it each of these hosts says of itself how it is."""
NAME = re.compile(rf"(\d{{19,}})-([0-9a-f]{{{HOST_CHARS}}})-([0-9a-f]{{{DIGEST_CHARS}}})\.jsonl")


class Stream(NamedTuple):
    """What one host uploads of one kind and model, segment after segment."""

    kind: str
    model: str
    host: str


@dataclass(frozen=True, order=True)
class Upload:
    """One segment; the number is about the nanoseconds since 1970 at which it was given."""

    number: int
    stream: Stream
    digest: str

    @property
    def file(self) -> str:
        """Its file's name.

        >>> one = Upload(1735689600500000000, Stream("posted", "m", "0a1b2c3d4e5f"), "0123456789abcdef")
        >>> one.name, of_name(one.name) == one
        ('uploads/posted/m/1735689600500000000-0a1b2c3d4e5f-0123456789abcdef.jsonl', True)
        """
        return f"{self.number}-{self.stream.host}-{self.digest}.jsonl"

    @property
    def name(self) -> str:
        """In the store, and below the state folder of its host."""
        return f"{UPLOADS}/{self.stream.kind}/{self.stream.model}/{self.file}"


def of_file(kind: str, model: str, file: str) -> Upload | None:
    """By the name of the file; None of segments that have no number, as those of a host's own servers."""
    found = NAME.fullmatch(file)
    return None if found is None else Upload(int(found[1]), Stream(kind, model, found[2]), found[3])


def is_uploaded(file: str) -> bool:
    """Whether a segment came from another host, by the name of its file."""
    return NAME.fullmatch(file) is not None


def of_name(name: str) -> Upload | None:
    """By the name in the store; None of anything else."""
    match name.split("/"):
        case [first, kind, model, file] if first == UPLOADS and kind in KINDS:
            return of_file(kind, model, file)
    return None


def of_files(kind: str, model: str, files: Iterable[str]) -> list[Upload]:
    """Those of the files that were uploaded."""
    return [found for file in files if (found := of_file(kind, model, file)) is not None]
