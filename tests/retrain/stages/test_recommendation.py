"""The stages of a recommendation's cycle, from snapshots to a published version."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from event_files import accepted, accepted_file, cycle, settings, tasteful
from event_logs import log
from msgspec.structs import replace

from retrain.operations import PrepareRequest
from retrain.recommendation.blend import FIRST, Blend, popularity_blend
from retrain.recommendation.contest import court, first
from retrain.recommendation.evaluation import held_out
from retrain.recommendation.log import read_log
from retrain.recommendation.version import load_recommender
from retrain.records.errors import Refused
from retrain.records.schema import event_schema
from retrain.records.settings.decisions import GateSettings
from retrain.stages.promote import prove_recommender
from retrain.stages.recommendation.prepare import newest_held, prepare
from retrain.stages.recommendation.prepared import read_log_file

OWN = """
import numpy as np

class Counts:
    def __init__(self, power=1.0):
        self.power = power

    def fit(self, had):
        together = (had.T @ had).toarray() ** self.power
        np.fill_diagonal(together, 0)
        self.item_weights_ = together

class Opposite:
    def fit(self, had):
        together = (had.T @ had).toarray()
        self.item_weights_ = together.max() - together

class Nothing:
    def fit(self, had):
        pass
"""


def test_a_first_cycle_gives_a_version_that_is_better_than_popularity(tmp_path: Path) -> None:
    """On moments of users whom it was not trained on in the newest part of the log, with what its lists are like."""
    prepared, told, made = cycle(tmp_path, accepted(tmp_path / "data", tasteful()))
    assert made is not None and told.verdict == "promote"
    assert told.challenger["value"] > told.baseline["value"] > 0
    assert told.reason.startswith(
        f"ndcg_at_10 {told.challenger['value']:.4f} on {told.rows:,} held-out moments is better"
    )
    assert told.reason.endswith(f"than {told.baseline['value']:.4f} of popularity at its best half-life")
    assert told.metric == "ndcg_at_10" and told.champion is None and told.difference is None
    assert told.lists is not None and 0 < told.lists["coverage"] <= 1
    log_file = read_log_file(prepared.train)
    since = log_file.events.time_ms > (prepared.held_since_ms or 0)
    assert np.array_equal(log_file.held, held_out(log_file.events, since))
    assert not (log_file.held & log_file.trains).any()
    version = prove_recommender(made.path(made.newest))
    assert version.blend.choices > 0 and version.training["rows"] == prepared.train_rows
    assert "popularity at its best half-life" in (version.folder / "card.md").read_text()


def test_the_same_files_give_the_same_version(tmp_path: Path) -> None:
    """Name and digest, whichever process and folder."""
    files = accepted(tmp_path / "data", tasteful())
    one, other = (cycle(tmp_path / name, files)[2] for name in ("a", "b"))
    assert one is not None and other is not None and one.newest == other.newest


def test_one_file_of_all_history_is_enough(tmp_path: Path) -> None:
    """Held out is the newest sixth of time and again as much, not all that came with the newest files."""
    prepared, told, _ = cycle(tmp_path, accepted(tmp_path / "data", tasteful(), parts=1))
    assert told.verdict == "promote" and prepared.holdout_rows < 0.2 * prepared.train_rows


def test_a_challenger_is_compared_with_the_served_blend(tmp_path: Path) -> None:
    """Champion and challenger by the same weights, differences clustered by user; and the champion's unit is kept, so
    that nothing has to be counted anew. What is expected counts why the cycle was opened, and the model's past."""
    files = accepted(tmp_path / "data", tasteful())
    _, _, champion = cycle(tmp_path, files[:5])
    assert champion is not None
    _, told, made = cycle(tmp_path, files, 2, champion, trigger="growth", past=(1.0, 1.0))
    assert told.forecast is not None and (told.forecast["trigger"], told.forecast["past"]) == ("growth", 2)
    assert made is not None and told.champion is not None and told.champion["version"] == champion.newest
    assert told.difference == pytest.approx(told.challenger["value"] - told.champion["value"])
    assert told.difference_se is not None
    before, after = (load_recommender(one.path(one.newest)) for one in (champion, made))
    assert after.trained.unit_ms == before.trained.unit_ms and after.blend == before.blend


def test_a_challenger_that_changes_nothing_is_kept(tmp_path: Path) -> None:
    """It ranks every held-out moment as the champion does, by the same weights of items."""
    files = accepted(tmp_path / "data", tasteful())
    _, _, champion = cycle(tmp_path, files)
    _, told, _ = cycle(tmp_path, files, 2, champion, publish=False)
    assert champion is not None and (told.verdict, told.reason) == (
        "keep",
        f"it ranks exactly as {champion.newest} does",
    )


