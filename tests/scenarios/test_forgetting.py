"""docs/forgetting.md is true: its commands do what it says, one after the other, with a daemon that is killed."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import local_http
import pyarrow as pa
from daemon_harness import FAST, Daemon, drop, rows
from helpers import wait_for

PAGE = Path(__file__).resolve().parents[2] / "docs" / "forgetting.md"
CONFIG = FAST + '[models.m.prediction_log]\nevery = "1h"\n'
WHO = "c-2024-00417-ada"


def with_people(seed: int) -> pa.Table:
    """Rows of many people; some are those of one."""
    table = rows(seed)
    ids = [WHO if n % 100 == 7 else f"c-2024-{seed}-{n:05d}" for n in range(table.num_rows)]
    return table.append_column("customer", pa.array(ids))


def test_the_page_is_true(make_daemon: Callable[..., Daemon]) -> None:
    """A person's rows are in files, answers and labels; the page's commands forget them, over a kill, and prove it; the
    user's own file is named, and read again without them."""
    daemon = make_daemon('id_column = "customer"\n' + CONFIG, columns=False)
    daemon.plan("control forget.committed 1 1 KILL")
    daemon.start()
    drop(with_people(1), daemon.data / "january.csv")
    daemon.wait("model_swapped")
    body = {"rows": [{"customer": WHO, "x": 0.3, "z": -1.0, "colour": "red"}]}
    assert local_http.post(f"{daemon.url}/models/m/predict", json=body).status_code == 200
    local_http.post(f"{daemon.url}/models/m/feedback", json={"labels": [{"id": WHO, "label": "yes"}]})
    find, forget, *proofs = commands()
    assert daemon.cli(*find, check=False).returncode == 1
    daemon.cli(*forget, check=False)
    daemon.wait_dead()
    daemon.start()
    daemon.wait("people_forgotten", timeout_s=60)
    for words in proofs:
        found = daemon.cli(*words, check=False)
        assert found.returncode == 0, found.stdout
        assert WHO not in found.stdout
    versions = json.loads(daemon.cli("versions", "m", "--json").stdout)
    assert versions[0]["forgotten"]["rows"] == 6
    assert versions[0]["forgotten"]["people"] == 1
    assert "is forgotten since" in daemon.cli("explain", str(versions[0]["cycle"])).stdout
    assert "is forgotten since" in daemon.cli("versions", "m").stdout
    since = len(daemon.events)
    drop(with_people(1).slice(0, 300), daemon.data / "again.csv")
    assert daemon.wait("forgotten_rows_dropped", since=since)["rows"] == 3
    wait_for(lambda: daemon.cli("files", "m").stdout.count("accepted") >= 2, what="both files")
    assert daemon.cli("doctor", "--id", WHO, check=False).returncode == 0


def commands() -> list[list[str]]:
    """Those of the page, without `driftd`."""
    lines = re.findall(r"^\$ driftd (.*)$", PAGE.read_text("utf-8"), re.M)
    return [shlex.split(line) for line in lines]
