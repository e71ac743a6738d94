"""A share of the rows, always the same ones: chosen by their ids, alike in every process."""

import hashlib


def position(salt: str, key: object) -> float:
    """Where an id stands between 0 and 1: below a share it belongs to it. Another `salt` (≤ 16 bytes) deals anew.

    >>> position("canary", "r17") == position("canary", "r17") != position("log", "r17")
    True
    """
    text = str(key).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=6, person=salt.encode()).digest()) / 2**48
