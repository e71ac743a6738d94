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

    def take(self, kind, day, labels, source="drop", rows=ROWS):
        """The first rows of a day with their own labels, or labels of a day's rows."""
        labels = labels[:rows]
        path = self._write(ids(day)[:rows], labels)
        seq = len(self.files) + 1
        own = sum(label is not None for label in labels) if kind == "rows" else 0
        self.files.append(
            AcceptedFile(
                seq=seq,
                snapshot=path,
                digest=str(seq),
                rows=ROWS,
                kind=kind,
                accepted_at=seq * DAY_S,
                own_labels=own,
                source=source,
            )
        )
        return self

    def doubts(self, day, labels, corrections=None, others=None):
        """What speaks against labels for a day's rows that come now, and of some `others` by id."""
        others = others or {}
        settings = ModelSettings(
            data_dir=str(self.folder), task="classification", target="y", id_column="id",
            labels=LabelSettings(corrections=corrections),
        )  # fmt: skip
        request = ContradictRequest(
            labels=self._write([*ids(day)[: len(labels)], *others], [*labels, *others.values()]), files=tuple(self.files), schema=SCHEMA, settings=settings,
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


def test_who_changes_a_label_in_many_newer_files_hides_nothing(world):
    """All labels of one file are turned, and one in each of fifty files after it."""
    world.take("rows", 0, TRUTH)
    for day in range(1, 52):
        world.take("rows", day, TRUTH)
    found = world.doubts(0, INVERTED, others={f"{day}.0": "no" for day in range(1, 52)})
    assert found.doubts and found.leaves is None and len(found.places) == found.changed == ROWS + 51


def test_who_asks_again_under_labelled_ids_hides_nothing(world):
    """Fifty newer files of live traffic have the ids of the rows whose labels are turned."""
    world.take("rows", 0, TRUTH)
    for _ in range(51):
        world.take("rows", 0, [None] * ROWS, "traffic")
    assert world.doubts(0, INVERTED).doubts


def test_who_repeats_what_is_known_of_newer_files_hides_nothing(world):
    """Nine of a hundred labels in each of six files are other ones; six newer files are named as they are."""
    for day in range(12):
        world.take("rows", day, TRUTH)
    few = {f"{day}.{place}": INVERTED[place] for day in range(1, 6) for place in range(9)}
    named = {f"{day}.0": TRUTH[0] for day in range(6, 12)}
    labels = [*INVERTED[:9], *TRUTH[9:]]
    assert world.doubts(0, labels, others=few).doubts
    assert world.doubts(0, labels, others=few | named).doubts


def test_labels_of_unknown_ids_hide_nothing(world):
    """Rows that were answered are no file yet; labels of thousands of ids that nobody knows came before theirs."""
    world.take("rows", 0, TRUTH).take("labels", 1, TRUTH)
    for day in range(100, 121):
        world.take("labels", day, TRUTH)
    assert world.doubts(1, INVERTED).doubts
    assert not world.doubts(1, [*INVERTED[:4], *TRUTH[4:]]).doubts


def test_one_old_id_does_not_hold_labels_that_usually_change(world):
    """Every "yes" is said to be "no" at first. What is usual is told by the files before those that are now corrected,
    wherever else a label is corrected."""
    for day in range(12):
        world.take("rows", day, ["no"] * ROWS).take("labels", day, TRUTH)
    world.take("rows", 12, ["no"] * ROWS)
    assert not world.doubts(12, TRUTH).doubts
    assert not world.doubts(12, TRUTH, others={"0.0": "no"}).doubts
    assert not world.doubts(12, TRUTH, others={"0.1": "yes"}).doubts
    assert world.doubts(12, ["yes"] * ROWS, others={"0.1": "yes"}).doubts


def test_a_correction_here_and_there_of_many_small_files_is_none(world):
    """All labels are said again, one of twenty "no" otherwise: not only the files are judged in which that happens to be."""
    for day in range(60):
        world.take("rows", day, TRUTH, rows=10)
    said = {f"{day}.{place}": TRUTH[place] for day in range(60) for place in range(10)}
    corrected = {f"{day}.1": "yes" for day in range(60) if day % 5 in (0, 2)}
    found = world.doubts(99, [], others=said | corrected)
    assert (found.doubts, found.retold, found.changed) == ([], 600, 24)
    assert world.doubts(99, [], others=said | corrected | {f"{day}.2": "yes" for day in range(60)}).doubts
