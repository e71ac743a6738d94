"""`driftd explain`: the numbers of a cycle add up to what was decided, on the screen and as JSON."""

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ledgers import new_ledger

from daemon.ledger import Ledger, assessments, cycles, files, models
from daemon.reading.look import Look
from daemon.reports import explain
from retrain.planning.planner import plan
from retrain.records.action import OpenCycle
from retrain.records.assessment import Assessment
from retrain.records.deployment import Champion, Deployment
from retrain.records.observation import Observation
from retrain.records.planner_state import PlannerState, Regret
from retrain.records.settings import ModelSettings
from retrain.records.trigger import Trigger

CHAMPION = Champion(Deployment.of(1, "m", {"v1": 1.0}), 1, 0.0, "", "v1", 1, seen_seq=0, known_rows=1000)
SETTINGS = {"data_dir": "d", "task": "classification", "target": "y", "triggers": {"growth": False}}
NUMBER = re.compile(r"[+-]?[\d,]+\.?\d*")


def labelled(rng: np.random.Generator, seq: int, scale: float) -> Assessment:
    """A file on which a fresh model would have saved about a tenth of the loss, now and then more if trained with it."""
    moments = {name: (rng.normal(0.04, 0.02) * scale, 0.01 * scale, 400) for name in ("last3", "last12", "all")}
    fresh = {name: (rng.normal(0.04, 0.03) * scale, 0.02 * scale, 80) for name in ("last3", "last12", "all")}
    return Assessment(
        seq, seq, 400, "mae" if scale > 1 else "accuracy", 0.7 * scale, 0.3 * scale, gains=moments, fresh=fresh
    )


def opened(ledger: Ledger, seed: int, scale: float, credit: float, drifting: bool) -> dict[str, Any]:
    """The facts of a cycle that was opened once enough was saved, and the planner's numbers at that moment."""
    rng, seen_files = np.random.default_rng(seed), 0
    state, evidence = PlannerState(base=Regret(handicap=-0.02 * scale, penalty=2.0, credit=credit)), []
    with ledger.begin() as conn:
        models.ensure(conn, "m")
        for seq in range(1, 200):
            one = labelled(rng, seq, scale)
            taken = {
                "kind": "rows", "snapshot": "s", "snapshot_digest": "d", "rows": 400, "labelled_rows": 400,
                "class_rows": {}, "rejected": 0, "quarantine": None, "quality": {}, "first_time": None,
                "last_time": None, "rejects": [],
            }  # fmt: skip
            files.record_accepted(conn, "m", f"{seq}.csv", Look(seq, seq, seq, seq), f"sha{seq}", taken, 0.0)
            found = {key: value for key, value in asdict(one).items() if key != "id"}
            assessments.record(conn, "m", 1, {"assessments": [found], "skipped": [], "proposal": {}}, 0.0)
            evidence.append(one)
            observed = Observation(2000, 100, {}, seq, CHAMPION, None, assessments=tuple(evidence), drifting=drifting)
            seen_files = seq
            state, action = plan(state, observed, 1000.0 * seq, ModelSettings.model_validate(SETTINGS))
            if isinstance(action, OpenCycle):
                cycle = cycles.open_cycle(conn, "m", action.trigger, 2, seen_files, 0.0)
                return explain.describe(conn, cycle.id)
    raise AssertionError("no cycle was opened")


def shown(text: str) -> list[float]:
    """The numbers of a line, in order."""
    return [float(found.replace(",", "")) for found in NUMBER.findall(text)]


