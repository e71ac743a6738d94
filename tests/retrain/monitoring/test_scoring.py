"""What was answered is what is scored: late labels join it, other labels another score, small files together."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec import structs

from retrain.metrics.registry import MetricContext, get_metric
from retrain.monitoring.scoring import Scored, Scorer, score_answers
from retrain.operations import AcceptedFile, AnsweredFile
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings
from retrain.rows.history import History

SCHEMA = Schema(
    (Column("id", "category"), Column("x", "number"), Column("y", "category")), "classification", "y", id_column="id"
)
SETTINGS = ModelSettings(data_dir="d", task="classification", target="y", metric="accuracy")
METRIC = get_metric("accuracy", MetricContext("classification"))


class World:
    """Files of rows without labels, what was answered to them, and labels that come later."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files, self.answered = folder, list[AcceptedFile](), list[AnsweredFile]()
        self._seq, self.truth = itertools.count(1), dict[int, np.ndarray]()

    def answer(self, rows: int, right: float, deployment: int = 1) -> int:
        """A file of so many rows of which this share is answered right; its seq."""
        seq = next(self._seq)
        rng = np.random.default_rng(seq)
        truth = rng.choice(["no", "yes"], rows)
        said = np.where(rng.random(rows) < right, truth, np.where(truth == "no", "yes", "no"))
        numbers, path = np.arange(1, rows + 1), self.folder / f"{seq}.parquet"
        pq.write_table(pa.table({"id": self._ids(seq, rows), "x": np.zeros(rows), "__row": numbers}), path)
        yes = np.where(said == "yes", 0.9, 0.1)
        answers = self.folder / f"{seq}.predictions.parquet"
        pq.write_table(pa.table({"__row": numbers, "prediction": said, "p_no": 1 - yes, "p_yes": yes}), answers)
        self._accept(seq, path, rows, "rows")
        self.truth[seq] = truth
        self.answered.append(
            AnsweredFile(seq=seq, check=10 * seq, deployment=deployment, version=f"v{deployment}", answers=answers)
        )
        return seq

    def label(self, seq: int, places: slice | None = None, wrong: bool = False) -> None:
        """A file of labels of some rows, of all without `places`; `wrong` says the other class."""
        chosen = slice(None) if places is None else places
        truth = self.truth[seq][chosen]
        labels = np.where(truth == "no", "yes", "no") if wrong else truth
        own = next(self._seq)
        path = self.folder / f"{own}.labels.parquet"
        pq.write_table(pa.table({"id": self._ids(seq, len(self.truth[seq]))[chosen], "y": labels}), path)
        self._accept(own, path, len(labels), "labels")

    def score(self, **more: Any) -> Scored:
        """Score what is there; what was found is known from now on."""
        scorer = Scorer(History(self.files, SCHEMA), METRIC, SETTINGS, lambda _: None, **more)
        found = score_answers(scorer, self.answered)
        by_check = {one["check"]: one["performance"] for one in found.checks}
        self.answered = [self._known(file, by_check.get(file.check)) for file in self.answered]
        return found

    def scores(self) -> dict[int, dict[str, Any] | None]:
        """The known scores by seq."""
        return {file.seq: file.performance for file in self.answered}

    @staticmethod
    def _ids(seq: int, rows: int) -> np.ndarray:
        return np.array([f"{seq}-{row}" for row in range(rows)])

    @staticmethod
    def _known(file: AnsweredFile, performance: dict[str, Any] | None) -> AnsweredFile:
        return file if performance is None else structs.replace(file, performance=performance)

    def _accept(self, seq: int, path: Path, rows: int, kind: str) -> None:
        file = AcceptedFile(seq=seq, snapshot=path, digest=str(seq), rows=rows, kind=kind, accepted_at=float(seq))
        self.files.append(file)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One without files."""
    return World(tmp_path)


def test_late_labels_judge_what_was_answered(world: World) -> None:
    """A file that came without labels has no score; once these come in a file of their own it has that of its stored
    answers, of the rows that have one, and again nothing new where nothing changed."""
    seq = world.answer(200, 0.8)
    assert world.score().checks == ()
    world.label(seq, slice(0, 120))
    (found,) = world.score().checks
    said = pq.read_table(world.answered[0].answers)["prediction"].to_numpy(zero_copy_only=False)
    expected = float(np.mean(said[:120] == world.truth[seq][:120]))
    assert found["check"] == 10 * seq and found["performance"]["rows"] == 120
    assert found["performance"]["value"] == pytest.approx(expected) and found["performance"]["settled"]
    assert world.score().checks == ()


def test_other_labels_replace_a_score(world: World) -> None:
    """More labels and corrected ones remake the score of their file alone; in the end it is that of the same labels in
    any order, bit for bit."""
    first, second = world.answer(200, 0.8), world.answer(200, 0.8)
    world.label(first, slice(0, 100))
    world.label(second)
    world.score()
    untouched = world.scores()[second]
    world.label(first, slice(0, 50), wrong=True)
    world.label(first)
    assert [one["seq"] for one in world.score().checks] == [first, second]
    once = World(world.folder / "once")
    once.folder.mkdir()
    for _ in range(2):
        once.answer(200, 0.8)
    for seq in (2, 1):
        once.label(seq)
    once.score()
    last, same = world.scores(), once.scores()
    assert last[first]["value"] == same[1]["value"] and last[second] | {"key": ""} == same[2] | {"key": ""}
    assert untouched["value"] == last[second]["value"] and untouched["reference"] != last[second]["reference"]


def test_a_deployment_is_judged_by_what_it_answered_itself(world: World) -> None:
    """Six good files of one deployment, then bad ones: of the same deployment they are a drop, told where it begins; as
    another deployment's first files they are compared with nothing of the first."""
    for _ in range(6):
        world.label(world.answer(500, 0.8))
    for _ in range(2):
        world.label(world.answer(500, 0.6))
    world.label(world.answer(500, 0.6, deployment=2))
    world.score()
    found = list(world.scores().values())
    assert [one["dropped"] for one in found] == [False] * 6 + [True, True, False]
    assert [one["began"] for one in found] == [False] * 6 + [True, False, False]
    assert found[6]["drop"] == pytest.approx(0.2, abs=0.08) and found[6]["earlier"] == 6
    assert found[8]["earlier"] == 0 and found[8]["version"] == "v2"


