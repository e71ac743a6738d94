"""Bodies in and out: read within a limit, decompressed and compressed as the headers say."""

import asyncio
import gzip
import zlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from daemon.server.refusal import BadRequest

COMPRESS_BYTES = 4096
LEVEL = 1
THREAD_BYTES = 256 * 1024
WINDOWS = {b"gzip": 16 + zlib.MAX_WBITS, b"x-gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
Headers = Mapping[bytes, bytes]


async def read_body(headers: Headers, receive: Any, most_bytes: int) -> bytes:
    """The whole body, decompressed; BadRequest 413 or 415 where it is too large or its encoding unknown. That it
    arrives in time is the protocol's concern."""
    declared = headers.get(b"content-length")
    if declared is not None and len(declared) > 5 and int(declared) > most_bytes:
        raise _too_large(most_bytes)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise BadRequest("the client went away")
    body: bytes = message["body"]
    if message["more_body"]:
        body = await _rest(body, receive, most_bytes)
    encoding = headers.get(b"content-encoding")
    if encoding is None or encoding.strip().lower() in (b"", b"identity"):
        return body
    return _decompressed(body, encoding.strip().lower(), most_bytes)


async def _rest(body: bytes, receive: Any, most_bytes: int) -> bytes:
    pieces, size = [body], len(body)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("the client went away")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > most_bytes:
            raise _too_large(most_bytes)
        if not message.get("more_body"):
            return b"".join(pieces)


def _decompressed(body: bytes, encoding: bytes, most_bytes: int) -> bytes:
    """All members of it, as gzip allows."""
    window = WINDOWS.get(encoding)
    name = encoding.decode("latin-1")
    if window is None:
        raise BadRequest(f"Content-Encoding {name!r}; expected gzip or deflate", 415)
    plain = b""
    while True:
        inflater = zlib.decompressobj(window)
        try:
            plain += inflater.decompress(body, most_bytes + 1 - len(plain))
        except zlib.error:
            raise BadRequest(f"the body is not valid {name}") from None
        if len(plain) > most_bytes:
            raise _too_large(most_bytes)
        if not inflater.eof:
            raise BadRequest(f"the body is cut off: its {name} has no end")
        body = inflater.unused_data
        if not body:
            return plain


def _too_large(most_bytes: int) -> BadRequest:
    return BadRequest(f"the body is larger than {most_bytes:,} bytes", 413, {"connection": "close"})


async def compressed(body: bytes, headers: Headers) -> tuple[bytes, str | None]:
    """The body and its Content-Encoding: compressed where the client takes it and it is worth it."""
    accepted = headers.get(b"accept-encoding")
    if accepted is None or len(body) < COMPRESS_BYTES:
        return body, None
    offered = {part.split(b";")[0].strip().lower() for part in accepted.split(b",") if not _refused(part)}
    if b"gzip" in offered:
        name, compress = "gzip", partial(gzip.compress, mtime=0)
    elif b"deflate" in offered:
        name, compress = "deflate", partial(zlib.compress)
    else:
        return body, None
    if len(body) > THREAD_BYTES:
        return await asyncio.to_thread(compress, body, LEVEL), name
    return compress(body, LEVEL), name


def _refused(part: bytes) -> bool:
    return part.replace(b" ", b"").lower().endswith((b";q=0", b";q=0.0"))
