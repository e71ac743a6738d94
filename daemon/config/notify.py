"""The sections [[notify]] of the configuration: who is told what happens."""

import difflib
import re
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from daemon.config.events import EVENTS
from daemon.config.mistakes import meant
from retrain.records.settings import Duration, Frozen, Wait

LEVELS = ("error", "warning", "info")
NAMES = tuple(event.name for event in EVENTS)
WEBHOOK, MAIL = ("http", "https"), ("smtp", "smtps")
SCHEME = re.compile(r"([a-z0-9][a-z0-9+.-]*)://.", re.ASCII | re.IGNORECASE)
NOBODY = ("file", "ftp", "ftps", "tcp", "udp", "unix", "ws", "wss")
"""Schemes by which Apprise reaches nobody."""
SIMILAR = 0.85
"""Of two schemes, as difflib measures it: what is so much like one of ours is a slip of the keyboard."""
ADDRESS = re.compile(r"[^@\s<>,;:\"()\\]+@[A-Za-z0-9.-]+", re.ASCII)
HOURS = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d-(?:[01]\d|2[0-3]):[0-5]\d", re.ASCII)
DESTINATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


class NotifySettings(Frozen):
    """One destination of notifications. A reload applies all of it."""

    name: str
    """What it is called in the log, by `driftd notify`, and in the names of its credentials: letters, digits, `_` and
    `-`."""
    url: str | None = None
    """The [webhook](notifications.md#webhooks), `https://…` or `http://…`, the [mail
    server](notifications.md#e-mail), `smtp://HOST:PORT` or `smtps://HOST:PORT`, or what
    [Apprise](notifications.md#apprise) reaches, such as `slack://…`."""
    url_file: str | None = None
    """A file with the URL in its place, where who knows it may write; without either the systemd credential
    `driftd-notify-NAME-url`."""
    secret_file: str | None = None
    """A file with the key that messages are [signed](notifications.md#signatures) with; without it the systemd
    credential `driftd-notify-NAME-secret`, and without that they are not signed."""
    to: tuple[str, ...] = ()
    """E-mail: the addresses that it goes to."""
    sender: str | None = None
    """E-mail: the address that it comes from; `driftd@` and the host's name unless given."""
    user: str | None = None
    """E-mail: who logs in at the mail server; without it nobody does."""
    password_file: str | None = None
    """E-mail: a file with the user's password; without it the systemd credential `driftd-notify-NAME-password`."""
    events: tuple[str, ...] = ("error", "warning")
    """What is told: the [events](events.md) of a level, and events by name; the end of what was told always is."""
    models: tuple[str, ...] = ()
    """Whose events; none named: of all models. Events of the service as a whole are told everywhere."""
    cooldown: Wait = 600.0
    """After a message about an event of a model, more of the same wait so long, and are then told together."""
    group: Wait = 0.0
    """What can be told waits so long for more, and is then one message with all numbers; `"0s"`: nothing waits, and
    more than five at once are one message."""
    group_by: Literal["all", "model"] = "all"
    """What is one message: all that waited, or what waited of each model."""
    most_per_hour: int = Field(default=60, ge=1, le=10_000)
    """Beyond so many messages in an hour the next ones wait, and are then one."""
    give_up: Duration = 3 * 86400.0
    """So long a message is tried to be sent."""
    link: str | None = None
    """A link for people that messages have, such as `https://driftd.example.com/m/{model}`, where `{model}` is the
    model's name; unless given, the [status page](page.md) on `listen`, if there is one."""
    quiet: str | None = None
    """Hours such as `"22:00-07:00"` in `timezone` of [service]: meanwhile errors alone are told, the rest after
    them."""

    @field_validator("name")
    @classmethod
    def _named(cls, value: str) -> str:
        if not DESTINATION.fullmatch(value):
            raise ValueError("expected at most 32 letters, digits, _ and -, the first a letter or digit")
        return value

    @field_validator("to")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(ADDRESS.fullmatch(address) for address in value):
            raise ValueError("expected addresses such as ops@example.com")
        return value

    @field_validator("sender")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not ADDRESS.fullmatch(value):
            raise ValueError("expected an address such as driftd@example.com")
        return value

    @field_validator("events")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in LEVELS and name not in NAMES:
                hint = meant(name, NAMES) if "; did" in meant(name, NAMES) else ""
                raise ValueError(f"expected {', '.join(LEVELS)} or names of log events{hint}")
        return value

    @field_validator("link")
    @classmethod
    def _link(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("expected a URL such as https://driftd.example.com/{model}")
        return value

    @field_validator("quiet")
    @classmethod
    def _hours(cls, value: str | None) -> str | None:
        if value is not None and (not HOURS.fullmatch(value) or len(set(_minutes(value))) == 1):
            raise ValueError('expected two times of day such as "22:00-07:00"')
        return value

    @model_validator(mode="after")
    def _one_url(self) -> Self:
        """The URL itself is never told: it may be a secret."""
        if self.url is not None and self.url_file is not None:
            raise ValueError("expected url or url_file, not both")
        if self.url is not None and (why := why_no_url(self.url)) is not None:
            raise ValueError(why)
        if self.url is not None and is_mail(self.url) != bool(self.to):
            raise ValueError(
                "to is missing: who gets the e-mail?" if not self.to else "to is of e-mail, and url is none"
            )
        return self

    def tells(self, event: str, level: str, model: str | None) -> bool:
        """Whether an event of a model, or of the service, is told here."""
        return (event in self.events or level in self.events) and (not self.models or model in (None, *self.models))

    def is_quiet(self, minute: int) -> bool:
        """Whether a minute of the day is one of the quiet hours, which may go over midnight."""
        if self.quiet is None:
            return False
        first, last = _minutes(self.quiet)
        return first <= minute < last if first < last else minute >= first or minute < last


def _minutes(hours: str) -> tuple[int, int]:
    """Minutes of the day of both ends of quiet hours.

    >>> _minutes("22:00-07:30")
    (1320, 450)
    """
    first, last = (int(time[:2]) * 60 + int(time[3:]) for time in hours.split("-"))
    return first, last


def why_no_url(url: Any) -> str | None:
    """What is wrong with a URL, in words that do not tell it; None where nothing is."""
    found = SCHEME.match(url) if isinstance(url, str) else None
    if found is None or any(char.isspace() or not char.isprintable() for char in url):
        return "url cannot be read; expected https://HOST/PATH"
    scheme = found[1].lower()
    if close := difflib.get_close_matches(scheme, (*WEBHOOK, *MAIL), 1, SIMILAR):
        return _why_no_address(url) if close[0] == scheme else f"url cannot be read; did you mean {close[0]}://?"
    if scheme in NOBODY:
        return "url has another scheme than https, http, smtp, smtps and those of Apprise"
    return None


def _why_no_address(url: str) -> str | None:
    """The same of a webhook or a mail server."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError:
        return "url cannot be read; expected https://HOST/PATH"
    if not host or not url.isascii():
        return "url cannot be read; expected https://HOST/PATH"
    if parts.username is not None:
        return (
            "url has a user or password; expected none: see user and password_file of e-mail, secret_file of a webhook"
        )
    if parts.scheme in MAIL and (parts.path.strip("/") or parts.query or parts.fragment):
        return "url of a mail server has more than host and port"
    return None


def is_mail(url: str) -> bool:
    """Whether a URL is a mail server's."""
    return scheme_of(url) in MAIL


def needs_apprise(url: str) -> bool:
    """Whether a URL is neither a webhook's nor a mail server's, so that Apprise is asked.

    >>> needs_apprise("slack://A/B/C"), needs_apprise("HTTPS://hooks.example.com")
    (True, False)
    """
    return scheme_of(url) not in (*WEBHOOK, *MAIL)


def scheme_of(url: str) -> str:
    """What stands before `://`, which is no secret."""
    return url.partition("://")[0].lower()
