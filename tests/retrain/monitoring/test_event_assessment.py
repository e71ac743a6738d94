"""What new files of events say of what is served, and the blend that they teach."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from event_files import accepted, accepted_file, cycle, settings, tasteful
from event_logs import log
from msgspec.structs import replace

from retrain.monitoring.event_assessment import REMEMBERED, assess, forget
from retrain.monitoring.event_past import MODELS, Remembered, past_of
from retrain.operations import AcceptedFile, AssessRequest, AssessResult, StoredDeployment
from retrain.planning.probation import verdict, watched
from retrain.recommendation.blend import FILES, Blend
from retrain.recommendation.blend import FIRST as FIRST_BLEND
from retrain.recommendation.counters import count
from retrain.records.assessment import Assessment
from retrain.records.deployment import Champion, Deployment
from retrain.records.planner_state import Probation
from retrain.records.schema import event_schema

pytestmark = pytest.mark.xdist_group("event_assessment")  # what they share is made once

OPPOSITE = """
class Opposite:
    def fit(self, had):
        together = (had.T @ had).toarray()
        self.item_weights_ = together.max() - together
"""
FIRST = 4
"""Files that the served version was trained on."""


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[AcceptedFile, ...], StoredDeployment]:
    """Eight files, and a version of the first four."""
    folder = tmp_path_factory.mktemp("served")
    files = accepted(folder / "data", tasteful())
    _, _, made = cycle(folder, files[:FIRST])
    assert made is not None
    return files, made


def asked(
    files: tuple[AcceptedFile, ...],
    deployment: StoredDeployment,
    candidates: list[int],
    names: list[str] | None = None,
    **more: Any,
) -> AssessResult:
    """What the operation says; `names` are the versions of the archive."""
    model = settings()
    request = AssessRequest(
        files=files, schema=event_schema(model), settings=model, candidates=candidates, deployment=deployment,
        archive=[deployment.newest] if names is None else names, **more,
    )  # fmt: skip
    return assess(request)


Served = tuple[tuple[AcceptedFile, ...], StoredDeployment]


def test_each_new_file_is_judged_as_it_was_served(served: Served) -> None:
    """NDCG of what is served and of popularity alone; from the second on what a fresh version gains."""
    files, deployment = served
    told = asked(files[:6], deployment, [5, 6])
    first, second = told.assessments
    assert (first["seq"], second["seq"], told.skipped) == (5, 6, [])
    assert first["score"] > max(first["popularity"]) > 0 and first["gains"] == {}
    mean, error, moments = second["gains"]["all"]
    assert error > 0 and moments == second["rows"] and abs(mean) < 1
    assert Assessment.from_json(1, second).newest == deployment.newest


def test_the_blend_follows_the_newest_files(served: Served) -> None:
    """Each proposal is learned on more choices, the same version answers, and without a new file nothing changes."""
    files, deployment = served
    unchanged = asked(files[:FIRST], deployment, []).proposal
    assert unchanged["recalibration"] is None and unchanged["members"] == deployment.weights
    first = asked(files[:5], deployment, [5]).proposal
    second = asked(files[:6], deployment, [6], before=first).proposal
    blends = [Blend.from_json(one["recalibration"]) for one in (first, second)]
    assert 0 < blends[0].choices < blends[1].choices and second["members"] == deployment.weights
    assert blends[1].exclude_seen is False and "newest 6 files" in second["reason"]
    forget()
    assert asked(files[:6], deployment, [], before=second).proposal == second


def test_another_process_says_the_same_of_a_file(served: Served) -> None:
    """What is remembered saves time alone: assessments are equal, number by number."""
    files, deployment = served
    together = asked(files[:6], deployment, [5, 6]).assessments
    forget()
    assert asked(files[:6], deployment, [6], before={"level": together[0]["score"]}).assessments == together[1:]


def test_counters_before_a_file_are_those_of_the_earlier_ones(served: Served) -> None:
    """Whatever was asked before: the bits of a rebuild."""
    files, deployment = served
    model, half_lives = settings(), (1e8, None)
    for up_to, seq in ((5, 5), (8, 8), (8, 3)):
        past = past_of(deployment.folder, files[:up_to], event_schema(model), model, half_lives, REMEMBERED)
        found, events = past.before(seq), past.log.events
        rebuilt = count(events.where(past.log.seq < seq), half_lives)
        assert found.together.data.tobytes() == rebuilt.together.data.tobytes()
        assert found.popularity[0].users.tobytes() == rebuilt.popularity[0].users.tobytes()
        assert np.array_equal(found.interactions.items, events.items)


def test_a_predecessor_is_compared_with_the_same_blend(served: Served, tmp_path: Path) -> None:
    """Itself costs nothing more; another version's difference has a variance by user."""
    files, deployment = served
    _, _, newer = cycle(tmp_path, files[:6])
    assert newer is not None
    one = asked(files, newer, [7], predecessor=replace(deployment, newest=newer.newest)).assessments[0]
    mean, variance, moments = one["rival"]
    assert variance > 0 and moments == one["rows"] and abs(mean) < 0.2
    (path := newer.folder / deployment.newest).symlink_to(deployment.path(deployment.newest))
    trial = asked(files, newer, [7], challenger=path.name).assessments[0]["challenger"]
    assert trial == {"version": path.name, "costs": [-mean, variance, moments]} or trial["costs"][0] == -mean


