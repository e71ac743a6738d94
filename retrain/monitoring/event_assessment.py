"""The assessment of new files of events, and the blend that is proposed to be served. Numbers for the planner; it
changes nothing.

Every file is answered as it was served: with the counters of what came before it, then it teaches."""

import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.metrics.ranking import clustered_error
from retrain.monitoring.event_past import Past, Remembered, past_of, start_ms
from retrain.operations import AssessRequest, AssessResult, StoredDeployment
from retrain.recommendation import regret
from retrain.recommendation.blend import FILES, Blend
from retrain.recommendation.contest import METRIC
from retrain.recommendation.counters import Counters
from retrain.recommendation.ease import ItemWeights
from retrain.recommendation.evaluation import HELD_OUT
from retrain.recommendation.interactions import Codes
from retrain.recommendation.learning import Lesson, clock_of, configured_exclusion, learned, lesson
from retrain.recommendation.scene import Scene, popularity_alone, scene_of, with_versions
from retrain.recommendation.version import LoadedRecommender, load_recommender, own_part, placed
from retrain.records.predictions import Floats
from retrain.records.settings import ModelSettings

FEWEST_MOMENTS = 20
"""Of a file, on which anything is compared; on fewer the mean says little."""


def assess(request: AssessRequest) -> AssessResult:
    """The operation: assess the new files, and propose the blend of the newest ones."""
    started = time.process_time()
    assessor = _assessor(request)
    level = float((request.before or {}).get("level") or 0.0)
    found: dict[int, dict[str, Any] | None] = {}
    for seq in sorted(request.candidates):
        found[seq], level = assess_file(assessor, seq, level)
    return AssessResult(
        assessments=[one for one in found.values() if one is not None],
        skipped=[seq for seq, one in found.items() if one is None],
        proposal=propose(assessor, level),
        seconds=time.process_time() - started,
    )


@dataclass(frozen=True, eq=False)
class EventAssessor:
    """Files and what came before them; the `served` version and its blend; the others that are compared, by name.
    `before` is the last proposal, {} at first."""

    past: Past
    deployment: StoredDeployment
    served: LoadedRecommender
    blend: Blend
    archive: Mapping[str, LoadedRecommender]
    settings: ModelSettings
    before: Mapping[str, Any]
    predecessor: LoadedRecommender | None = None
    challenger: LoadedRecommender | None = None

    def weights(self, version: LoadedRecommender) -> ItemWeights:
        """A version's, by the names of the log."""
        return version.item_weights(self.past.log.events.items)

    def unseen(self, version: LoadedRecommender, seq: int) -> NDArray[np.bool_]:
        """Which events (n,) of a file a version was not trained on."""
        log, file = self.past.log, self.past.files[seq]
        own = log.seq == seq
        if file.digest not in version.training["snapshots"]:
            return np.asarray(own)
        since_ms = version.training["prepare"].get("held_since_ms")
        if since_ms is None:
            return np.zeros(len(own), bool)
        users = np.array([zlib.crc32(str(name).encode()) % HELD_OUT == 0 for name in log.events.users], bool)
        return np.asarray(own & users[log.events.user] & (log.events.time_ms > since_ms))

    def scene(self, seq: int, labelled: NDArray[np.bool_]) -> tuple[Scene, Counters]:
        """A file as it was when it came, and the counters of then."""
        counters = self.past.before(seq)
        events, seed = self.past.log.events, self.settings.estimator.seed
        return scene_of(events, labelled, start_ms(self.past, seq), counters, seed, seq), counters

    def clock(self, seq: int) -> str:
        """As of what time popularities answered it."""
        return clock_of(self.past.files[seq].source)


def _assessor(request: AssessRequest) -> EventAssessor:
    deployment, folder = request.deployment, request.deployment.folder
    served = _loaded(deployment, deployment.heaviest)
    past = past_of(folder, request.files, request.schema, request.settings, served.half_lives_ms, REMEMBERED)
    before = None if request.predecessor is None else _loaded(request.predecessor, request.predecessor.heaviest)
    return EventAssessor(
        past=past,
        deployment=deployment,
        served=served,
        blend=served.blend if deployment.recalibration is None else Blend.from_json(deployment.recalibration),
        archive={name: _loaded(deployment, name) for name in request.archive},
        settings=request.settings,
        before=request.before or {},
        predecessor=None if before is None or before.name == served.name else before,
        challenger=None if request.challenger is None else _loaded(deployment, request.challenger),
    )


def _loaded(deployment: StoredDeployment, name: str) -> LoadedRecommender:
    path = deployment.path(name)
    return REMEMBERED.versions.get(path) or REMEMBERED.versions.put(path, load_recommender(path))


# --- one file -------------------------------------------------------------------------------------------------------


def assess_file(assessor: EventAssessor, seq: int, level: float) -> tuple[dict[str, Any] | None, float]:
    """The evidence of one file, as `retrain.records.assessment.Assessment` reads it, and the smoothed NDCG of what is
    served after it; None where its moments are too few, or the served version was trained on it."""
    if seq not in assessor.past.files:
        return None, level
    scene, counters = assessor.scene(seq, assessor.unseen(assessor.served, seq))
    if len(scene.moments) < FEWEST_MOMENTS:
        return None, level
    clock, blend, users = assessor.clock(seq), assessor.blend, scene.moments.user
    versions = {"served": assessor.served, "predecessor": assessor.predecessor, "challenger": assessor.challenger}
    weights = {name: assessor.weights(one) for name, one in versions.items() if one is not None}
    found = with_versions(scene, weights, blend, blend.exclude_seen, clock)
    mean = float(found["served"].mean())
    level = regret.served_level(level, mean)
    _learn(assessor, seq, scene, weights["served"])
    assessment = {
        "seq": seq,
        "rows": len(scene.moments),
        "newest": assessor.deployment.newest,
        "metric": METRIC,
        "score": mean,
        "loss": regret.LEVEL,
        "rival": _costs(found, "predecessor", users, assessor, seq),
        "challenger": _trial(found, users, assessor, seq),
        "gains": _gains(assessor, seq, scene, counters, level),
        "popularity": [float(one.mean()) for one in popularity_alone([scene], blend.exclude_seen, clock)],
    }
    return assessment, level


