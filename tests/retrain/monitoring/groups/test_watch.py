"""Groups are counted, scored and judged file by file; other labels give other counts in place of those before."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retrain.metrics.registry import MetricContext, get_metric
from retrain.monitoring.groups import fold, watch
from retrain.monitoring.groups.watch import watch_groups
from retrain.monitoring.groups.watcher import Watcher
from retrain.operations import AcceptedFile, AnsweredFile, from_json, to_json
from retrain.records.groups import FileGroups, GroupFigures, GroupWatch
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings
from retrain.rows.history import History

SCHEMA = Schema(
    (Column("id", "category"), Column("g", "category"), Column("y", "category")), "classification", "y", id_column="id"
)
METRIC = get_metric("accuracy", MetricContext("classification"))
Answers = Callable[[np.ndarray], np.ndarray]
"""From the groups of rows (n,) to how likely each is answered right (n,)."""


def settings(**groups: object) -> ModelSettings:
    """Of a model whose column g is watched."""
    gate = {"slices": ["g"], "min_slice_rows": 50}
    return ModelSettings(
        data_dir="d",
        task="classification",
        target="y",
        metric="accuracy",
        gate=gate,
        groups={"positive": "yes", **groups},
    )


class World:
    """Files of rows in groups a, b and c, with what was answered, and labels that come later."""

    def __init__(self, folder: Path, chosen: ModelSettings | None = None) -> None:
        self.folder, self.files, self.answered = folder, list[AcceptedFile](), list[AnsweredFile]()
        self.settings, self.known, self.truth = chosen or settings(), dict[int, FileGroups](), dict[int, np.ndarray]()
        self._seq = itertools.count(1)

    def answer(self, right: dict[str, float], rows: int = 600, era: int = 1) -> int:
        """A file of so many rows, alike in each group, of which these shares are answered right; its seq."""
        seq = next(self._seq)
        rng = np.random.default_rng(seq)
        groups, truth = rng.choice(list(right), rows), rng.choice(["no", "yes"], rows)
        is_right = rng.random(rows) < np.vectorize(right.get)(groups)
        said = np.where(is_right, truth, np.where(truth == "no", "yes", "no"))
        numbers, path = np.arange(1, rows + 1), self.folder / f"{seq}.parquet"
        pq.write_table(pa.table({"id": self._ids(seq, rows), "g": groups, "__row": numbers}), path)
        answers = self.folder / f"{seq}.predictions.parquet"
        pq.write_table(pa.table({"__row": numbers, "prediction": said}), answers)
        self._accept(seq, path, rows, "rows")
        self.truth[seq] = truth
        self.answered.append(AnsweredFile(seq=seq, check=10 * seq, deployment=era, version=f"v{era}", answers=answers))
        return seq

    def label(self, seq: int, places: slice = slice(None), wrong: bool = False) -> None:
        """A file of labels of some rows; `wrong` says the other class."""
        truth = self.truth[seq][places]
        labels = np.where(truth == "no", "yes", "no") if wrong else truth
        own = next(self._seq)
        path = self.folder / f"{own}.labels.parquet"
        pq.write_table(pa.table({"id": self._ids(seq, len(self.truth[seq]))[places], "y": labels}), path)
        self._accept(own, path, len(labels), "labels")

    def watch(self, era: int = 1) -> GroupWatch:
        """Watch what is there, as it travels; what was found is known from now on."""
        watcher = Watcher(History(self.files, SCHEMA), METRIC, self.settings, era, f"v{era}", "yes")
        found = watch_groups(watcher, self.answered, tuple(self.known.values()))
        assert found is not None
        found = from_json(to_json(found), GroupWatch)
        self.known |= {one.check: one for one in found.changed}
        self.known = {check: one for check, one in self.known.items() if check in found.kept}
        return found

    def _ids(self, seq: int, rows: int) -> np.ndarray:
        return np.array([f"{seq}-{row}" for row in range(rows)])

    def _accept(self, seq: int, path: Path, rows: int, kind: str) -> None:
        file = AcceptedFile(seq=seq, snapshot=path, digest=str(seq), rows=rows, kind=kind, accepted_at=float(seq))
        self.files.append(file)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One without files."""
    return World(tmp_path)


EVEN = {"a": 0.85, "b": 0.85, "c": 0.85}


def of_group(found: GroupWatch, group: str) -> GroupFigures:
    """A group of column g, over the window."""
    assert found.summary is not None
    return next(one for one in found.summary.columns[0].groups if one.group == group)


