"""Runs a command and prints what its whole process took: a small process, for a child's peak counts its parent's."""

import json
import os
import sys


def main() -> None:
    """The command and its arguments."""
    unseen = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=unseen)
    _, status, usage = os.wait4(process, 0)
    print(json.dumps({"cpu": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss * 1024 / 1e6}))
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
