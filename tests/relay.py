"""A way to a server that can be cut and mended: what a network between two processes does."""

import contextlib
import socket
import threading
from types import TracebackType

from daemon_harness import free_port


class Relay:
    """Passes bytes on, both ways, between its own port and another on this machine, while it is neither cut nor held."""

    def __init__(self, to_port: int) -> None:
        self.port, self._to = free_port(), to_port
        self._open: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self._passes = threading.Event()
        self.mend()

    @property
    def url(self) -> str:
        """As a browser asks for it."""
        return f"http://127.0.0.1:{self.port}"

    def mend(self) -> None:
        """Let connections through."""
        self._passes.set()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """End all connections, and let none through."""
        assert self._listener is not None
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def hold(self) -> None:
        """Keep all connections, and pass nothing on, as a cable that is unplugged; who connects hears nothing."""
        self._passes.clear()

    def go_on(self) -> None:
        """Pass on what waited, too."""
        self._passes.set()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.cut()
        self._passes.set()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                ends = listener.accept()[0], socket.create_connection(("127.0.0.1", self._to))
                self._open += ends
                for one, other in (ends, ends[::-1]):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := one.recv(65_536):
                self._passes.wait()
                other.sendall(piece)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)
