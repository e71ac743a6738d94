"""How a server hands a request to the page process and gets the answer, on a Unix socket: each side one line of JSON
and then bytes, and the next request on the same connection. The request was parsed by the server; nothing is parsed as
HTTP a second time.

The socket has an abstract address, chosen by the kernel: a state folder that hangs, or whose path is longer than a Unix
socket's may be, hinders nobody, and nothing is left over. Whoever is on the machine could connect, so the page process
answers its own user alone (`is_own_user`)."""

import asyncio
import os
import socket
import struct
from typing import TypeVar

import msgspec

MOST_LINE = 256 * 1024
"""Bytes of a line: more than the headers of a request may have, escaped."""
MOST_BODY = 64 * 1024
"""Bytes of a request's body: what a person asks for is short."""
MOST_ANSWER = 2 * 1024 * 1024
"""Bytes of an answer's body, compressed where the client takes that."""
BACKLOG = 128
T = TypeVar("T")


class Request(msgspec.Struct, frozen=True):
    """What was asked: `path` as it was sent, percent signs and all, `headers` in small letters and latin-1."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    client: str
    body_bytes: int = 0


class Head(msgspec.Struct, frozen=True):
    """How an answer begins. The body follows: `body_bytes` of it, or where that is None all until the end, as it
    comes."""

    status: int
    headers: list[tuple[str, str]]
    body_bytes: int | None = 0


def page_listener() -> socket.socket:
    """A listening socket at an abstract address of its own."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind("")
    listener.listen(BACKLOG)
    return listener


def address_of(listener: socket.socket) -> str:
    """The address as it can be an argument of a command."""
    return bytes(listener.getsockname()).hex()


async def connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection; OSError at once where nobody listens or too many wait already."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.connect(bytes.fromhex(address))
        return await asyncio.open_connection(sock=connection, limit=MOST_LINE)
    except BaseException:
        connection.close()
        raise


def is_own_user(connection: socket.socket) -> bool:
    """Whether the other end is a process of this process's user."""
    given = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", given)[1] == os.geteuid())


def line(message: Request | Head) -> bytes:
    """A message, ready to be sent."""
    return msgspec.json.encode(message) + b"\n"


async def read(reader: asyncio.StreamReader, kind: type[T]) -> T:
    """The next message; EOFError where there is none, ValueError where it is no such message."""
    text = await reader.readline()
    if not text.endswith(b"\n"):
        raise EOFError("the other side ended")
    return msgspec.json.decode(text, type=kind)