def test_a_group_is_counted_with_what_was_answered_and_scored_once_labels_are_in(world: World) -> None:
    """Selection rates need no labels; metric and true-positive rate are of settled rows, and are those numbers."""
    seq = world.answer(EVEN)
    found = world.watch()
    assert of_group(found, "a").score is None and of_group(found, "a").settled == 0
    groups = pq.read_table(world.files[0].snapshot)["g"].to_numpy(zero_copy_only=False)
    assert world.answered[0].answers is not None
    said = pq.read_table(world.answered[0].answers)["prediction"].to_numpy(zero_copy_only=False)
    selection = of_group(found, "a").selection
    assert selection is not None and selection.rows == (groups == "a").sum()
    assert selection.value == pytest.approx(np.mean(said[groups == "a"] == "yes"))
    world.label(seq)
    a, truth = of_group(world.watch(), "a"), world.truth[seq]
    assert a.score is not None and a.score.value == pytest.approx(np.mean((said == truth)[groups == "a"]))
    positive = (groups == "a") & (truth == "yes")
    assert a.true_positive is not None and a.true_positive.value == pytest.approx(np.mean(said[positive] == "yes"))
    assert a.score.low < a.score.value < a.score.high and a.settled == (groups == "a").sum()


def test_a_group_that_does_worse_is_degraded_while_the_whole_is_not(world: World) -> None:
    """Of three groups one falls from .85 to .65 with the seventh file: it alone is degraded by the eighth, nobody is
    before; with the third file that is as good as before at the latest it is over."""
    for number in range(1, 15):
        world.label(world.answer({**EVEN, "b": 0.65 if 7 <= number <= 9 else 0.85}))
        degraded = [one.group for one in world.watch().summary.degraded]  # type: ignore[union-attr]
        if number < 7 or number >= 12:
            assert degraded == []
        elif 8 <= number <= 10:
            assert degraded == ["b"]


def test_other_labels_replace_what_was_counted_bit_for_bit(world: World) -> None:
    """Wrong labels, corrected later, and labels in another order end as the right ones at once do."""
    seqs = [world.answer({**EVEN, "b": 0.6 if number > 5 else 0.85}) for number in range(8)]
    for seq in seqs[::-1]:
        world.label(seq, slice(0, 300), wrong=True)
        world.watch()
    for seq in seqs:
        world.label(seq)
        last = world.watch()
    once = World(world.folder / "once")
    once.folder.mkdir()
    for number in range(8):
        once.answer({**EVEN, "b": 0.6 if number > 5 else 0.85})
    for seq in seqs:
        once.label(seq)
    assert once.watch().summary == last.summary
    assert [one.groups for one in once.known.values()] == [one.groups for one in world.known.values()]
    assert world.watch().changed == ()


def test_few_rows_of_a_group_wait_for_more(world: World) -> None:
    """A group with 20 rows a file is scored with every third; until then it has no value, and says of which files its
    rows are."""
    shares = {**EVEN, **{f"c{place}": 0.85 for place in range(17)}}
    for _ in range(3):
        world.label(world.answer(shares, rows=400))
    found = world.watch()
    counts = [next(one for one in world.known[10 * seq].groups if one.group == "a") for seq in (1, 3, 5)]
    assert sum(one.settled for one in counts) >= 50
    assert counts[0].score is None and counts[0].files == (1,) and counts[1].files == (1, 3)
    assert counts[2].score is not None and counts[2].files == (1, 3, 5)
    assert of_group(found, "a").score is not None and of_group(found, "a").true_positive is None


def test_long_texts_and_missing_values_are_no_groups(world: World) -> None:
    """A column of texts makes no names of a thousand letters; rows without a value are in none, and in all rows."""
    world.label(world.answer({"a": 0.9, "t" * 1000: 0.9}))
    path = world.files[0].snapshot
    table = pq.read_table(path)
    column = [None if place % 10 == 0 else name for place, name in enumerate(table["g"].to_pylist())]
    pq.write_table(table.set_column(1, "g", pa.array(column, pa.string())), path)
    summary = world.watch().summary
    assert summary is not None and [one.group for one in summary.columns[0].groups] == ["a"]
    assert summary.all_rows.rows == 600 and summary.columns[0].groups[0].rows == column.count("a")


def test_another_deployment_begins_anew(world: World) -> None:
    """Files that another deployment answered are no reference, and their counts are kept no longer."""
    for number in range(8):
        world.label(world.answer({**EVEN, "b": 0.6 if number > 5 else 0.85}))
    assert world.watch().summary.degraded  # type: ignore[union-attr]
    world.label(world.answer({**EVEN, "b": 0.6}, era=2))
    found = world.watch(era=2)
    assert found.kept == (170,) and found.summary is not None and found.summary.degraded == ()


