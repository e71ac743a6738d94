"""What is described beside the ledger follows it, model by model."""

from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from bare_model import bare_model

from daemon.ledger import cycles, deployments, promotions, trials
from daemon.runtime.context import ModelContext
from daemon.runtime.describing import Describing
from daemon.runtime.promoted import described, described_trial
from retrain.records.deployment import Deployment
from retrain.records.errors import Retry
from retrain.records.settings import RolloutSettings
from retrain.records.trigger import Trigger


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ModelContext]:
    """A model of which nothing is promoted."""
    with bare_model(tmp_path) as made:
        yield made


def promote(context: ModelContext, version: str) -> None:
    """Commit a promotion."""
    with context.shared.ledger.begin() as conn:
        promotions.record(conn, "m", deployments.for_version(conn, "m", version, 0.0), "promote", "a test", 0.0)


def try_out(context: ModelContext, version: str) -> None:
    """Commit the begin of a trial."""
    with context.shared.ledger.begin() as conn:
        cycle = cycles.open_cycle(conn, "m", Trigger("manual", "by a test", {}), 1, 0, 0.0)
        trials.begin(conn, cycle, deployments.for_version(conn, "m", version, 0.0), RolloutSettings(), 0.0)


def test_promotions_and_trials_are_described_and_told_once(context: ModelContext) -> None:
    """Whether servers are to look is told; a service that begins anew writes nothing that is as it was."""
    describing, paths = context.shared.describing, context.shared.config.paths
    assert not paths.described.exists()
    assert not describing.look().is_news and paths.described.exists()
    promote(context, "v1")
    assert describing.look().is_news and not describing.look().is_news
    try_out(context, "v2")
    assert describing.look().is_news
    champion, trial = described(paths, "m"), described_trial(paths, "m")
    assert champion is not None and champion.deployment.name == "v1" and trial is not None and trial.version == "v2"
    inode = paths.promoted("m").stat().st_ino
    again = Describing(lambda: context.shared.config, context.shared.ledger)
    assert not again.look().is_news and paths.promoted("m").stat().st_ino == inode
    with context.shared.ledger.begin() as conn:
        trials.finish(conn, trial, "dropped", "a test", 1.0)
    assert describing.look().is_news and described_trial(paths, "m") is None


def test_what_another_ledger_had_described_goes(context: ModelContext) -> None:
    """As before a restore: promotions and trials that this one does not know."""
    paths = context.shared.config.paths
    promote(context, "v1")
    try_out(context, "v2")
    context.shared.describing.look()
    for kind in (paths.promoted, paths.on_trial):
        kind("gone").write_bytes(kind("m").read_bytes())
        kind("m").write_bytes(kind("m").read_bytes().replace(b"v1", b"v9").replace(b"v2", b"v9"))
    Describing(lambda: context.shared.config, context.shared.ledger).look()
    champion, trial = described(paths, "m"), described_trial(paths, "m")
    assert champion is not None and champion.deployment.name == "v1" and trial is not None and trial.version == "v2"
    assert described(paths, "gone") is None and described_trial(paths, "gone") is None


class Missing:
    """Brings what it is told to have."""

    def __init__(self) -> None:
        self.has: set[str] = set()

    def versions(self, _model: str, deployment: Deployment) -> None:
        if not {one.version for one in deployment.members} <= self.has:
            raise Retry("it is not there")

    def files(self, names: Collection[str]) -> None:
        raise AssertionError(names)


def test_nothing_is_described_before_its_files_are_there(
    context: ModelContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again without another commit; until then servers wait, or have what was described before."""
    monkeypatch.setattr("daemon.runtime.describing.RETRY_S", 0.0)
    missing, paths = Missing(), context.shared.config.paths
    describing = Describing(lambda: context.shared.config, context.shared.ledger, missing)
    promote(context, "v1")
    looked = describing.look()
    assert not looked.is_news and [str(one) for one in looked.failures] == ["it is not there"]
    assert described(paths, "m") is None and not paths.described.exists()
    missing.has.add("v1")
    assert describing.look().is_news and described(paths, "m") is not None and paths.described.exists()


def test_who_closed_it_describes_nothing_more(context: ModelContext) -> None:
    """Another part of the process may describe from then on."""
    context.shared.describing.close()
    promote(context, "v1")
    assert not context.shared.describing.look().done and described(context.shared.config.paths, "m") is None
