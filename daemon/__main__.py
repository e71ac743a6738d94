"""The command `driftd`: parses the command line and hands over; what a command needs is imported by it."""

import sys

from daemon.cli import app


def main() -> None:
    """Run the command; its exit status is 0 fine, 1 "yes, drift" or "no", 2 wrong use, 3 failed."""
    sys.exit(app.run(sys.argv[1:]))


if __name__ == "__main__":
    main()
