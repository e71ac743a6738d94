"""What many ask for at once is made once: fifty open pages all come after the same change."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

FRESH_S, MOST_KEPT, LARGEST_BYTES = 1.0, 16, 512 * 1024
"""How long an answer may be given to others, for what it says of the time and of the traffic; how many are kept, and
how large one may be."""


@dataclass
class _Place:
    """Of one key: the version that its answer was made of, when, and the answer."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    of: Hashable = None
    made_s: float = 0.0
    answer: bytes | None = None


class Shared:
    """Keeps answers by key while the version that they were made of is the newest, and no longer than a second.
    `version` is asked before each is made; None where it cannot be told: nothing is kept then."""

    def __init__(self, version: Callable[[], Hashable], clock: Callable[[], float] = time.monotonic) -> None:
        self._version, self._clock = version, clock
        self._turn = threading.Lock()
        self._places: OrderedDict[Hashable, _Place] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], bytes | None]) -> bytes | None:
        """What `make` returns, or returned to somebody else for this key a moment ago."""
        version = self._version()
        if version is None:
            return make()
        place = self._place(key)
        with place.turn:  # who comes while it is made waits for it
            now_s = self._clock()
            if place.answer is not None and place.of == version and now_s - place.made_s <= FRESH_S:
                return place.answer
            answer = make()
            place.answer = answer if answer is not None and len(answer) <= LARGEST_BYTES else None
            place.of, place.made_s = version, now_s
            return answer

    def _place(self, key: Hashable) -> _Place:
        with self._turn:
            place = self._places.setdefault(key, _Place())
            self._places.move_to_end(key)
            while len(self._places) > MOST_KEPT:
                self._places.popitem(last=False)
            return place
