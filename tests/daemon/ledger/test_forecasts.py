"""What the gate foretold of each cycle is followed up: recorded once, for kept challengers too, and learned from."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bare_model import BINARY
from ledgers import DATABASES, new_ledger
from sqlalchemy import insert

from daemon.cli import app
from daemon.config.paths import StatePaths
from daemon.cycles.tidying import clear_cycles
from daemon.ledger import Ledger, cycles, deployments, forecasts, tables
from daemon.reports.explain import describe, story
from retrain.planning.forecast import MOST_WAITING, forecast
from retrain.planning.forecast_words import COVERS, basis
from retrain.records.cycle import Cycle, CycleState, Stage
from retrain.records.outcome import Outcome
from retrain.records.trigger import Trigger


@pytest.fixture
def ledger(tmp_path: Path, ledger_url: str | None) -> Iterator[Ledger]:
    """With a deployment that challengers were compared with."""
    made = new_ledger(tmp_path, ledger_url)
    with made.begin() as conn:
        deployments.for_version(conn, "m", "v0001-00000001", 0.0)
    yield made
    made.close()


def judged(ledger: Ledger, number: int, state: CycleState, foretold: bool = True) -> Cycle:
    """A finished cycle, of a challenger that met the champion or not."""
    found: dict[str, Any] = {"forecast": None}
    found |= {
        "metric": "accuracy", "rows": 100, "greater_is_better": True, "slices": [], "notes": [],
        "challenger": {"value": 0.81, "se": 0.02}, "baseline": {"value": 0.5, "se": 0.0},
        "champion": {"value": 0.8, "se": 0.02, "version": "v0001"}, "difference": 0.01, "difference_se": 0.01,
    }  # fmt: skip
    if foretold:
        found |= {"forecast": forecast(0.01, 0.01, 100, 1000, "regret").to_json() | {"against": 1}}
    with ledger.begin() as conn:
        cycle = cycles.open_cycle(conn, "m", Trigger("regret", "why"), number, 7, 0.0)
        cycle = replace(cycle, stage=Stage.EVALUATE)
        stage = cycles.stage_started(conn, cycle, 0.0)
        cycles.stage_finished(conn, stage, Outcome("ok", found), 0.0)
        version = f"v{number:04d}-00000001" if state is CycleState.PROMOTED else None
        cycles.save(conn, replace(cycle, state=state, version=version), 1.0)
    return cycle


def test_promoted_and_kept_challengers_wait_for_their_files(ledger: Ledger) -> None:
    """With what they were compared with; of cycles without a champion, and failed ones, nothing was foretold."""
    kept, promoted = judged(ledger, 2, CycleState.KEPT), judged(ledger, 3, CycleState.PROMOTED)
    judged(ledger, 4, CycleState.FAILED)
    judged(ledger, 5, CycleState.KEPT, foretold=False)
    with ledger.connect() as conn:
        waiting = forecasts.waiting(conn, "m")
        assert [(one.cycle, one.version) for one in waiting] == [(kept.id, ""), (promoted.id, "v0003-00000001")]
        assert set(forecasts.foretold_of(conn, "m")) == {kept.id, promoted.id, promoted.id + 1}
        assert {one.champion.weights["v0001-00000001"] for one in waiting} == {1.0} and waiting[0].after == 7
        assert forecasts.kept_staged(conn, [kept.id, promoted.id]) == {kept.id}


def test_what_came_is_recorded_and_the_next_forecast_learns_of_it(ledger: Ledger) -> None:
    """Once, oldest first; what is known does not wait any more."""
    first, second = judged(ledger, 2, CycleState.KEPT), judged(ledger, 3, CycleState.PROMOTED)
    with ledger.begin() as conn:
        for cycle, surprise in ((second, 1.5), (first, -0.5)):
            found = {"cycle": cycle.id, "difference": 0.02, "rows": 500, "files": [8, 9], "surprise": surprise}
            forecasts.record(conn, [found])
        assert forecasts.past(conn, "m") == [-0.5, 1.5] and forecasts.past(conn, "other") == []
        assert forecasts.waiting(conn, "m") == []
        assert [(one["cycle"], one["realised"]) for one in forecasts.earlier(conn, "m", 1)] == [(second.id, 0.02)]


def test_explain_tells_what_was_expected_and_what_came(ledger: Ledger) -> None:
    """In words, with the interval, what it was made of, and whether the interval held."""
    cycle = judged(ledger, 2, CycleState.PROMOTED)
    with ledger.begin() as conn:
        told = story(describe(conn, cycle.id))
        assert "expected over the next 2 files   +0.0093, between " in told and " at 90%" in told
        assert f"  - {COVERS}\n  - {basis(describe(conn, cycle.id)['evaluate']['forecast'], 0.81)}" in told
        assert "realised" not in told
        found = {"cycle": cycle.id, "difference": -0.05, "se": 0.01, "rows": 900, "files": [8, 9], "surprise": -3.0}
        forecasts.record(conn, [found])
        told = story(describe(conn, cycle.id))
    assert "realised over 2 files            -0.0500 ± 0.0100 on 900 rows: below the interval" in told


@pytest.mark.parametrize(("came", "outside"), [(None, False), (0.01, False), (-0.2, True)])
def test_versions_explains_its_intervals_and_marks(
    ledger: Ledger,
    ledger_url: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    came: float | None,
    outside: bool,
) -> None:
    """What the interval of what was expected covers, as `explain` says it, and what the mark says where there is one."""
    cycle = judged(ledger, 2, CycleState.PROMOTED)
    row = {"model": "m", "name": "v0002-00000001", "number": 2, "digest": "d", "created_at": 0.0, "metrics": {}}
    with ledger.begin() as conn:
        conn.execute(insert(tables.versions).values(**row, cycle_id=cycle.id, train_rows=900))
        if came is not None:
            forecasts.record(conn, [{"cycle": cycle.id, "difference": came, "rows": 900, "surprise": 0.0}])
    config = BINARY.replace('"state"', '"."').replace('"data"', f'"{tmp_path.parent / "data"}"')
    ledger_url = ledger_url or DATABASES.url(tmp_path)
    if ledger_url is not None:
        config = config.replace("[service]", '[service]\nledger_file = "url"')
        (tmp_path / "url").write_text(ledger_url)
    (tmp_path / "config.toml").write_text(config)
    capsys.readouterr()
    assert app.run(["--config", str(tmp_path / "config.toml"), "versions", "m"]) == 0
    told = capsys.readouterr().out
    assert f"expected: {COVERS}\n" in told
    assert ("! realised outside of the interval\n" in told) is outside is ("-0.2000 !" in told)


def test_tries_at_a_first_model_are_counted_until_one_is_served(ledger: Ledger) -> None:
    """Failures of the world are none."""
    for number, state in enumerate((CycleState.KEPT, CycleState.FAILED, CycleState.KEPT), 2):
        judged(ledger, number, state, foretold=False)
    with ledger.connect() as conn:
        assert forecasts.kept_tries(conn, "m") == 2
    judged(ledger, 5, CycleState.PROMOTED)
    with ledger.connect() as conn:
        assert forecasts.kept_tries(conn, "m") == 0


def test_a_kept_challenger_survives_until_its_files_came_and_nothing_else_does(ledger: Ledger, tmp_path: Path) -> None:
    """Rows and the work of other cycles go at once; of many challengers the newest stay."""
    paths = StatePaths(tmp_path)
    kept = [judged(ledger, number, CycleState.KEPT) for number in range(2, MOST_WAITING + 4)]
    for cycle in kept:
        (paths.cycles / str(cycle.id) / "version").mkdir(parents=True)
        (paths.cycles / str(cycle.id) / "train.parquet").touch()
    clear_cycles(ledger, paths)
    left = sorted(path.relative_to(paths.cycles).as_posix() for path in paths.cycles.glob("*/*"))
    assert left == sorted(f"{cycle.id}/version" for cycle in kept[-MOST_WAITING:])
    with ledger.begin() as conn:
        found = {"cycle": kept[-1].id, "difference": 0.0, "rows": 500, "files": [8, 9], "surprise": 0.0}
        forecasts.record(conn, [found])
    clear_cycles(ledger, paths)
    assert not (paths.cycles / str(kept[-1].id)).exists()
