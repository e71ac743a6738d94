"""How much a server process lets wait: requests that are whole and wait for their answer, and bytes that have arrived.

A request takes no room for what it announces, only for what has come. One address may have half of the room for
bodies that are not whole; whole ones are not counted by address, since behind a proxy all clients have one."""

from collections import defaultdict

from daemon.server.refusal import BadRequest
from drift.notation import counted

AGAIN = {"retry-after": "1"}


class Admission:
    """The counts of one server process."""

    def __init__(self, most_waiting: int, most_bytes: int) -> None:
        self._most_waiting, self._most_bytes = most_waiting, most_bytes
        self.waiting = self.bytes = 0
        self.unfinished: defaultdict[str, int] = defaultdict(int)

    def enter(self, address: str) -> "Arrival":
        """A request begins to arrive; BadRequest 503 where too many wait."""
        self._refuse_where_full()
        return Arrival(self, address)

    def _refuse_where_full(self) -> None:
        if self.waiting >= self._most_waiting:
            raise BadRequest(f"{counted(self.waiting, 'request', 'wait')} already", 503, AGAIN)

    def _refuse_bytes(self, address: str) -> None:
        if self.bytes > self._most_bytes:
            raise BadRequest(f"requests of {self.bytes:,} bytes wait already", 503, AGAIN | {"connection": "close"})
        if self.unfinished[address] > self._most_bytes // 2:
            reason = f"unfinished bodies from {address} take {self.unfinished[address]:,} bytes already"
            raise BadRequest(reason, 503, AGAIN | {"connection": "close"})


class Arrival:
    """One request on its way in; `leave` in any case."""

    def __init__(self, admission: Admission, address: str) -> None:
        self._admission, self._address = admission, address
        self._size = 0
        self._whole = False

    def add(self, size: int) -> None:
        """More of it arrived; BadRequest 503 where there is no room."""
        self._size += size
        self._admission.bytes += size
        self._admission.unfinished[self._address] += size
        self._admission._refuse_bytes(self._address)

    def finish(self) -> None:
        """All of it is here; BadRequest 503 where too many wait."""
        self._admission._refuse_where_full()
        self._whole = True
        self._forget()
        self._admission.waiting += 1

    def leave(self) -> None:
        """It is answered, or refused."""
        self._admission.bytes -= self._size
        if self._whole:
            self._admission.waiting -= 1
        else:
            self._forget()

    def _forget(self) -> None:
        unfinished = self._admission.unfinished
        unfinished[self._address] -= self._size
        if unfinished[self._address] <= 0:
            del unfinished[self._address]