def test_a_difference_is_told_where_it_is_more_than_is_allowed(tmp_path: Path) -> None:
    """With a largest difference of .1, true-positive rates that are .3 apart exceed it, those of a steady stream do not;
    without one nothing is ever told."""
    told = settings(max_difference=0.1, window=4), ["true-positive rate"]
    for chosen, expected in (told, (settings(window=4), [])):
        world = World(tmp_path / str(len(expected)), chosen)
        world.folder.mkdir()
        for _ in range(4):
            world.label(world.answer(EVEN))
        assert world.watch().summary.exceeded == ()  # type: ignore[union-attr]
        for _ in range(4):
            world.label(world.answer({**EVEN, "b": 0.55}))
        found = world.watch().summary
        assert found is not None and [one.figure for one in found.exceeded] == expected
        disparity = next(one for one in found.columns[0].disparities if one.figure == "true-positive rate")
        assert disparity.low == "b" and disparity.interval[0] < disparity.difference < disparity.interval[1]


def test_rows_whose_answers_are_gone_stay_as_they_were_counted(world: World) -> None:
    """Retention takes old answers; what was counted of them stays, and new files go on from there."""
    for _ in range(4):
        world.label(world.answer(EVEN))
    before = world.watch()
    for file in world.answered[:2]:
        assert file.answers is not None
        file.answers.unlink()
    world.answered[:2] = [
        AnsweredFile(seq=one.seq, check=one.check, deployment=1, version="v1") for one in world.answered[:2]
    ]
    assert world.watch() == GroupWatch(changed=(), kept=before.kept, summary=before.summary)
    world.label(world.answer(EVEN))
    assert len(world.watch().changed) == 1


def test_an_episode_lasts_where_the_files_before_it_are_not_looked_back_to(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of eight files that are kept, all with a group that does worse, it stays degraded; each new file is all that is
    counted, and other labels of the oldest change nothing, those of a newer one what follows from it alone."""
    monkeypatch.setattr(watch, "MOST_FILES", 8)
    monkeypatch.setattr(fold, "MOST_WAITING", 3)
    shares = {**EVEN, **{f"c{place}": 0.85 for place in range(17)}}
    seqs = []
    for number in range(1, 17):
        seqs.append(world.answer({**shares, "b": 0.85 if number < 7 else 0.3}, rows=1000))
        world.label(seqs[-1])
        found = world.watch()
        assert [one.seq for one in found.changed] == seqs[-1:] and len(found.kept) == min(number, 8)
        if number > 9:
            assert [one.group for one in found.summary.degraded] == ["b"]  # type: ignore[union-attr]
    assert any(one.score is None for record in world.known.values() for one in record.groups)
    world.label(seqs[8], slice(0, 5), wrong=True)
    assert world.watch().changed == ()
    world.label(seqs[13], slice(0, 5), wrong=True)
    found = world.watch()
    assert found.changed[0].seq == seqs[13] and found.kept[0] == 10 * seqs[8]
    assert [one.group for one in found.summary.degraded] == ["b"]  # type: ignore[union-attr]


def test_rows_wait_for_those_of_so_many_files_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that change from file to file do not keep the rows of all files."""
    monkeypatch.setattr(fold, "MOST_WAITING", 3)
    for number in range(6):
        world.label(world.answer({"a": 0.85, f"x{number % 4}": 0.85}, rows=60))
        world.watch()
    waiting = [one.files for one in world.known[10 * 11].groups if one.group == "x1"]
    assert waiting == [(11,)]


def test_of_rows_that_wait_no_others_are_kept(world: World) -> None:
    """A file of any size leaves the settled rows of groups that wait for more, under `gate.min_slice_rows` of each; a
    byte for each row and column says which group it is of."""
    shares = {**EVEN, **{f"c{place}": 0.85 for place in range(17)}}
    for _ in range(3):
        world.label(world.answer(shares, rows=400))
    watcher = Watcher(History(world.files, SCHEMA), METRIC, world.settings, 1, "v1", "yes")
    rows = watcher.rows(world.answered[0])
    assert rows is not None and rows.columns["g"].places.nbytes == 400 and len(rows.groups) == 21
    watch_groups(watcher, world.answered, ())
    held = [len(one.y) for groups in watcher._waiting.values() for one in groups.values()]
    assert held and max(held) < 50
