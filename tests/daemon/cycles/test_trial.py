"""A challenger beside the champion: in a server, where it costs nobody an answer, and in the ledger."""

import asyncio
import threading
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from helpers import PATIENCE_S, wait_for
from ledgers import new_ledger
from sqlalchemy.exc import IntegrityError

from daemon.config.config import load_config
from daemon.cycles.trial import Reports
from daemon.ledger import cycles, deployments, models, promotions, trials
from daemon.runtime.describing import Describing
from daemon.server.follow import Follower
from daemon.server.pools import Pool
from daemon.server.slot import ModelSlot
from daemon.server.sticky import position
from daemon.server.trial import MOST_WAITING_BYTES, MOST_WAITING_ROWS, RunningTrial
from retrain.records.cycle import CycleState, Stage
from retrain.records.deployment import Deployment, Member
from retrain.records.predictions import Predictions
from retrain.records.settings import RolloutSettings
from retrain.records.trial import Trial, TrialCounts
from retrain.records.trigger import Trigger

CANARY = Trial(4, 1, Deployment(2, "m", (Member("v2"),)), "canary", 0.3, 0.0, 1.0, 2.0, 10, 0)
SHADOW = replace(CANARY, strategy="shadow", share=1.0)


@dataclass(eq=False)
class Model:
    """Answers one class, or raises; `hold` makes it wait."""

    says: str = "no"
    error: Exception | None = None
    hold: threading.Event | None = None

    def answer(self, rows: int) -> Predictions:
        """For so many rows."""
        if self.hold is not None:
            self.hold.wait(PATIENCE_S)
        if self.error is not None:
            raise self.error
        return Predictions(np.array([self.says] * rows), None, ("no", "yes"))


def answered(trial: RunningTrial, champion: Any, ids: Any, ask: Any, size: int = 0) -> tuple[Any, Predictions]:
    """Whose answer to a request of `size` bytes, and what it is."""

    async def now(model: Any) -> Predictions:
        return ask(model)

    return asyncio.run(trial.answer(champion, ids, now, ask, size))


def asked(trial: RunningTrial, champion: Model, rows: int = 2, ids: Any = None) -> tuple[str, Any]:
    """The class that a request is answered with, and by whom."""
    by, said = answered(trial, champion, ids, lambda model: model.answer(rows))
    return str(said.values[0]), by


def seen(trial: RunningTrial, **wanted: Any) -> TrialCounts:
    """What it reports in sum, once these counts are reached."""
    total = dict.fromkeys(("rows", "failures", "compared", "differed", "skipped"), 0.0)

    def look() -> bool:
        counts = trial.take()
        for name in total:
            total[name] += getattr(counts, name)
        return all(total[name] == value for name, value in wanted.items())

    wait_for(look, what=f"{wanted}, not {total}")
    return TrialCounts(**total)


def test_the_same_ids_are_the_challengers_in_every_process():
    """By the id alone, in about its share; another trial deals anew."""
    one, other, later = (RunningTrial(t, Model()) for t in (CANARY, CANARY, replace(CANARY, id=5)))
    wanted = [one.wants(f"r{i}") for i in range(2000)]
    assert (
        wanted
        == [other.wants(f"r{i}") for i in range(2000)]
        == [position("trial-4", f"r{i}") < 0.3 for i in range(2000)]
    )
    assert 520 < sum(wanted) < 680
    assert wanted != [later.wants(f"r{i}") for i in range(2000)]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 1.0])
def test_without_an_id_the_share_holds_by_counting(share):
    """After any number of requests it is off by less than one."""
    trial = RunningTrial(replace(CANARY, share=share), Model())
    given = np.cumsum([trial.wants(None) for _ in range(1000)])
    assert (abs(given - share * np.arange(1, 1001)) < 1 + 1e-9).all()


