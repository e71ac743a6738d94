"""Labels that come class by class, in a whole daemon: what is served is what the same labels at maturity would make it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import local_http
import numpy as np
import pyarrow as pa
import pytest
from daemon_harness import Daemon, drop, rows
from helpers import wait_for

CONFIG = """\
id_column = "id"
{labels}
[models.m.intake]
settle = "100ms"
rescan = "500ms"
[models.m.prediction_log]
share = 0
[models.m.triggers]
first_rows = 300
cooldown = "100ms"
retry_after = "100ms"
"""
LATE, MATURITY = 3, 4
"""Files after which the other class is said, and a row's label counts."""
FILES, ROWS, TURNS_AT = 9, 120, 3
"""Of the stream; with that file the label depends on something else."""
BY_HTTP = 3
"""Files whose labels are told over HTTP."""
Labels = list[dict[str, Any]]


def batch(number: int) -> pa.Table:
    """A file of the stream, with ids; the first is longer."""
    table = rows(number, 400 if not number else ROWS, flip=number >= TURNS_AT)
    return table.append_column("id", [[f"r{number}.{place}" for place in range(table.num_rows)]])


def labels_of(number: int, classes: tuple[str, ...]) -> Labels:
    """What feedback says of a file's rows of these classes."""
    table = batch(number).select(["id", "label"])
    return [row for row in table.to_pylist() if row["label"] in classes]


def positives_first(number: int) -> Labels:
    """Positives with the file, the others later."""
    return labels_of(number, ("yes",)) + (labels_of(number - LATE, ("no",)) if number > LATE else [])


def positives_only(number: int) -> Labels:
    """Nobody ever says that it was none."""
    return labels_of(number, ("yes",))


def together(number: int) -> Labels:
    """All labels of a file at once, late; before that some that are known: as many files as in other schedules."""
    return labels_of(number - LATE, ("no", "yes")) if number > LATE else labels_of(0, ("no", "yes"))[number:]


def query(daemon: Daemon, sql: str, **values: int) -> list[Any]:
    with closing(sqlite3.connect(daemon.folder / "state" / "ledger.sqlite", timeout=60)) as ledger:
        return ledger.execute(sql, values).fetchall()


def wait_until_decided(daemon: Daemon, taken: int, matured: int) -> None:
    wait_for(lambda: query(daemon, DECIDED, taken=taken, matured=matured)[0][0], what=f"decision on {matured}")


DECIDED = """
    SELECT (SELECT count(*) FROM files WHERE state = 'accepted') = :taken
    AND (:matured < 1 OR (SELECT max(seq) FROM assessments WHERE kind = 'file') >=
        (SELECT seq FROM files WHERE kind = 'rows' ORDER BY seq LIMIT 1 OFFSET :matured))
    AND json_extract(planner, '$.proposed') >= (SELECT id FROM assessments WHERE kind = 'proposal')
    AND NOT EXISTS (SELECT 1 FROM cycles WHERE state = 'open')
    AND NOT EXISTS (SELECT 1 FROM promotions WHERE swapped_at IS NULL)
    FROM models
"""
"""Whether all files are in, the mature ones are judged, and what follows from it is served."""


def answers(daemon: Daemon, number: int) -> list[str]:
    """What is served for a file's rows."""
    body = {"rows": batch(number).drop_columns(["label"]).to_pylist()}
    answer = local_http.post(f"{daemon.url}/models/m/predict", json=body)
    assert answer.status_code == 200, answer.text
    return [str(one) for one in answer.json()["predictions"]]


def tell(daemon: Daemon, number: int, labels: Labels) -> None:
    """Labels as feedback, and later as files: lasting feedback is taken in once a minute."""
    since = len(daemon.events)
    if number <= BY_HTTP:
        local_http.post(f"{daemon.url}/models/m/feedback", json={"labels": labels}).raise_for_status()
    else:
        drop(pa.Table.from_pylist(labels), daemon.data / f"labels{number}.csv")
    daemon.wait("file_accepted", since=since, kind="labels")


def served(daemon: Daemon, schedule: Callable[[int], Labels], restart_at: int = 0) -> list[list[str]]:
    """The answers to each file of the stream, each asked for when all that came before was decided on."""
    drop(batch(0), daemon.data / "000.parquet")
    daemon.wait("model_swapped")
    found = []
    for number in range(1, FILES + 1):
        wait_until_decided(daemon, 2 * number - 1, number - 1 - MATURITY)
        found.append(answers(daemon, number))
        drop(batch(number).drop_columns(["label"]), daemon.data / f"{number:03}.parquet")
        daemon.wait("file_accepted", file=f"{number:03}.parquet")
        if number == restart_at:
            daemon.kill()
            daemon.start()
        tell(daemon, number, schedule(number))
    wait_until_decided(daemon, 2 * FILES + 1, FILES - MATURITY)
    return found


def accuracy(found: list[list[str]]) -> float:
    """Of all answers, balanced."""
    truth = np.array([label for number in range(1, FILES + 1) for label in batch(number)["label"].to_pylist()])
    said = np.array([answer for one in found for answer in one])
    return float(np.mean([np.mean(said[truth == name] == name) for name in ("no", "yes")]))


@pytest.mark.long
@pytest.mark.parametrize(("schedule", "silence"), [(positives_first, ""), (positives_only, 'negative = "no"')])
def test_positives_first_serve_like_all_labels_at_maturity(
    make_daemon: Callable[..., Daemon], schedule: Callable[[int], Labels], silence: str
) -> None:
    """Feedback says "yes" at once and "no" late or never; the served answers are within .005 of those where the same
    labels come all at once, and the evidence in the end is the same, bit for bit; a kill in between changes nothing."""
    maturity = f'[models.m.labels]\nmaturity = "{MATURITY} files"\n'
    reference, daemon = started(make_daemon(), maturity), started(make_daemon(), maturity + silence)
    expected, found = served(reference, together), served(daemon, schedule, restart_at=6)
    assert abs(accuracy(found) - accuracy(expected)) <= 0.005
    evidence = "SELECT seq, found FROM assessments WHERE kind = 'file' ORDER BY seq"
    assert query(daemon, evidence) == query(reference, evidence)


def test_a_feed_of_one_class_changes_no_answer_and_is_told_within_one_file(make_daemon: Callable[..., Daemon]) -> None:
    """Nothing is configured, and of a file only the positives are ever said: whoever asks gets what it got before, the
    log warns, and status says what is waited for."""
    daemon = started(make_daemon(), "")
    drop(batch(0), daemon.data / "000.parquet")
    daemon.wait("model_swapped")
    wait_until_decided(daemon, 1, 0)
    before = answers(daemon, 2)
    drop(batch(1).drop_columns(["label"]), daemon.data / "001.parquet")
    daemon.wait("file_accepted", file="001.parquet")
    tell(daemon, 1, positives_only(1))
    doubted = daemon.wait("labels_doubted")
    assert doubted["one_class"] == "yes" and "[models.m.labels] maturity" in doubted["reason"]
    wait_until_decided(daemon, 3, 0)
    assert answers(daemon, 2) == before
    labels = daemon.json("status")["models"]["m"]["labels"]
    assert labels["one_class"] == "yes" and labels["wait"] == doubted["reason"]


def started(daemon: Daemon, labels: str) -> Daemon:
    """With a column of ids, and these keys about labels."""
    head, columns = daemon.config.read_text().split("[models.m.columns]\n")
    head = head.replace('"accuracy"', '"balanced_accuracy"')
    daemon.config.write_text(f'{head}{CONFIG.format(labels=labels)}[models.m.columns]\nid = "category"\n{columns}')
    return daemon.start()
