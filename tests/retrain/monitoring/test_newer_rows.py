"""While labels of newer files are out, the decision follows what the model says of their rows."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from retrain.model.recalibration import LARGEST, Recalibration, decision_for
from retrain.monitoring.cache import Memory
from retrain.monitoring.newer_rows import following, moved_shares
from retrain.planning.proposal_words import proposal_reason
from retrain.records.deployment import Champion, Deployment
from retrain.records.predictions import Predictions

CLASSES, SHARES = ("no", "yes"), {"no": 0.8, "yes": 0.2}


def assessor(positive: dict[int, float], balanced: bool = True) -> Any:
    """By file, the probability of "yes" that the newest version gives each of its 400 rows; labels are in up to file 4."""
    files = {seq: SimpleNamespace(seq=seq, rows_key=seq) for seq in positive}

    def predict(batch: Any) -> Predictions:
        yes = np.full(400, positive[batch])
        return Predictions(np.where(yes > 0.5, "yes", "no"), np.column_stack([1 - yes, yes]), CLASSES)

    for file in files.values():
        file.table = file.seq
    task = SimpleNamespace(predict=lambda _estimator, batch: predict(batch))
    version = SimpleNamespace(
        name="v1", preprocessor=None, matrix=lambda batch: batch, task=task, estimator=None, is_recorded=False
    )
    history = SimpleNamespace(
        seqs=sorted(files), traffic=set(), rows_alone=files.get,
        newest_pools=lambda count, up_to, representative: [files[s] for s in sorted(files) if s <= up_to][-count:],
    )  # fmt: skip
    return SimpleNamespace(
        history=history, balanced=balanced, served=SimpleNamespace(version=version, newest="v1"), memory=Memory(),
        decision=lambda _: decision_for(SHARES, CLASSES), unseen=lambda *_: np.ones(400, dtype=bool),
    )  # fmt: skip


def proposal() -> dict[str, Any]:
    """By the labels: the decision alone."""
    return {"members": {"v1": 1.0}, "newest": "v1", "recalibration": decision_for(SHARES, CLASSES).to_json()}


def test_the_decision_follows_rows_that_are_newer_than_their_labels() -> None:
    """Twice as many "yes" by the model's own word are decided for as such, and the reason says so."""
    found = following(assessor({1: 0.2, 2: 0.2, 3: 0.2, 4: 0.2, 5: 0.4, 6: 0.4}), proposal(), 4)
    assert found["shares"]["newer"]["yes"] == pytest.approx(0.386, abs=0.001)
    said = Predictions(np.array(["no"]), np.array([[0.72, 0.28]]), CLASSES)
    before, after = (Recalibration.from_json(one["recalibration"]) for one in (proposal(), found))
    assert before is not None and after is not None
    assert before.apply(said).values.tolist() == ["yes"] and after.apply(said).values.tolist() == ["no"]
    champion = Champion(Deployment.of(1, "m", {"v1": 1.0}), 1, 0.0, "", "v1", 1)
    assert "decided as for 39% 'yes', for newer rows" in proposal_reason(proposal() | found, champion)


def test_with_labels_of_the_newest_file_or_another_metric_nothing_is_moved() -> None:
    """Nor without any labels."""
    files = {1: 0.2, 2: 0.2, 3: 0.4}
    assert following(assessor(files), proposal(), 3) == {} == following(assessor(files), proposal(), 0)
    assert following(assessor(files, balanced=False), proposal(), 2) == {}


def test_who_only_asks_moves_no_decision() -> None:
    """Rows of live traffic are anybody's, until they are labelled."""
    asked = assessor({1: 0.2, 2: 0.2, 3: 0.4, 4: 0.9})
    asked.history.traffic = {3, 4}
    assert following(asked, proposal(), 2) == {}
    asked.history.traffic = {4}
    assert following(asked, proposal(), 2)["shares"]["newer"]["yes"] < 0.4


def test_few_rows_and_rows_unlike_all_move_little() -> None:
    """Shrunk towards the shares by labels; and a decision never moves by more than a recalibration."""
    few = moved_shares(np.array([0.8, 0.2]), np.full((400, 2), 0.5), np.array([[0.0, 1.0]]))
    assert few[1] == pytest.approx(0.2, abs=0.02)
    found = following(assessor({1: 0.2, 2: 0.2, 3: 1.0, 4: 1.0}), proposal(), 2)
    moved = np.array(found["recalibration"]["decision"]) - np.array(decision_for(SHARES, CLASSES).decision)
    assert np.abs(moved).max() == pytest.approx(LARGEST)
