"""Where new rows are pulled from, besides the data folder: a query of a database."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from retrain.records.settings.units import Duration, Frozen, Wait

SQLITE, POSTGRESQL = "sqlite", ("postgresql", "postgres")
EXPECTED = "expected sqlite:///FILE or postgresql://USER@HOST:PORT/DATABASE"


class SourceSettings(Frozen):
    """A query whose new rows become data files. A reload applies all of it."""

    query: str
    """What is pulled: one `SELECT …` (or `WITH … SELECT …`) with the watermark, the target and all columns that are to
    be learned from. The service adds the condition on the watermark, the order and the limit."""
    watermark: str
    """The column of the query by which rows are new: one that never goes back, as the time of the last change or a
    number that counts up. Rows without a value in it are not pulled."""
    url: str | None = None
    """The database: `sqlite:///FILE` (a relative file lies beside this one) or `postgresql://USER@HOST:PORT/DATABASE`,
    without a password."""
    url_file: str | None = None
    """A file with the URL in its place, which may have a password; without either the systemd credential
    `driftd-source-NAME-url`, where NAME is the model's name."""
    every: Duration = 900.0
    """How often it is asked for new rows."""
    overlap: Wait = 0.0
    """How far before the newest watermark it looks again for rows that were committed late: a duration, or a number
    where the watermark is one. What was pulled before is left out."""
    key: str | None = None
    """The column that names a row of the query: a row is known again by it and its watermark; without it by all that
    is in it."""
    max_rows: int = Field(default=200_000, ge=1, le=10_000_000)
    """A data file has at most so many rows; the rest follow at once in the next."""
    timeout: Duration = 600.0
    """One pull may take so long, then it is ended and tried again."""

    @field_validator("query")
    @classmethod
    def _one_query(cls, value: str) -> str:
        query = value.strip().removesuffix(";").rstrip()
        if query.lower().split(None, 1)[:1] not in (["select"], ["with"]):
            raise ValueError("expected a query that begins with SELECT or WITH")
        return query

    @model_validator(mode="after")
    def _one_url(self) -> Self:
        """What is wrong with a URL is told without it: it may have a secret."""
        if self.url is not None and self.url_file is not None:
            raise ValueError("expected url or url_file, not both")
        if self.url is not None and (why := why_no_database(self.url, secret=False)) is not None:
            raise ValueError(why)
        return self


def why_no_database(url: str, secret: bool) -> str | None:
    """What is wrong with the URL of a database, in words that do not tell it; None where nothing is. A password is
    taken only where it is `secret`.

    >>> why_no_database("mysql://h/d", secret=False)
    'url is of no database that driftd reads; expected sqlite:///FILE or postgresql://USER@HOST:PORT/DATABASE'
    >>> why_no_database("postgresql://u@h/d", secret=False), why_no_database("postgresql://u:p@h/d", secret=True)
    (None, None)
    """
    try:
        parts = urlsplit(url)
        password, _ = parts.password, parts.port
    except ValueError:
        return f"url cannot be read; {EXPECTED}"
    if parts.scheme == SQLITE:
        return None if url.startswith("sqlite:///") and len(parts.path) > 1 else f"url names no file; {EXPECTED}"
    if parts.scheme not in POSTGRESQL:
        return f"url is of no database that driftd reads; {EXPECTED}"
    if not secret and (password is not None or "password=" in parts.query):
        return "url has a password; expected it in url_file, or in the systemd credential"
    return None


def database_file(url: str) -> str | None:
    """The file that a URL of SQLite names; None of other databases.

    >>> database_file("sqlite:///data/loans.db"), database_file("sqlite:////srv/loans.db"), database_file("postgresql:///d")
    ('data/loans.db', '/srv/loans.db', None)
    """
    return url.removeprefix(f"{SQLITE}:///") if url.startswith(f"{SQLITE}:///") else None


def database_host(url: str) -> str | None:
    """The host that a database's URL leads to: this machine for a file and a Unix socket; None where it is unclear.

    >>> database_host("postgresql://u@10.0.0.7:5432/d"), database_host("sqlite:///a.db")
    ('10.0.0.7', 'localhost')
    >>> database_host("postgresql:///d?host=/run/postgresql"), database_host("postgresql:///d?host=a,b")
    ('localhost', None)
    """
    parts = urlsplit(url)
    if parts.scheme == SQLITE:
        return "localhost"
    if "host" in parts.query:
        return "localhost" if "host=/" in parts.query.replace("%2F", "/") else None
    return parts.hostname or "localhost"