def test_a_worse_challenger_is_kept(tmp_path: Path) -> None:
    """Here one that recommends what goes least together, under a blend that trusts versions: told with the difference
    and its error."""
    (tmp_path / "own.py").write_text(OWN)
    files = accepted(tmp_path / "data", tasteful())
    _, _, champion = cycle(tmp_path, files[:5])
    assert champion is not None
    trusting = Blend({**dict.fromkeys(FIRST.warm, 0.0), "ease": 1.0, "log_popularity_2": 0.1}, FIRST.cold)
    champion = replace(champion, recalibration=trusting.to_json())
    _, told, _ = cycle(tmp_path, files, 2, champion, publish=False, estimator={"type": "own.py:Opposite"})
    assert told.verdict == "keep" and told.difference is not None and told.difference < 0


def test_a_champion_that_cannot_be_loaded_is_told_and_replaced(tmp_path: Path) -> None:
    """A damaged champion blocks no stage of its successor."""
    files = accepted(tmp_path / "data", tasteful())
    _, _, champion = cycle(tmp_path, files[:5])
    assert champion is not None
    (champion.path(champion.newest) / "training.json").write_bytes(b"damaged")
    _, told, made = cycle(tmp_path, files, 2, champion)
    assert made is not None and told.verdict == "promote" and told.champion is None
    assert any("cannot be compared" in note for note in told.notes)


def test_an_own_estimator_is_kept_by_its_numbers(tmp_path: Path) -> None:
    """What `fit` left in `item_weights_` answers, and the file is not needed any more; nothing there is refused."""
    (tmp_path / "own.py").write_text(OWN)
    files = accepted(tmp_path / "data", tasteful())
    _, _, made = cycle(tmp_path, files, estimator={"type": "own.py:Counts", "params": {"power": 0.5}})
    (tmp_path / "own.py").unlink()
    assert made is not None and prove_recommender(made.path(made.newest)).table.nnz > 0
    (tmp_path / "own.py").write_text(OWN)
    with pytest.raises(Refused, match="item_weights_ is nothing after fit"):
        cycle(tmp_path, files, 2, estimator={"type": "own.py:Nothing"})
    with pytest.raises(Refused, match="params 'depth' is unknown"):
        cycle(tmp_path, files, 3, estimator={"params": {"depth": 3}})


def test_too_few_events_cannot_be_judged(tmp_path: Path) -> None:
    """Refused with how many there are and how many are needed."""
    file = accepted_file(tmp_path / "data", 1, log(60))
    asked = settings()
    request = PrepareRequest(files=(file,), schema=event_schema(asked), settings=asked, work=tmp_path)
    with pytest.raises(Refused, match="50 are needed to compare"):
        prepare(request)


def test_one_event_that_is_much_newer_leaves_the_others_to_compare_with(tmp_path: Path) -> None:
    """A log of last year, and an event that was posted today: the newest units by time have nobody to hold out."""
    table = tasteful()
    at = table["at"].to_numpy().copy()
    at[-1] += 10 * 365 * 86_400
    late = table.set_column(table.column_names.index("at"), "at", pa.array(at))
    for seq, one in enumerate((table, late)):
        files = accepted(tmp_path / str(seq), one)
        log = read_log(files, event_schema(settings()), settings())
        held, since_ms = newest_held(log, 50)
        assert 0.02 < held.mean() < 0.2 and since_ms < table["at"].to_numpy().max() * 1000


def test_where_nothing_beats_popularity_popularity_answers(tmp_path: Path) -> None:
    """A first version is served all the same: with popularity alone, which it says, and is proven to."""
    prepared, _, made = cycle(tmp_path, accepted(tmp_path / "data", tasteful()))
    assert made is not None
    version, log_file = prove_recommender(made.path(made.newest)), read_log_file(prepared.train)
    edges = [int(one) for one in np.linspace(prepared.held_since_ms or 0, log_file.events.newest_ms, 3)]
    judged = court(log_file.events, log_file.held, edges, version.half_lives_ms, 0, 1)
    worst = Blend({"ease": -1.0, "neighbours": -1.0}, {"log_popularity_all": -1.0})
    blend, found = first(judged, version.item_weights(log_file.events.items), worst, GateSettings())
    assert found.verdict.promote and "popularity alone answers" in found.verdict.reason
    assert blend == popularity_blend(found.half_life, False)
    assert found.challenger == found.baseline and "standard error" not in found.verdict.reason