def test_all_rows_of_a_request_go_where_its_first_one_goes():
    """An answer names one version."""
    trial, champion = RunningTrial(CANARY, Model("yes")), Model()
    mine = next(f"r{i}" for i in range(99) if trial.wants(f"r{i}"))
    other = next(f"r{i}" for i in range(99) if not trial.wants(f"r{i}"))
    assert asked(trial, champion, ids=[mine, other]) == ("yes", trial.challenger)
    assert asked(trial, champion, ids=[other, mine]) == ("no", champion)
    told = seen(trial, rows=2, compared=2)
    assert told.differed == 2


def test_a_shadow_answers_unseen():
    """The champion's answer is returned, at once; the challenger's is compared with it later."""
    hold = threading.Event()
    trial, champion = RunningTrial(SHADOW, Model("yes", hold=hold)), Model()
    assert [asked(trial, champion) for _ in range(3)] == [("no", champion)] * 3
    assert trial.take() == TrialCounts()
    hold.set()
    told = seen(trial, rows=6)
    assert (told.compared, told.differed, told.failures) == (6, 6, 0)


def test_a_shadow_that_falls_behind_is_skipped_not_waited_for():
    """The queue is bounded; what does not fit is counted."""
    hold = threading.Event()
    trial, champion = RunningTrial(SHADOW, Model(hold=hold)), Model()
    for _ in range(12):
        asked(trial, champion, rows=MOST_WAITING_ROWS // 10)
    hold.set()
    assert seen(trial, rows=MOST_WAITING_ROWS).skipped == 2 * (MOST_WAITING_ROWS // 10)
    trial.close()


def test_what_waits_for_a_comparison_is_bounded_in_bytes():
    """A row may be as long as a body; one request alone always finds room."""
    hold = threading.Event()
    trial, champion = RunningTrial(SHADOW, Model(hold=hold)), Model()
    for size in (2 * MOST_WAITING_BYTES, 1):
        answered(trial, champion, None, lambda model: model.answer(1), size)
    hold.set()
    assert seen(trial, rows=1).skipped == 1
    trial.close()


@pytest.mark.parametrize("terms", [SHADOW, replace(CANARY, share=1.0)])
def test_a_request_that_outlives_the_trial_is_answered(terms):
    """It began before the trial was over; only the comparison is left out."""
    trial, champion = RunningTrial(terms, Model("yes")), Model()

    def ask(model: Any) -> Predictions:
        trial.close()
        return model.answer(1)

    by, said = answered(trial, champion, None, ask)
    assert str(said.values[0]) == by.says
    told = trial.take()
    assert told.skipped == 1 and not told.compared and not told.failures


@pytest.mark.parametrize("terms", [SHADOW, replace(CANARY, share=1.0)])
def test_a_challenger_that_fails_costs_nobody_an_answer(terms):
    """The champion answers in the same request; the failure is counted, with its words."""
    trial, champion = RunningTrial(terms, Model(error=ValueError("no such colour"))), Model()
    assert asked(trial, champion) == ("no", champion)
    counts: list[TrialCounts] = []
    wait_for(lambda: counts.append(trial.take()) or counts[-1] != TrialCounts())
    assert counts[-1] == TrialCounts(failures=1, error="ValueError: no such colour")


def test_a_request_that_both_refuse_is_at_fault_itself():
    """It is no failure of the challenger."""
    trial = RunningTrial(replace(CANARY, share=1.0), Model(error=ValueError("b")))
    with pytest.raises(ValueError, match="a"):
        asked(trial, Model(error=ValueError("a")))
    assert trial.take() == TrialCounts()


def test_numbers_differ_by_their_distance_and_must_be_finite():
    """For a regression: the sum of absolute differences; a NaN is a failure."""
    answers = {"champion": [1.0, 2.0], "challenger": [1.5, 1.0]}
    trial = RunningTrial(SHADOW, "challenger")
    answered(trial, "champion", None, lambda name: Predictions(np.array(answers[name])))
    assert seen(trial, rows=2).differed == 1.5
    answers["challenger"] = [np.nan, 1.0]
    answered(trial, "champion", None, lambda name: Predictions(np.array(answers[name])))
    assert seen(trial, failures=1).rows == 0


@pytest.fixture
def ledger(tmp_path, ledger_url):
    """A ledger with a champion v1 of model m and a cycle of v2."""
    opened = new_ledger(tmp_path, ledger_url)
    with opened.begin() as conn:
        models.ensure(conn, "m")
        promotions.record(conn, "m", deployments.for_version(conn, "m", "v1", 0.0), "promote", "first", 0.0)
    yield opened
    opened.close()


def begun(ledger: Any, version: str = "v2") -> Trial:
    """A canary that began at 100."""
    with ledger.begin() as conn:
        cycle = cycles.open_cycle(conn, "m", Trigger("manual", "by hand"), 2, 1, 0.0)
        cycle = replace(cycle, stage=Stage.PROMOTE, state=CycleState.ON_TRIAL, version=version)
        cycles.save(conn, cycle, 100.0)
        challenger = deployments.for_version(conn, "m", version, 100.0)
        return trials.begin(
            conn, cycle, challenger, RolloutSettings(strategy="canary", period="1m", min_rows=11), 100.0
        )


def test_a_model_on_trial_has_one_unfinished_cycle_and_one_trial(ledger):
    """The database itself refuses a second cycle; the trial keeps the terms under which it began."""
    trial = begun(ledger)
    assert (trial.share, trial.until, trial.latest, trial.version) == (0.1, 160.0, 100.0 + 86400, "v2")
    with pytest.raises(IntegrityError), ledger.begin() as conn:
        cycles.open_cycle(conn, "m", Trigger("drift", "why"), 3, 1, 0.0)
    with ledger.begin() as conn:
        assert trials.running(conn, "m") == trial and cycles.current(conn, "m").state is CycleState.ON_TRIAL
        assert trials.not_passed(conn, "m") == {"v2"}
        trials.finish(conn, trial, "promoted", "no harm", 200.0)
        assert trials.running(conn, "m") is None and trials.not_passed(conn, "m") == set()


def test_reports_of_all_servers_add_up_until_the_trial_is_over(ledger):
    """And say which models may now be decided: when the period is over and rows are enough, or
    when too many requests failed."""
    trial, reports = begun(ledger), Reports()

    def report(now: float, **counts: Any) -> list[str]:
        for _ in range(2):
            values = TrialCounts(**counts).__dict__
            reports.add({"model": "m", "trial": trial.id, "seen": values})
        return reports.write(ledger, now)

    assert report(110.0, rows=5, compared=4, differed=1.0, champion_s=0.1) == []
    assert report(170.0) == []
    assert report(170.0, rows=1) == ["m"]
    assert report(120.0, failures=1, error="it broke") == ["m"]
    with ledger.begin() as conn:
        found = trials.running(conn, "m").counts
        assert (found.rows, found.compared, found.differed, found.failures) == (12, 8, 2.0, 2)
        assert found.error == "it broke"
        trials.finish(conn, trial, "dropped", "it broke", 130.0)
    assert report(180.0, rows=5) == []
    with ledger.connect() as conn:
        assert trials.of_cycle(conn, trial.cycle).counts.rows == 12


def test_a_challenger_that_does_not_load_fails_its_trial(ledger, tmp_path):
    """The server tells it once, as more failures than any configuration allows, and serves on."""
    (tmp_path / "config.toml").write_text('[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n')
    config = load_config(tmp_path / "config.toml")
    trial, slots, told = begun(ledger), {"m": ModelSlot("m")}, []
    follower = Follower(config, slots, told.append, Pool("loading", 1), Pool("looking", 1))
    Describing(lambda: config, ledger).look()
    for _ in range(2):
        asyncio.run(follower.catch_up())
    assert slots["m"].trial is None
    (seen_once,) = [message for message in told if message["event"] == "trial_seen"]
    assert (seen_once["trial"], seen_once["version"], seen_once["seen"]["failures"]) == (trial.id, "v2", 1)
    assert seen_once["seen"]["error"]
