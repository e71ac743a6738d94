"""The identity of a content."""

import hashlib
from pathlib import Path

from daemon.reading.look import LEADS_OUT, leads_out, refuse_large
from daemon.reading.operations import DigestRequest, DigestResult
from daemon.reading.unfinished import sign_of_writing
from retrain.records.errors import Refused, Retry


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes; Retry where it vanished meanwhile."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise Retry(f"{path} vanished") from None
    except (PermissionError, IsADirectoryError) as error:
        raise Refused(f"cannot be read: {error.strerror or error}") from None
    except OSError as error:
        raise Retry(f"{path}: {error.strerror or error}") from None


def refuse_leading_out(path: Path, root: Path | None) -> None:
    """Refused where a path became, since it was looked at, a link that leads out of the folder."""
    if root is not None and leads_out(path, root):
        raise Refused(LEADS_OUT)


def digest(request: DigestRequest) -> DigestResult:
    """The operation: `file_digest`, and `sign_of_writing` of a file that changed a moment ago."""
    refuse_leading_out(request.path, request.root)
    if request.most_bytes is not None:
        refuse_large(request.path.stat().st_size, request.most_bytes)
    writing = sign_of_writing(request.path) if request.recent else ""
    return DigestResult(sha256="" if writing else file_digest(request.path), writing=writing)
