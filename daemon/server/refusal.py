"""A request that is not answered, and why."""

LONGEST_MESSAGE = 1_000
LONGEST_QUOTED = 60


class BadRequest(Exception):
    """The request is at fault, or comes at a bad time; `status` is the HTTP status. A message is told and logged with
    at most LONGEST_MESSAGE characters, whatever the request held."""

    def __init__(self, message: str, status: int = 400, headers: dict[str, str] | None = None) -> None:
        super().__init__(message if len(message) <= LONGEST_MESSAGE else message[:LONGEST_MESSAGE] + "…")
        self.status, self.headers = status, headers or {}


def quoted(text: str) -> str:
    """A name that a client gave, cut short before it is quoted: it may be as long as the request.

    >>> quoted("colour"), len(quoted(10**7 * "a"))
    ("'colour'", 63)
    """
    return repr(text if len(text) <= LONGEST_QUOTED else text[:LONGEST_QUOTED] + "…")
