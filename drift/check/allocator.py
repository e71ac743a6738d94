"""Memory that is freed between the columns of a check stays with the process until the next one needs it."""

import numpy as np

KEPT = 2**24


def keep_freed_memory() -> None:
    """Let the C library's allocator know that arrays of this size come and go.

    glibc gives arrays of 128 kB and more back to the system as they are freed, and the system clears their pages anew
    for each: half the CPU time of a check. It keeps what is at most as large as the largest it has seen freed, and up
    to twice as much in all (mallopt(3), M_MMAP_THRESHOLD). Nothing here is touched, so that it takes no memory."""
    np.empty(KEPT, dtype=np.uint8)
