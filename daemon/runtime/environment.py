"""The environment of programs that are none of the service's own processes."""

from collections.abc import Mapping

from daemon.runtime.faults import VARIABLE

OURS = (
    "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "DRIFTD_DELEGATED",
    VARIABLE,
)  # fmt: skip
"""What systemd, or a test, says to the service alone."""


def for_others(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what speaks to the service alone.

    >>> for_others({"PATH": "/bin", "NOTIFY_SOCKET": "/run/systemd/notify"})
    {'PATH': '/bin'}
    """
    return {name: value for name, value in environment.items() if name not in OURS}