def test_a_version_that_is_worse_is_rolled_back(served: Served, tmp_path: Path) -> None:
    """One that recommends what goes least together, under a blend that trusts versions: the next files show beyond
    doubt that its predecessor is better."""
    files, deployment = served
    (tmp_path / "own.py").write_text(OPPOSITE)
    _, _, worse = cycle(tmp_path, files[:FIRST], 2, estimator={"type": "own.py:Opposite"})
    assert worse is not None
    trusting = Blend({**dict.fromkeys(FIRST_BLEND.warm, 0.0), "ease": 1.0, "log_popularity_2": 0.1}, FIRST_BLEND.cold)
    worse = replace(worse, recalibration=trusting.to_json())
    found = asked(files[:6], worse, [5, 6], predecessor=deployment, names=[worse.newest]).assessments
    seen, settings_ = Probation(), settings()
    for key, one in enumerate(found):
        seen = watched(seen, Assessment.from_json(key, one), settings_.probation.files)
    champion = Champion(Deployment.of(2, "m", worse.weights), 2, 0.0, "", worse.newest, 2)
    assert "worse than its predecessor" in str(verdict(seen, champion, settings_))


def test_files_that_can_tell_nothing_are_skipped(served: Served, tmp_path: Path) -> None:
    """Of too few moments, of what the version was trained on, or of events that are all there already."""
    files, deployment = served
    few = accepted_file(tmp_path, 9, log(10))
    again = accepted_file(tmp_path, 10, tasteful().slice(0, 400))
    assert asked((*files, again), deployment, [10]).skipped == [10]
    told = asked((*files, few), deployment, [3, 9])
    assert told.skipped == [9] or told.skipped == [3, 9]
    assert all(one["seq"] != 9 for one in told.assessments)


def test_posted_events_are_judged_with_live_popularity(served: Served, tmp_path: Path) -> None:
    """A fashion that begins within a file is known to the next request, where events were posted."""
    files, deployment = served
    start = int(tasteful()["at"].to_pylist()[-1]) + 60
    table = pa.table({
        "who": [f"new{one}" for one in range(60)], "what": ["i00"] * 30 + ["i39"] * 30,
        "at": [start + 60 * one for one in range(60)],
    })  # fmt: skip
    scores = {}
    for source in ("folder", "events"):
        forget()
        new = accepted_file(tmp_path / source, 9, table, source)
        scores[source] = asked((*files, new), deployment, [9]).assessments[0]["popularity"][0]
    assert scores["events"] > scores["folder"]


def test_an_analyst_remembers_no_more_lessons_than_blends_are_learned_from():
    """A lesson takes megabytes: of each model as many are kept as it has newest files, not all that were ever read."""
    lessons = Remembered().lessons
    for number in range(1000):
        lessons.put(number, None)
    kept = [number for number in range(1000) if number in lessons._kept]
    assert kept == list(range(1000 - MODELS * FILES, 1000))
