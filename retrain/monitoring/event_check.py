"""Check files of a recommendation's events against the champion: how accounts of new files differ from those that it
was made of."""

import time

from retrain.operations import CheckRequest, CheckResult
from retrain.recommendation.drift import Named, drift_of
from retrain.recommendation.reference import current_activity, load_reference
from retrain.recommendation.version import load_recommender


def check(request: CheckRequest) -> CheckResult:
    """The operation: judge the events of all snapshots together. How well items were predicted is told by the
    assessment of the file: an event is its own label."""
    started = time.perf_counter()
    settings = request.settings
    champion = load_recommender(request.deployment.path(request.deployment.newest))
    reference, users = load_reference(champion.folder)
    current = current_activity(request.snapshots, champion.schema, settings, champion.items, users)
    report = drift_of(reference, current, settings.drift, Named(settings.event_column, settings.value_column))
    return CheckResult(report=report.to_json(), seconds=time.perf_counter() - started)