def _costs(
    found: Mapping[str, Floats], other: str, users: Codes, assessor: EventAssessor, seq: int
) -> list[float] | None:
    """Moments of what the deployment costs more than another version with the same blend: the mean, the variance that
    one row would have if rows were independent (moments of one user are not), and the rows."""
    version = assessor.predecessor if other == "predecessor" else assessor.challenger
    if other not in found or version is None:
        return None
    if assessor.past.files[seq].digest in version.training["snapshots"]:
        return None
    difference = found[other] - found["served"]
    error = clustered_error(difference, users)
    variance = float(difference.var()) if error is None else error**2 * len(difference)
    return [float(difference.mean()), variance, len(difference)]


def _trial(found: Mapping[str, Floats], users: Codes, assessor: EventAssessor, seq: int) -> dict[str, Any] | None:
    """Moments of what the challenger on trial costs more than the deployment."""
    costs = _costs(found, "challenger", users, assessor, seq)
    if costs is None or assessor.challenger is None:
        return None
    return {"version": assessor.challenger.name, "costs": [-costs[0], *costs[1:]]}


def _gains(
    assessor: EventAssessor, seq: int, scene: Scene, counters: Counters, level: float
) -> dict[str, tuple[float, float, int]]:
    """What a small version of all that came before the file gains over an equally small one of what the served version
    was trained on; nothing where these are the same."""
    past, served = assessor.past, assessor.served
    trained = set(served.training["snapshots"])
    if all(file.digest in trained for one, file in past.files.items() if one < seq):
        return {}
    names = past.log.events.items
    kept = REMEMBERED.twins.get(served.folder) or REMEMBERED.twins.put(
        served.folder,
        own_part(regret.small(past.of_snapshots(served.training["snapshots"]), served.trained.ease), names),
    )
    old = placed(*kept, names)
    fresh, blend = regret.small(counters, served.trained.ease), assessor.blend
    return {"all": regret.gain(scene, fresh, old, blend, blend.exclude_seen, level, assessor.clock(seq))}


# --- the blend ------------------------------------------------------------------------------------------------------


def propose(assessor: EventAssessor, level: float) -> dict[str, Any]:
    """From the newest files, as JSON: the `recalibration` is the blend that they teach; what answers stays."""
    deployment, before = assessor.deployment, assessor.before
    seqs = newest_files(assessor.past)
    up_to = max(seqs, default=0)
    proposal = {
        "members": deployment.weights, "newest": deployment.newest, "recalibration": deployment.recalibration,
        "level": level, "up_to": up_to, "served": assessor.served.name,
    }  # fmt: skip
    if not assessor.settings.adaptation.recalibration:
        return proposal | {"recalibration": None}
    trained = set(assessor.served.training["snapshots"])
    if all(assessor.past.files[seq].digest in trained for seq in seqs):
        return proposal
    if (before.get("up_to"), before.get("served")) == (up_to, assessor.served.name):
        return proposal | {"recalibration": before.get("recalibration"), "reason": before.get("reason")}
    lessons = [lesson for seq in seqs if (lesson := _lesson(assessor, seq)) is not None]
    blend = learned(lessons, configured_exclusion(assessor.settings))
    if not blend.says_something:
        return proposal
    reason = f"the blend follows the newest {len(lessons)} files ({blend.choices:,} choices)"
    return proposal | {"recalibration": blend.to_json(), "reason": reason}


def newest_files(past: Past) -> list[int]:
    """The seqs of the newest FILES files that have events, ascending."""
    return [span.seq for span in past.log.spans][-FILES:]


def _learn(assessor: EventAssessor, seq: int, scene: Scene, weights: ItemWeights) -> Lesson:
    """What a file teaches, answered with a version; kept for the proposals to come."""
    exclude, users = assessor.blend.exclude_seen, assessor.past.log.events.users
    taught = lesson(scene, weights, users, exclude, assessor.clock(seq))
    return REMEMBERED.lessons.put(_lesson_key(assessor, seq), taught)


def _lesson(assessor: EventAssessor, seq: int) -> Lesson | None:
    """The same of a file that was assessed before: answered with the newest version that was not trained on it, or with
    a small one of what came before."""
    kept = REMEMBERED.lessons.get(_lesson_key(assessor, seq))
    if kept is not None:
        return kept
    scene, counters = assessor.scene(seq, assessor.past.log.seq == seq)
    if not len(scene.moments):
        return None
    digest = assessor.past.files[seq].digest
    names = [assessor.served, assessor.predecessor, *reversed(list(assessor.archive.values()))]
    fitting = [one for one in names if one is not None and digest not in one.training["snapshots"]]
    weights = assessor.weights(fitting[0]) if fitting else regret.small(counters, assessor.served.trained.ease)
    return _learn(assessor, seq, scene, weights)


def _lesson_key(assessor: EventAssessor, seq: int) -> tuple[Any, ...]:
    past = assessor.past
    return past.folder, past.files[seq].snapshot.name, past.half_lives_ms


REMEMBERED = Remembered()


def forget() -> None:
    """Start anew, as another process would."""
    for kept in (REMEMBERED.logs, REMEMBERED.counters, REMEMBERED.lessons, REMEMBERED.twins, REMEMBERED.versions):
        kept.clear()
