"""docs/scoring.md is true: its commands do what it says, one after the other."""

import json
import os
import re
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from daemon_harness import ROOT, Daemon, drop, in_process

PAGE = ROOT / "docs" / "scoring.md"
SHELL = re.compile(r"^```sh\n(.*?)^```\n(?:\n```\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
FLIGHTS = """\
[models.flights]
data_dir = "flights"
task = "classification"
target = "late"
[models.flights.intake]
settle = "100ms"
[models.flights.triggers]
first_rows = 300
[models.flights.columns]
carrier = "category"
distance = "number"
departure = "number"
late = "category"
[models.m.columns]
x = "number"
label = "category"
"""


def flights(seed: int, count: int) -> pa.Table:
    """Flights, late ones more often in the evening."""
    rng = np.random.default_rng(seed)
    departure, distance = rng.integers(300, 1400, count), rng.integers(80, 2500, count)
    late = departure + rng.normal(0, 200, count) > 1000
    columns = {"carrier": rng.choice(["OO", "AA", "DL"], count), "distance": distance, "departure": departure}
    return pa.table(columns | {"late": np.where(late, "yes", "no")})


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Where the reader sits: a configuration, a model that was served, and files to be scored; no service runs."""
    folder: Path = tmp_path_factory.mktemp("scoring")
    daemon = Daemon(folder, FLIGHTS, columns=False)
    try:
        daemon.start()
        drop(flights(1, 600), folder / "flights" / "a.csv")
        daemon.wait("model_swapped", model="flights", timeout_s=400)
        daemon.stop()
    finally:
        daemon.close()
    for seed, name in enumerate(("tonight", "tomorrow"), start=2):
        pyarrow.csv.write_csv(flights(seed, 200).drop_columns(["late"]), folder / f"{name}.csv")
    return folder


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


@pytest.fixture
def environment(place) -> Iterator[dict[str, str]]:
    """In which `driftd` is a command, run where the reader sits; an interpreter of its own would take it a second."""
    address = str(place / "asked")
    (place / "driftd").write_text(f"#!{sys.executable} -S\n" + ASK.format(address=address))
    (place / "driftd").chmod(0o755)
    with socketserver.UnixStreamServer(address, Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield dict(os.environ, PATH=f"{place}:{os.environ['PATH']}")
        server.shutdown()


def test_the_story_of_the_page(place, environment):
    """Each block of commands succeeds where it stands, and prints what the page shows, names of versions and digits of
    probabilities apart."""
    blocks = SHELL.findall(PAGE.read_text("utf-8"))
    assert len(blocks) >= 6
    for commands, shown in blocks:
        done = subprocess.run(
            ["sh", "-ec", commands], cwd=place, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{commands}\n{done.stderr}"
        if shown and "head" not in commands:
            assert _nameless(done.stdout) == _nameless(shown), commands
    assert sorted(one.name for one in (place / "scored").iterdir()) == ["tomorrow.csv", "tonight.csv"]
    assert (place / "again.csv").read_text().splitlines()[0].endswith("again_probability_yes,again_version")


def _nameless(text: str) -> str:
    return re.sub(r"v0001-[0-9a-f]+", "VERSION", text)
