"""Events as they are posted, before they are in a file: one line of JSON each. Without numerical libraries, since the
control process makes files of them."""

from collections.abc import Iterable

import msgspec


class PostedEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who had to do with what, when (milliseconds since 1970), and if told with what value and type."""

    user: str
    item: str
    time: int
    value: float | None = None
    type: str | None = None


DECODER = msgspec.json.Decoder(PostedEvent)


def line_of(event: PostedEvent) -> bytes:
    """Its line, without the end of line."""
    return msgspec.json.encode(event)


def event_of(line: bytes) -> PostedEvent | None:
    """The inverse of `line_of`; None of what is no event, the rest of a line that a crash cut off."""
    try:
        return DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def events_of(lines: Iterable[bytes]) -> list[PostedEvent]:
    """Of whole lines; what is no event is left out."""
    return [event for event in map(event_of, lines) if event is not None]
