"""Tells systemd how the service stands, by its datagram protocol; silent where there is no systemd."""

import contextlib
import os
import socket


class Notifier:
    """Sends READY, STATUS, WATCHDOG and STOPPING to `address` (systemd's NOTIFY_SOCKET), if there is one."""

    def __init__(self, address: str | None) -> None:
        self._address = "\0" + address[1:] if address and address.startswith("@") else address

    def send(self, **fields: str) -> None:
        """One datagram, such as `send(READY="1", STATUS="serving")`; never blocks, never fails."""
        if not self._address:
            return
        message = "\n".join(f"{key}={value}" for key, value in fields.items()).encode()
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.sendto(message, self._address)


def inherited_socket(environment: dict[str, str]) -> int | None:
    """The descriptor of the listening socket that systemd opened for this process, if it did."""
    if environment.get("LISTEN_PID") == str(os.getpid()) and int(environment.get("LISTEN_FDS", "0")) >= 1:
        return 3
    return None