def test_small_files_are_scored_together(world: World) -> None:
    """Files with 20 labelled rows count once they are 50: the newest of them has the score, the others say where they
    count; a score that grows takes the place of the one before."""
    seqs = [world.answer(200, 0.9) for _ in range(3)]
    for seq in seqs[:2]:
        world.label(seq, slice(0, 20))
    world.score()
    assert world.scores()[seqs[1]]["rows"] == 40 and "only 40 labelled rows" in world.scores()[seqs[1]]["reason"]
    world.label(seqs[2], slice(0, 20))
    world.score()
    found = world.scores()
    assert found[seqs[2]]["rows"] == 60 and found[seqs[2]]["files"] == seqs and found[seqs[2]]["value"] is not None
    assert all(found[seq]["value"] is None and found[seq]["own_rows"] == 20 for seq in seqs[:2])
    assert f"number {seqs[2]}" in found[seqs[0]]["reason"]


def test_what_is_gone_keeps_its_score(world: World) -> None:
    """A file that is looked back to no more, or whose answers were removed, is judged as it was known."""
    for _ in range(4):
        world.label(world.answer(300, 0.8))
    world.score()
    before = world.scores()
    world.answered[1].answers.unlink()
    for file in world.answered[:2]:
        world.label(file.seq, slice(0, 10), wrong=True)
    world.files = [file for file in world.files if file.seq != world.answered[0].seq]
    world.label(world.answer(300, 0.4))
    world.score()
    after, gone = world.scores(), [file.seq for file in world.answered[:2]]
    assert [after[seq]["value"] for seq in gone] == [before[seq]["value"] for seq in gone]
    newest = after[world.answered[-1].seq]
    assert newest["earlier"] == 4 and newest["dropped"]


def test_labels_that_are_believed_no_more_leave_no_score(world: World) -> None:
    """Where trust in a file's labels is lost its score goes, and says why."""
    seq = world.answer(200, 0.8)
    world.label(seq)
    world.score()
    world.files[0] = structs.replace(world.files[0], trust="waiting")
    (found,) = world.score().checks
    assert found["performance"]["value"] is None and not found["performance"]["settled"]
    assert "not believed any more" in found["performance"]["reason"]


