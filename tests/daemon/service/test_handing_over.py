"""What a host acknowledged while it led, and did not take in, on its way to the uploads of a host that stands by."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bare_model import BINARY, bare_model

from daemon.config.paths import StatePaths
from daemon.config.uploads import LOGGED, POSTED, Stream, Upload
from daemon.intake.events import REFUSED, ROWS, data_file_name, set_apart
from daemon.intake.labels import segment_name
from daemon.ledger import files, prediction_log
from daemon.reading.look import look
from daemon.runtime.context import ModelContext
from daemon.runtime.spool import Spool, finished_segments, taking_folders
from daemon.service.handing_over import HandingOver

RESULT = {"digest": "d", "rows": 1, "answers": 1, "bytes": 1, "first_time": 0.0, "last_time": 1.0}
ACCEPTED = {
    "kind": "rows", "snapshot": None, "rows": 1, "labelled_rows": 0, "class_rows": {}, "rejected": 0, "quarantine": None,
    "quality": {}, "first_time": None, "last_time": None, "rejects": [],
}  # fmt: skip


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ModelContext]:
    """The model that the ledger has; its folders are the host's."""
    with bare_model(tmp_path, BINARY) as made:
        yield made


@pytest.fixture
def handing(context: ModelContext) -> HandingOver:
    """Of a host that stands by."""
    return HandingOver(context.shared.config.paths, ("m",), context.shared.ledger)


def written(folder: Path, *lines: bytes) -> list[Path]:
    """A segment of each line, which a server closed."""
    for line in lines:
        spool = Spool(folder)
        spool.append_lines([line])
        spool.close_old(at_once=True)
    return finished_segments(folder)[-len(lines) :]


def known(context: ModelContext, path: Path, name: str) -> None:
    """The ledger has it."""
    seen = look(path)
    with context.shared.ledger.begin() as conn:
        files.record_refused(conn, "m", name, seen, "no", 0.0)  # type: ignore[arg-type]


def uploaded(context: ModelContext, kind: str) -> list[bytes]:
    """What waits to be uploaded, in its order."""
    return [path.read_bytes().strip() for path in finished_segments(context.folders.uploads(kind))]


def test_what_the_ledger_lacks_is_handed_over_once(context: ModelContext, handing: HandingOver) -> None:
    """Labels and answers, in their order. What a kill left of those that the ledger has goes, and so does what came from
    another host, whose upload is in the store still. What a server has open waits until it is closed."""
    taken, _, _ = written(context.folders.spool, b"taken", b"first", b"second")
    known(context, taken, segment_name(taken))
    recorded, _ = written(context.folders.log_spool, b"recorded", b"answered")
    with context.shared.ledger.begin() as conn:
        prediction_log.record(conn, "m", "prediction_log/m/a.parquet", [recorded.name], RESULT, 0.0)
        for other in range(30):
            prediction_log.record(conn, "m", f"prediction_log/m/{other}.parquet", [f"{other}.jsonl"], RESULT, 0.0)
    brought = Upload(2 * 10**18, Stream(POSTED, "m", "0" * 12), "0" * 16)
    (context.folders.spool / brought.file).write_bytes(b"brought\n")
    server = Spool(context.folders.spool)
    server.append_lines([b"open"])
    for _ in range(2):
        handing.look()
        assert uploaded(context, POSTED) == [b"first", b"second"] and uploaded(context, LOGGED) == [b"answered"]
    assert finished_segments(context.folders.spool) == finished_segments(context.folders.log_spool) == []
    server.close_old(at_once=True)
    handing.look()
    assert uploaded(context, POSTED) == [b"first", b"second", b"open"]


def test_events_that_were_set_apart_are_handed_over_once(context: ModelContext, handing: HandingOver) -> None:
    """Unless the ledger has their file; one that was refused stays, since nothing that was acknowledged is removed."""
    spool = context.folders.spool
    for lines in ((b"kept 1", b"kept 2"), (b"taken",), (b"refused",)):
        set_apart(spool, written(spool, *lines))
    left, taken, refused = taking_folders(spool)
    (left / ROWS).write_bytes(b"rows of both\n")
    known(context, refused / next(refused.iterdir()).name, data_file_name(refused))
    with context.shared.ledger.begin() as conn:
        original = files.record_accepted(conn, "m", "a.csv", look(left / ROWS), "s", ACCEPTED, 0.0)  # type: ignore[arg-type]
        files.record_duplicate(conn, "m", data_file_name(taken), look(left / ROWS), "s", original, 0.0)  # type: ignore[arg-type]
    written(spool, b"newer")
    for _ in range(2):
        handing.look()
        assert sorted(uploaded(context, POSTED)) == [b"kept 1", b"kept 2", b"newer"]
        assert [path.name.startswith(REFUSED) for path in spool.iterdir()] == [True]


def test_nothing_is_handed_over_once_the_host_may_lead(context: ModelContext, handing: HandingOver) -> None:
    """It takes in then what is left."""
    written(context.folders.spool, b"left")
    handing.close()
    handing.look()
    assert len(finished_segments(context.folders.spool)) == 1
    assert not StatePaths(context.folders.state).uploads.exists()
