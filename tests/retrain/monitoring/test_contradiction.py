"""A file of labels beside the files of rows and labels that it is about: what contradicts them, and what cannot."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retrain.monitoring.contradiction import contradict
from retrain.operations import AcceptedFile, ContradictRequest
from retrain.records.schema import Column, Schema
from retrain.records.settings import LabelSettings, ModelSettings

ROWS, DAY_S = 100, 86_400.0
TRUTH = ["yes" if place % 4 == 0 else "no" for place in range(ROWS)]
INVERTED = ["no" if label == "yes" else "yes" for label in TRUTH]
SCHEMA = Schema((Column("id", "category"), Column("y", "category")), target="y", task="classification", id_column="id")


class World:
    """Files in the order in which they come, a day between any two."""

    def __init__(self, folder):
        self.folder, self.files = folder, []

    def _write(self, ids, labels):
        path = self.folder / f"{len(list(self.folder.iterdir())):03}.parquet"
        columns = {"id": pa.array(ids), "y": pa.array(labels, pa.string()), "__row": list(range(1, len(ids) + 1))}
        pq.write_table(pa.table(columns), path)
        return path

    def take(self, kind, day, labels):
        """Rows of a day with their own labels, or labels of a day's rows."""
        path = self._write(ids(day), labels)
        seq = len(self.files) + 1
        own = sum(label is not None for label in labels) if kind == "rows" else 0
        self.files.append(
            AcceptedFile(
                seq=seq, snapshot=path, digest=str(seq), rows=ROWS, kind=kind, accepted_at=seq * DAY_S, own_labels=own
            )
        )
        return self

    def doubts(self, day, labels, corrections=None):
        """What speaks against labels for a day's rows that come now."""
        settings = ModelSettings(
            data_dir=str(self.folder), task="classification", target="y", id_column="id",
            labels=LabelSettings(corrections=corrections),
        )  # fmt: skip
        request = ContradictRequest(
            labels=self._write(ids(day), labels), files=tuple(self.files), schema=SCHEMA, settings=settings,
            now=(len(self.files) + 1) * DAY_S,
        )  # fmt: skip
        return contradict(request)


def ids(day):
    return [f"{day}.{place}" for place in range(ROWS)]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_labels_that_came_with_their_rows_are_contradicted(world):
    """All of them; what was found is told in numbers."""
    world.take("rows", 0, TRUTH).take("rows", 1, TRUTH)
    found = world.doubts(1, INVERTED)
    assert [one["kind"] for one in found.doubts] == ["contradicting_labels"]
    assert (found.retold, found.changed) == (ROWS, ROWS)
    assert world.doubts(1, TRUTH).doubts == []


def test_labels_of_rows_that_had_none_contradict_nothing(world):
    """Also where they say the opposite of everything: a concept may change."""
    world.take("rows", 0, TRUTH).take("rows", 1, [None] * ROWS)
    found = world.doubts(1, INVERTED)
    assert (found.doubts, found.retold) == ([], 0)


def test_labels_that_came_in_files_are_contradicted(world):
    """Row by row, by id."""
    world.take("rows", 0, [None] * ROWS).take("labels", 0, TRUTH)
    assert world.doubts(0, INVERTED).doubts and not world.doubts(0, TRUTH).doubts


def test_labels_whose_rows_are_no_file_yet_are_contradicted(world):
    """Feedback is there before its answers become a data file."""
    world.take("rows", 0, TRUTH).take("labels", 1, TRUTH)
    assert world.doubts(1, INVERTED).doubts and not world.doubts(1, TRUTH).doubts


def test_changes_that_come_too_late_raise_no_doubt(world):
    """They do not count anyhow: rows are three days old, and labels may change for two."""
    world.take("rows", 0, TRUTH).take("rows", 1, TRUTH).take("rows", 2, TRUTH)
    assert not world.doubts(0, INVERTED, "2d").doubts and world.doubts(0, INVERTED, "4d").doubts


def test_one_class_that_comes_later_contradicts_nothing(world):
    """First all "yes", then all "no" of the same rows."""
    yes, no = ([label if label == name else None for label in TRUTH] for name in ("yes", "no"))
    world.take("rows", 0, yes)
    assert not world.doubts(0, no).doubts
