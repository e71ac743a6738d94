"""Sends a message as an e-mail by SMTP; one attempt, bounded in time. Its key is the Message-ID, by which one that
comes again is known."""

import smtplib
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from daemon.config.notify import NotifySettings
from daemon.runtime.notify.attempt import LIMIT_S, Attempt, limited, trust, words
from daemon.runtime.notify.endpoint import Endpoint
from daemon.runtime.notify.plain_text import lines, subject
from daemon.runtime.printable import printable

PORTS = {"smtp": 25, "smtps": 465}
GREETING = 220
LATER_S = 1.0
"""So much later the socket's own timeout comes, of which smtplib says otherwise."""
LONGEST_ANSWER = 200
"""Characters."""


def send(
    endpoint: Endpoint, destination: NotifySettings, message: Mapping[str, Any], now: float, limit_s: float = LIMIT_S
) -> Attempt:
    """Send a message once to all addresses of a destination."""
    try:
        with _connected(endpoint, destination.user, limit_s) as server:
            if server is None:
                return Attempt("the mail server offers no TLS, and a password is not sent without it; use smtps://")
            letter = written(destination, message, now)
            refused = server.send_message(letter, letter["From"], destination.to)
    except smtplib.SMTPRecipientsRefused as error:
        return Attempt(f"the mail server refused {_refused(error.recipients)}")
    except smtplib.SMTPResponseException as error:
        of_the_message = isinstance(error, smtplib.SMTPDataError)
        return Attempt(
            f"the mail server answered {_answer(error.smtp_code, error.smtp_error)}", only_this=of_the_message
        )
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        return Attempt(words(error, limit_s))
    return Attempt(partly=f"the mail server refused {_refused(refused)}" if refused else "")


def written(destination: NotifySettings, message: Mapping[str, Any], now: float) -> EmailMessage:
    """The e-mail of a message: its subject is what happened, its text all that a person needs."""
    letter, data = EmailMessage(policy=SMTP), message["data"]
    host = socket.gethostname() or "localhost"
    letter["From"] = destination.sender or f"driftd@{host}"
    letter["To"] = ", ".join(destination.to)
    letter["Subject"] = subject(data)
    letter["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    letter["Message-ID"] = f"<{message['id']}@driftd>"
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content("\n".join(lines(data)).encode("utf-8", "backslashreplace").decode() + "\n")
    return letter


@contextmanager
def _connected(endpoint: Endpoint, user: str | None, limit_s: float) -> Iterator[smtplib.SMTP | None]:
    """A session, encrypted where that can be, and logged in; None where a password would go over the network as it
    is."""
    parts = urlsplit(endpoint.url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    is_encrypted = parts.scheme == "smtps"
    name = socket.gethostname()
    server = (
        smtplib.SMTP_SSL(local_hostname=name, timeout=limit_s + LATER_S, context=trust())
        if is_encrypted
        else smtplib.SMTP(local_hostname=name, timeout=limit_s + LATER_S)
    )
    server._host = host  # type: ignore[attr-defined]  # the certificate's; given to the constructor it would connect
    with limited(lambda: server.sock, limit_s):
        try:
            code, greeting = server.connect(host, port)
            if code != GREETING:
                raise smtplib.SMTPConnectError(code, greeting)
            server.ehlo_or_helo_if_needed()
            if not is_encrypted and server.has_extn("starttls"):
                server.starttls(context=trust())
                is_encrypted = True
            if user is None:
                yield server
            elif is_encrypted or _is_here(host):
                server.login(user, endpoint.password or "")
                yield server
            else:
                yield None
        finally:
            server.close()


def _is_here(host: str) -> bool:
    try:
        return ip_address("127.0.0.1" if host == "localhost" else host).is_loopback
    except ValueError:
        return False


def _refused(recipients: Mapping[str, tuple[int, bytes]]) -> str:
    return ", ".join(f"{address} ({_answer(*answer)})" for address, answer in recipients.items())


def _answer(code: int, text: bytes | str) -> str:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return printable(f"{code} {' '.join(said.split())}")[:LONGEST_ANSWER]
