"""Tells systemd how the service stands, by its datagram protocol; silent where there is no systemd."""

import contextlib
import os
import socket
import time
from collections.abc import Mapping

WATCHDOG_S = 60.0
"""How patient the service is with its parts where no systemd says it."""

MORE_TIME = {"EXTEND_TIMEOUT_USEC": "30000000"}
"""Sent again and again by a start that takes longer than systemd lets one."""


class Notifier:
    """Sends READY, STATUS, WATCHDOG, RELOADING and STOPPING to `address` (systemd's NOTIFY_SOCKET), if there is one."""

    def __init__(self, address: str | None) -> None:
        self._address = "\0" + address[1:] if address and address.startswith("@") else address

    def send(self, **fields: str) -> None:
        """One datagram, such as `send(READY="1", STATUS="serving")`; never blocks, never fails."""
        if not self._address:
            return
        message = "\n".join(f"{key}={' '.join(value.split())}" for key, value in fields.items()).encode()
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.sendto(message, self._address)

    def reloading(self) -> None:
        """A reload begins; `send(READY="1")` ends it. Both fields must come in one datagram."""
        self.send(RELOADING="1", MONOTONIC_USEC=str(time.monotonic_ns() // 1000))


def watchdog_s(environment: Mapping[str, str]) -> float:
    """After how long a silence systemd ends this process; the service's own limits are fractions of it."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return WATCHDOG_S
    given_us = environment.get("WATCHDOG_USEC", "")
    return int(given_us) / 1e6 if given_us.isdigit() and int(given_us) > 0 else WATCHDOG_S


def inherited_socket(environment: Mapping[str, str]) -> int | None:
    """The descriptor of the listening socket that systemd opened for this process, if it did."""
    if environment.get("LISTEN_PID") == str(os.getpid()) and int(environment.get("LISTEN_FDS", "0")) >= 1:
        return 3
    return None
