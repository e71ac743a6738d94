"""Feedback that turns known labels upside down, in a whole daemon: it is held, and no champion is turned by it."""

from collections.abc import Callable

import local_http
import pyarrow as pa
import pytest
from daemon_harness import FAST, Daemon, drop, rows

CONFIG = (
    'id_column = "id"\n[models.m.labels]\nmaturity = "1s"\n'
    + FAST.replace("on_drift = true", "on_drift = false").replace("on_performance = true", "on_performance = false")
    + "growth = 100\n"
)
FILES, ROWS = 3, 400
OTHER = {"yes": "no", "no": "yes"}


def batch(number: int) -> pa.Table:
    """A file of the stream, with ids."""
    table = rows(number, ROWS)
    return table.append_column("id", [[f"r{number}.{place}" for place in range(table.num_rows)]])


def accuracy(daemon: Daemon, number: int) -> float:
    """Of what is served, by the true rule."""
    table = batch(number)
    body = {"rows": table.drop_columns(["label", "id"]).to_pylist()}
    answer = local_http.post(f"{daemon.url}/models/m/predict", json=body).raise_for_status().json()
    pairs = zip(answer["predictions"], table["label"].to_pylist(), strict=True)
    return sum(said == label for said, label in pairs) / table.num_rows


@pytest.mark.long
def test_inverted_feedback_turns_no_champion(make_daemon: Callable[..., Daemon]) -> None:
    """One request says the opposite of every label that is known, and a retrain follows: the labels are held and told
    of, the gate and the training keep those that they had, and what is served stays right. A word releases them."""
    daemon = make_daemon(CONFIG)
    daemon.config.write_text(
        daemon.config.read_text().replace("[models.m.columns]", '[models.m.columns]\nid = "category"')
    )
    daemon.start()
    for number in range(FILES):
        drop(batch(number), daemon.data / f"{number}.csv")
        daemon.wait("file_accepted", file=f"{number}.csv")
    daemon.wait("model_swapped")
    before = accuracy(daemon, 99)
    told = pa.concat_tables([batch(number) for number in range(FILES)]).select(["id", "label"]).to_pylist()
    labels = [{"id": one["id"], "label": OTHER[one["label"]]} for one in told]
    since = len(daemon.events)
    local_http.post(f"{daemon.url}/models/m/feedback", json={"labels": labels}).raise_for_status()
    held = daemon.wait("file_held", since=since)
    assert held["kinds"] == ["contradicting_labels"] and "labels already given" in held["reason"]
    daemon.cli("retrain", "m")
    finished = daemon.wait("cycle_finished", since=since)
    if finished["outcome"] == "promoted":
        daemon.wait("model_swapped", since=since)
    assert accuracy(daemon, 99) > before - 0.05, finished
    listed = daemon.cli("files", "m", "--held").stdout
    assert held["file"] in listed and "driftd release" in listed
    daemon.cli("release", held["file"], "--model", "m")
    assert {row["state"] for row in daemon.json("files", "m")} == {"accepted"}
