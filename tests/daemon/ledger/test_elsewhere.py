"""What a reference of a model that another system serves would be made of, by the ledger's files."""

import time
from pathlib import Path

import pytest
from bare_model import BINARY, bare_model
from sqlalchemy import insert

from daemon.ledger import elsewhere
from daemon.ledger.tables import files
from retrain.records.observation import Elsewhere


def looked(folder: Path, of_files: list[tuple[str | None, int, int]], needed: int = 100) -> Elsewhere:
    """Of files by the version that predicted most of each, its rows and all of them."""
    with bare_model(folder, BINARY) as context:
        with context.shared.ledger.begin() as conn:
            for seq, (version, served, rows) in enumerate(of_files, 1):
                quality = {} if version is None else {"served_version": version, "served_rows": served}
                values = {
                    "model": "m", "path": f"{seq}.csv", "sha256": str(seq), "seq": seq, "kind": "rows", "rows": rows,
                    "state": "accepted", "quality": quality, "at": time.time(), "accepted_at": time.time(), "source": "folder",
                    "size": 1, "mtime_ns": 1, "ctime_ns": 1, "inode": 1,
                }  # fmt: skip
                conn.execute(insert(files).values({key: one for key, one in values.items() if key in files.c}))
        with context.shared.ledger.connect() as conn:
            return elsewhere.look(conn, "m", needed, None, None, "")


@pytest.mark.parametrize(
    ("of_files", "expected"),
    [
        ([(None, 0, 60), (None, 0, 60), (None, 0, 60)], (120, 1, 2, None)),
        ([("1", 90, 90), ("2", 60, 80)], (60, 2, 2, "2")),
        ([("1", 90, 90), ("2", 60, 80), ("2", 70, 70), ("2", 70, 70)], (130, 2, 3, "2")),
        ([("2", 90, 90), ("1", 90, 90), ("2", 90, 90)], (90, 3, 3, "2")),
        ([("1", 90, 20), ("1", 90, 90)], (110, 1, 2, "1")),
    ],
)
def test_only_rows_of_the_version_count(
    tmp_path: Path, of_files: list[tuple[str | None, int, int]], expected: tuple[int, int, int, str | None]
) -> None:
    """Files that two versions predicted have not the rows of the other, nor those that were forgotten since; a version
    that comes back begins anew."""
    found = looked(tmp_path, of_files)
    assert (found.rows, found.from_seq, found.to_seq, found.version) == expected
