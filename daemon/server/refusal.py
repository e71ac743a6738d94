"""A request that is not answered, and why."""


class BadRequest(Exception):
    """The request is at fault, or comes at a bad time; `status` is the HTTP status."""

    def __init__(self, message: str, status: int = 400, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}