def test_errors_of_a_file_are_watched_once(world: World) -> None:
    """The detector sees a file's errors when its labels are first believed, not again when these change, and none of
    another deployment's; a rise in a file that is worse than before is told with its row."""
    for _ in range(3):
        world.label(world.answer(500, 0.9))
    other = world.answer(500, 0.9, deployment=2)
    world.label(other)
    state = world.score(watched=1).stream
    assert state["detector"]["seen"] == 1500
    world.label(1, slice(0, 5), wrong=True)
    assert world.score(watched=1, stream=state).stream is state
    world.label(world.answer(800, 0.3))
    found = world.score(watched=1, stream=state)
    (told,) = [one["stream"] for one in found.checks if one["stream"] is not None]
    assert told["dropped"] and told["row"] <= 800 and found.stream["detector"]["seen"] == 2300


def test_live_traffic_is_scored_by_the_prediction_log(tmp_path: Path) -> None:
    """What a server answered counts, of the deployments of that era alone; rows whose id is another are left out."""
    world = World(tmp_path)
    seq = world.answer(100, 0.0)
    world.label(seq)
    ids, truth = World._ids(seq, 100), world.truth[seq]
    log = pa.table({
        "__id": pa.array([*ids[:99], "another"]), "__version": ["v0001-aa"] * 60 + ["v0002-bb"] * 40,
        "__role": ["answer"] * 100, "__prediction": truth, "__p_no": np.where(truth == "no", 0.9, 0.1),
        "__p_yes": np.where(truth == "no", 0.1, 0.9),
    })  # fmt: skip
    shadow = log.slice(0, 7).set_column(2, "__role", pa.array(["shadow"] * 7))
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    pq.write_table(pa.concat_tables([shadow, log.slice(0, 50)]), paths[0])
    pq.write_table(log.slice(50), paths[1])
    file = world.answered[0]
    for names, rows in ((("v0001-aa",), 60), (("v0002-bb", "d0003-cc"), 39)):
        world.answered = [AnsweredFile(seq=seq, check=1, deployment=1, version="v", names=names, logs=tuple(paths),
                                       answers=file.answers)]  # fmt: skip
        (found,) = world.score().checks
        assert (found["performance"]["value"], found["performance"]["rows"]) == (1.0, rows)


def test_drawn_answers_score_the_version_on_all_rows(tmp_path: Path) -> None:
    """Labels come of rows that were answered "yes", a fifth of the answers drawn at random: what the version answers by
    itself is scored, and the labelled rows count by how likely their label was. It is right on 58 % of the rows that it
    would let through, on 75 % of all."""
    rng, rows, share = np.random.default_rng(3), 4_000, 0.2
    x = rng.random(rows)
    truth, greedy = np.where(rng.random(rows) < x**2, "yes", "no"), np.where(x > 0.5, "yes", "no")
    said = np.where(rng.random(rows) < share, rng.choice(["no", "yes"], rows), greedy)
    ids, drawn = np.array([f"r{row}" for row in range(rows)]), {"__greedy": greedy, "__explore_share": [share] * rows}
    drawn["__propensity"] = share / 2 + (1 - share) * (said == greedy)
    log = {"__role": ["answer"] * rows, "__version": ["v1"] * rows, "__id": ids, "__prediction": said, **drawn}
    pq.write_table(pa.table(log), tmp_path / "log.parquet")
    columns = {"id": ids, "x": x, "__row": np.arange(1, rows + 1), "__answer": said, **drawn}
    pq.write_table(pa.table(columns), tmp_path / "1.parquet")
    known = said == "yes"
    pq.write_table(pa.table({"id": ids[known], "y": truth[known]}), tmp_path / "2.parquet")
    files = [
        AcceptedFile(seq=1, snapshot=tmp_path / "1.parquet", digest="1", rows=rows, source="traffic"),
        AcceptedFile(seq=2, snapshot=tmp_path / "2.parquet", digest="2", rows=int(known.sum()), kind="labels"),
    ]
    logs = (tmp_path / "log.parquet",)
    answered = AnsweredFile(seq=1, check=1, deployment=1, version="v1", logs=logs, names=("v1",))
    scorer = Scorer(History(files, SCHEMA), METRIC, SETTINGS, lambda _: None)
    (found,) = score_answers(scorer, [answered]).checks
    performance = found["performance"]
    assert np.mean(greedy[known] == truth[known]) < 0.65
    assert abs(performance["value"] - np.mean(greedy == truth)) < 3 * performance["se"] < 0.1
