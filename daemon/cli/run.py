"""`driftd run`: the service."""

import os

from daemon.cli.start import LogFormat, ready_to_start


def run(log_format: LogFormat = "") -> None:
    """Run the service until SIGINT or SIGTERM: control and server.

    It watches the data folders of all models, checks, retrains, serves predictions on [service] listen, and
    writes what it does and why to standard output. SIGHUP applies a changed configuration."""
    config, style = ready_to_start(log_format)
    from daemon.service.application import main

    main(config, dict(os.environ), style)