@pytest.mark.parametrize(
    ("seed", "scale", "credit", "drifting"),
    [(0, 1.0, 0.0, False), (1, 1.0, -1.6, True), (2, 1.0, -1.9, False), (3, 25_000.0, 1.3, True), (4, 300.0, 0, False)],
)
def test_every_number_that_decides_is_shown_and_adds_up(
    tmp_path: Path, seed: int, scale: float, credit: float, drifting: bool
) -> None:
    """Parts of a file to what it counts, files to the sum, factors to the price; and the sum is above the price."""
    ledger = new_ledger(tmp_path)
    facts = opened(ledger, seed, scale, credit, drifting)
    ledger.close()
    savings, text = facts["savings"], explain.story(facts)
    for one in savings["files"]:
        assert one["measured"] + one["lacking"] + one["chance"] == pytest.approx(one["counted"])
    total = savings["earlier"] + sum(one["counted"] for one in savings["files"])
    assert total == pytest.approx(savings["total"]) and savings["total"] > savings["price"]
    assert np.prod(list(savings["price_factors"].values())) == pytest.approx(savings["price"])

    lines = text.splitlines()
    start = lines.index(next(line for line in lines if line.startswith("What a fresh model")))
    end = lines.index(next(line for line in lines if line.startswith("  in all")))
    counts = [shown(line.split("file", 1)[-1].rpartition("  ")[2])[-1] for line in lines[start + 2 : end]]
    for line in lines[start + 2 : end]:
        if ".csv" in line:
            measured, small, chance, counted = shown(line.partition(".csv")[2])[-4:]
            assert round(measured + small + chance, 4) == counted, line
    (in_all,) = shown(lines[end])
    assert round(sum(counts), 4) == in_all
    (decided,) = [line for line in lines if line.endswith("a retrain pays.")]
    saved, price = shown(decided)
    assert saved == in_all > price
    (product,) = [line for line in lines if line.startswith("  ") and " = " in line and "×" in line]
    left, right = product.split(" = ")
    factors = [float(factor.split()[0]) for factor in right.split(" × ")]
    assert shown(left) == [price] and np.prod(factors) == pytest.approx(price, rel=2e-3)
    assert f"{saved:,.{len(str(saved).partition('.')[2])}f}"[:5] in facts["trigger"]["reason"]


def test_the_example_of_the_page_adds_up() -> None:
    """What docs/explanations.md shows a reader is arithmetic that holds."""
    page = (Path(__file__).parents[3] / "docs" / "explanations.md").read_text("utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith("  2013-06.parquet")]
    measured, small, chance, counted = shown(row)[-4:]
    (product,) = [line for line in page.splitlines() if "×" in line and line.startswith("  0.")]
    left, right = product.split(" = ")
    assert round(measured + small + chance, 4) == counted
    assert np.prod([float(factor.split()[0]) for factor in right.split(" × ")]) == pytest.approx(float(left), rel=2e-3)
    assert f"{counted:.4f} is more than {left.strip()}: a retrain pays." in page


def test_a_cycle_of_an_older_ledger_is_explained_without_its_parts(tmp_path: Path) -> None:
    """Its trigger has no parts of the sum; the sentence with the numbers stands."""
    ledger = new_ledger(tmp_path)
    with ledger.begin() as conn:
        models.ensure(conn, "m")
        trigger = Trigger("regret", "a fresh model would have saved 0.2000, a retrain costs 0.1000", {"regret": 0.2})
        facts = explain.describe(conn, cycles.open_cycle(conn, "m", trigger, 2, 3, 0.0).id)
    ledger.close()
    assert facts["savings"] is None and "saved 0.2000" in explain.story(facts)


def compared(**changes: Any) -> dict[str, Any]:
    """The result of an evaluation whose gain, rounded by itself, would not be that of the rounded values."""
    result = {
        "metric": "accuracy", "greater_is_better": True, "rows": 900, "notes": [], "slices": [],
        "challenger": {"value": 0.76864, "se": 0.01}, "champion": {"value": 0.75546, "se": 0.01, "version": "v1"},
        "baseline": {"value": 0.5, "se": 0.0}, "difference": 0.01318, "difference_se": 0.005,
    }  # fmt: skip
    return result | changes


@pytest.mark.parametrize("greater", [True, False])
def test_the_gain_shown_is_that_of_the_values_shown(greater: bool) -> None:
    """+ is better, whichever way the metric counts; ± says that it is the standard error."""
    values = compared() if greater else compared(greater_is_better=False, difference=-0.01318)
    text = explain._evaluated({"evaluate": values})
    challenger, champion, gain = (
        float(re.search(rf"^  {name}.*? ([+-]?\d\.\d+)", text, re.M)[1])  # type: ignore[index]
        for name in ("challenger", "champion", "gain")
    )
    assert round(challenger - champion, 4) == (gain if greater else -gain)
    assert "(± standard error)" in text


def test_the_state_of_the_planner_keeps_the_parts() -> None:
    """They survive the ledger, and are forgotten together with the sum."""
    state = PlannerState()
    observed = Observation(2000, 100, {}, 1, CHAMPION, None)
    for seq in (1, 2):
        one = labelled(np.random.default_rng(seq), seq, 1.0)
        state, _ = plan(state, replace(observed, assessments=(one,)), 0.0, ModelSettings.model_validate(SETTINGS))
    assert state.regret.gains and PlannerState.from_json(state.to_json()) == state
    assert state.regret.sum == pytest.approx(sum(gain.counted for gain in state.regret.gains))
