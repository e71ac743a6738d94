"""A real receiver of e-mail for tests, on a socket: speaks as much SMTP as a client needs, and keeps what it was sent."""

import base64
import contextlib
import email
import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast


@dataclass
class MailReceiver:
    """`answers` are by command what it says instead of yes; `extensions` what it offers."""

    port: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    extensions: tuple[str, ...] = ()
    password: str | None = None
    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)

    @property
    def arrived(self) -> list[EmailMessage]:
        """Each once, by its key."""
        return list({letter["Message-ID"]: letter for letter in self.letters}.values())


@contextlib.contextmanager
def mail_receiver(context: ssl.SSLContext | None = None) -> Iterator[MailReceiver]:
    """A mail server that runs until the end; with `context` it is encrypted from the beginning."""
    told = MailReceiver()

    class Handler(socketserver.StreamRequestHandler):
        def setup(self) -> None:
            if context is not None:
                self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            self.say(told.answers.get("CONNECT", "220 here"))
            taken: list[str] = []
            while line := self.rfile.readline().decode().strip():
                command = line.split()[0].upper()
                answer = told.answers.get(line.lower(), told.answers.get(command))
                if answer is not None:
                    self.say(answer)
                elif command == "EHLO":
                    for extension in ("here", *told.extensions):
                        self.say(f"250-{extension}")
                    self.say("250 8BITMIME")
                elif command == "AUTH":
                    given = base64.b64decode(line.split()[2]).decode().split("\0")[-1]
                    self.say("235 yes" if given == told.password else "535 no such user")
                elif command == "RCPT":
                    taken.append(line.partition("<")[2].partition(">")[0])
                    self.say("250 yes")
                elif command == "DATA":
                    self.say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    text = b"".join(line.removeprefix(b".") if line.startswith(b"..") else line for line in lines)
                    told.letters.append(cast(EmailMessage, email.message_from_bytes(text, policy=default)))
                    told.recipients.append(taken)
                    self.say(told.answers.get("END", "250 kept"))
                elif command == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 yes")

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address, daemon_threads = True, True

        def handle_error(self, *_: Any) -> None:
            return

    server = Server(("127.0.0.1", 0), Handler)
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
