"""How far a fetch from the object store is."""

from dataclasses import dataclass


@dataclass
class Fetching:
    """How far a fetch is."""

    of_files: int
    of_bytes: int
    files: int = 0
    bytes: int = 0


def fetching_sentence(fetching: Fetching | None) -> str:
    """How far a fetch is, for people.

    >>> fetching_sentence(Fetching(10, 4_000_000_000, 3, 1_200_000_000))
    'fetched 1.20 of 4.00 GB, 3 of 10 files, from the object store'
    """
    if fetching is None:
        return "waiting for the object store"
    of_bytes = f"{fetching.bytes / 1e9:.2f} of {fetching.of_bytes / 1e9:.2f} GB"
    return f"fetched {of_bytes}, {fetching.files:,} of {fetching.of_files:,} files, from the object store"
