"""Commands of a page of the documentation, run by a shell in which `driftd` is a command."""

import json
import os
import re
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon_harness import in_process

SHELL = re.compile(r"^```sh\n(.*?)^```\n(?:\n```\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
"""A block of commands, and what the page shows of what they print."""
ASK = """\
import json, socket, sys
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect({address!r})
    asked.sendall(json.dumps(sys.argv[1:]).encode() + b"\\n")
    out, err, status = json.loads(asked.makefile().read())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(status)
"""


class Answering(socketserver.StreamRequestHandler):
    """Runs a command line in this process, which has its libraries."""

    def handle(self) -> None:
        done = in_process(json.loads(self.rfile.readline()), Path(str(self.server.server_address)).parent)
        self.wfile.write(json.dumps([done.stdout, done.stderr, done.returncode]).encode())


@contextmanager
def environment_at(place: Path) -> Iterator[dict[str, str]]:
    """An environment with `driftd` run where the reader sits; an interpreter of its own would take it a second."""
    address = str(place / "asked")
    (place / "driftd").write_text(f"#!{sys.executable} -S\n" + ASK.format(address=address))
    (place / "driftd").chmod(0o755)
    with socketserver.UnixStreamServer(address, Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield dict(os.environ, PATH=f"{place}:{os.environ['PATH']}")
        server.shutdown()
