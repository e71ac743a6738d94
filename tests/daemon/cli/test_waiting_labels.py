"""`driftd files` says of which files the labels wait."""

import json

import pytest
from bare_model import BINARY, bare_model

from daemon.cli.app import run as command_line
from daemon.ledger import files, labels
from daemon.reading.look import Look
from retrain.labels.words import WAITING
from retrain.records.label_state import LabelState


@pytest.fixture
def listed(tmp_path, capsys):
    """What is printed of two files of 100 rows, of which the second waits with 30 settled labels."""

    def run(more="", **state):
        with bare_model(tmp_path, BINARY + more) as context, context.shared.ledger.begin() as conn:
            for seq in (1, 2):
                taken = dict.fromkeys(("snapshot", "quarantine", "first_time")) | {
                    "last_time": float(seq),
                    "kind": "rows", "rows": 100, "labelled_rows": 60, "class_rows": {}, "rejected": 0, "rejects": [],
                    "quality": {},
                }  # fmt: skip
                files.record_accepted(conn, "m", f"{seq}.csv", Look(1, seq, 1, 1), f"{seq}", taken, 1.0)
            labels.save(conn, "m", LabelState(by_file={1: 60, 2: 30}, **state), 0, 0, 1.0)
        found = []
        for arguments in ((), ("--json",)):
            capsys.readouterr()
            command_line(["-c", str(tmp_path / "config.toml"), "files", "m", *arguments])
            found.append(capsys.readouterr().out)
        return found[0], [one["settled"] for one in json.loads(found[1])]

    return run


def test_a_file_that_waits_is_marked(listed):
    """With how many of its rows count; others are not."""
    text, settled = listed(trust={2: WAITING})
    assert text.count("labels wait") == 1 and "those of 30 rows count so far" in text and settled == [None, 30]


def test_with_a_maturity_files_after_the_newest_mature_one_are_marked(listed):
    """Older ones have what they will ever have."""
    text, settled = listed('[models.m.labels]\nmaturity = "5 files"\n', up_to=1.0)
    assert text.count("labels wait") == 1 and settled == [None, 30]
