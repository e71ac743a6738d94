"""Bodies in and out: read within a limit, decompressed and compressed as the headers say."""

import gzip
import zlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from daemon.server.admission import Arrival
from daemon.server.pools import Pool
from daemon.server.refusal import BadRequest, quoted

COMPRESS_BYTES = 4096
LEVEL = 1
THREAD_BYTES = 256 * 1024
STEP_BYTES = 64 * 1024
MOST_MEMBERS = 1_000
"""bgzip makes a member of every 64 KB; each costs the copy of a step."""
WINDOWS = {b"gzip": 16 + zlib.MAX_WBITS, b"x-gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
Headers = Mapping[bytes, bytes]


async def read_body(headers: Headers, receive: Any, most_bytes: int, arrival: Arrival) -> bytes:
    """The whole body as it was sent; BadRequest 413 where it is too large, 503 where there is no room for it. That it
    arrives in time is the protocol's concern."""
    declared = headers.get(b"content-length")
    if declared is not None and len(declared) > 5 and int(declared) > most_bytes:
        raise _too_large(most_bytes)
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("the client went away")
        piece: bytes = message["body"]
        size += len(piece)
        if size > most_bytes:
            raise _too_large(most_bytes)
        arrival.add(len(piece))
        if not message["more_body"]:
            break
        pieces.append(piece)
    arrival.finish()
    return b"".join((*pieces, piece)) if pieces else piece


def encoding_of(headers: Headers) -> bytes | None:
    """Of a compressed body; BadRequest 415 for one that is not known."""
    given = headers.get(b"content-encoding")
    encoding = given.strip().lower() if given is not None else b""
    if encoding in (b"", b"identity"):
        return None
    if encoding not in WINDOWS:
        raise BadRequest(f"Content-Encoding {quoted(encoding.decode('latin-1'))}; expected gzip or deflate", 415)
    return encoding


def decompressed(body: bytes, encoding: bytes, most_bytes: int) -> bytes:
    """All members of it, as gzip allows, as long as they are not more than MOST_MEMBERS."""
    pieces: list[bytes] = []
    name, size, inflater = encoding.decode(), 0, zlib.decompressobj(WINDOWS[encoding])
    members = 1
    for start in range(0, len(body), STEP_BYTES):
        rest = body[start : start + STEP_BYTES]
        while rest:
            if inflater.eof:
                members += 1
                if members > MOST_MEMBERS:
                    raise BadRequest(f"the body has more than {MOST_MEMBERS:,} members of {name}", 413)
                inflater = zlib.decompressobj(WINDOWS[encoding])
            try:
                pieces.append(inflater.decompress(rest, most_bytes + 1 - size))
            except zlib.error:
                raise BadRequest(f"the body is not valid {name}") from None
            size += len(pieces[-1])
            if size > most_bytes:
                raise _too_large(most_bytes)
            rest = inflater.unused_data
    if not inflater.eof:
        raise BadRequest(f"the body is cut off: its {name} has no end")
    return b"".join(pieces)


def _too_large(most_bytes: int) -> BadRequest:
    return BadRequest(f"the body is larger than {most_bytes:,} bytes", 413, {"connection": "close"})


async def compressed(body: bytes, headers: Headers, pool: Pool) -> tuple[bytes, str | None]:
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
        return await pool.run(compress, body, LEVEL), name
    return compress(body, LEVEL), name


def _refused(part: bytes) -> bool:
    return part.replace(b" ", b"").lower().endswith((b";q=0", b";q=0.0"))
