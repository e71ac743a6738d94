"""A result appears whole or not at all, wherever the command dies."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from learning import published, rows

POINTS = (
    "score.answers.before_write", "score.rejects.before_fsync", "score.rejects.before_rename",
    "score.rejects.before_folder_fsync", "score.rejects.after_rename", "score.answers.before_fsync",
    "score.answers.before_rename", "score.answers.before_folder_fsync", "score.answers.after_rename",
)  # fmt: skip
KILLED = """
import json, os, signal, sys
from pathlib import Path
from daemon.scoring.answers import How
from daemon.scoring.files import jobs, score_file
from daemon.scoring.score import Scorer
from daemon.server.served import load_served
from retrain import durable
from retrain.records.deployment import Deployment
from retrain.records.settings import IntakeSettings

folder, version, points = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
served = load_served(Deployment.of(1, "m", {version: 1.0}), 0, folder / "versions" / "m")

def score(point):
    def hook(name):
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)
    durable.install_hook(hook)
    out = folder / "out.csv"
    scorer = Scorer(served, How(served.schema), IntakeSettings(), folder)
    (job,) = jobs([folder / "rows.jsonl"], out, force=True)
    score_file(job, scorer, strict=False, force=True, progress=lambda *_: None)

for point in [*points, ""]:
    for name in ("out.csv", "out.csv.rejects.jsonl"):
        (folder / name).unlink(missing_ok=True)
    child = os.fork()
    if not child:
        score(point)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    there = sorted(one.name for one in folder.iterdir() if "out.csv" in one.name)
    lines = (folder / "out.csv").read_text().count("\\n") if "out.csv" in there else 0
    print(json.dumps({"point": point, "killed": os.WIFSIGNALED(status), "there": there, "lines": lines}))
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> list[dict]:
    """What is there after a scoring was killed at each point, one after the other, and after one that was not."""
    folder: Path = tmp_path_factory.mktemp("killed")
    version = published(folder)
    made = [{k: v.isoformat() if k == "t" and v else v for k, v in row.items()} for row in rows(50)]
    bad = {**made[0], "x": "no number"}
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*made, bad]))
    command = [sys.executable, "-c", KILLED, str(folder), version.name, json.dumps(POINTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_killed_command_leaves_no_half_result(killed):
    """Where the result is, it has all rows, and the list of the others is there, too; what a killed one left is written
    over by the next."""
    assert [one["point"] for one in killed if one["killed"]] == list(POINTS)
    for one in killed:
        if "out.csv" in one["there"]:
            assert one["lines"] == 51
            assert "out.csv.rejects.jsonl" in one["there"]
    assert [("out.csv" in one["there"]) for one in killed] == [False] * 7 + [True] * 3
    assert killed[-1]["there"] == ["out.csv", "out.csv.rejects.jsonl"]
