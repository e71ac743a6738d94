"""How one attempt to send a message went, and how it is kept from taking for ever."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

LIMIT_S = 15.0
"""For so long a receiver may take in all."""


@dataclass(frozen=True)
class Attempt:
    """`reason` is empty where the message arrived; `partly` tells then who did not get it. `again_s` is when the
    receiver wants to be asked again, `only_this` whether it is this message that it does not take, `perhaps_this`
    whether it may be."""

    reason: str = ""
    again_s: float | None = None
    only_this: bool = False
    perhaps_this: bool = False
    partly: str = ""

    def told(self) -> str:
        """In words.

        >>> Attempt(partly="nobody@example.com was refused").told()
        'arrived, but nobody@example.com was refused'
        """
        return self.reason or (f"arrived, but {self.partly}" if self.partly else "arrived")


@contextmanager
def limited(used: Callable[[], socket.socket | None], limit_s: float) -> Iterator[None]:
    """Cuts the socket that is used off after its time, also where the other side sends byte after byte; TimeoutError
    then."""
    is_late = threading.Event()

    def cut() -> None:
        is_late.set()
        if (sock := used()) is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    timer = threading.Timer(limit_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if is_late.is_set():
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()


@cache
def trust() -> ssl.SSLContext:
    """The certificates that the system trusts, or SSL_CERT_FILE names."""
    return ssl.create_default_context()


def words(error: Exception, limit_s: float) -> str:
    """Why it did not arrive, without its address, which may be a secret."""
    if isinstance(error, TimeoutError):
        return f"no answer within {limit_s:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, socket.gaierror):
        return f"its host name is not known: {error.strerror}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"no proper answer: {type(error).__name__}"
