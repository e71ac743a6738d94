"""A replay holds labels that contradict, and lets them in, as the service does: `tests/daemon/intake` has the same story."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daemon.tools.replay.past import Past
from daemon.tools.replay.suspects import Suspects
from retrain.records.schema import Column, Schema
from retrain.records.settings import LabelSettings, ModelSettings

ROWS = 100
SCHEMA = Schema((Column("id", "category"), Column("y", "category")), target="y", task="classification", id_column="id")
TRUTH = {i: "yes" if i % 4 == 0 else "no" for i in range(ROWS)}
INVERTED = {i: "no" if label == "yes" else "yes" for i, label in TRUTH.items()}
CORRECTED = {i: "yes" for i in range(ROWS) if i % 4 in (1, 2)}


@pytest.fixture
def replay(tmp_path):
    """Files of rows, by their name, and of labels for the rows of a file; which files of labels are held in the end, by
    place among all files."""

    def run(story, **suspicion):
        settings = ModelSettings(
            data_dir="data", task="classification", target="y", id_column="id", suspicion=suspicion
        )
        suspects = Suspects()
        past = Past(SCHEMA, LabelSettings(), suspects.held)
        for place, (name, labels) in enumerate(story):
            path, kind = tmp_path / f"{place}.parquet", "rows" if labels is TRUTH else "labels"
            ids = [f"{name}{i}" for i in labels]
            columns = {"id": ids, "y": list(labels.values()), "__row": list(range(1, len(ids) + 1))}
            pq.write_table(pa.table(columns), path)
            before = past.files()
            file = past.add(path, str(place), len(ids), len(ids), float(place), kind)
            if kind == "labels":
                suspects.judge_labels(file, place, before, SCHEMA, settings)
        return {seq - 1 for seq in suspects.held}, suspects.holds

    return run


def test_a_replay_holds_and_lets_in_as_the_service_does(replay):
    """Exchanged labels stay held; those that leave one class are let in with the third batch of another time."""
    story = [("a", TRUTH), ("b", TRUTH), ("c", TRUTH), ("c", INVERTED), ("a", CORRECTED), ("a", CORRECTED)]
    story += [("b", CORRECTED), ("d", TRUTH), ("b", CORRECTED)]
    held, holds = replay(story)
    assert held == {3, 4, 5, 6, 8} and {one["kinds"][0] for one in holds} == {"contradicting_labels"}
    assert replay([*story, ("e", TRUTH), ("c", CORRECTED)])[0] == {3}


def test_a_replay_that_holds_nothing_holds_no_labels(replay):
    """As configured."""
    assert replay([("a", TRUTH), ("a", INVERTED)], hold=False) == (set(), [])
