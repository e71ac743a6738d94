"""Ledgers in the states that a status page has to tell apart, without a service: seeded, all moments from one."""

import fcntl
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from ledgers import new_ledger
from page_parser import HOSTILE
from sqlalchemy import Connection, insert

from daemon.config.config import Config, load_config
from daemon.ledger import (
    Ledger,
    checks,
    cycles,
    deployments,
    events,
    files,
    models,
    open_ledger,
    promotions,
    tables,
    versions,
)
from daemon.reading.look import Look
from daemon.reports.page.asked import Asked, PageReader
from daemon.runtime.promoted import describe
from retrain.records.cycle import Cycle, CycleState, Stage
from retrain.records.outcome import Outcome
from retrain.records.planner_state import PlannerState, Regret
from retrain.records.trigger import Trigger

NOW = 1_764_322_200.0
"""28 November 2025, 09:30 UTC."""
DAY_S = 86_400.0
COLUMNS = ("carrier", "hour", "distance", "temp")


def configured(folder: Path, names: Mapping[str, str]) -> Config:
    """Models by name with their mode; each has a data folder."""
    text = '[service]\ntimezone = "UTC"\n'
    for name, mode in names.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        text += f'[models."{name}"]\ndata_dir = "{name}"\ntask = "classification"\ntarget = "y"\nmode = "{mode}"\n'
        text += 'check_schedule = "15 * * * *"\n'
    (folder / "config.toml").write_text(text)
    return load_config(folder / "config.toml")


MOVES = {"prediction_shift": {"mean": 0.31, "error": 0.04, "scale": "log-odds of 'yes'", "class": None}}


def report(drifted: tuple[str, ...]) -> dict[str, Any]:
    """What a check found: the named columns moved."""
    columns = [
        {"name": name, "kind": "numeric", "drift": name in drifted, "effect": 0.14 if name in drifted else 0.01,
         "sentence": f"'{name}' moved up by 8 % (median 61.2 → 66.1)" if name in drifted else None,
         "p_adjusted": 1e-9 if name in drifted else 0.6} | (MOVES if name in drifted and name == "carrier" else {})
        for name in dict.fromkeys((*COLUMNS, *drifted))
    ]  # fmt: skip
    return {"drift": bool(drifted), "columns": columns, "outputs": [], "notes": [], "untested": None}


def take_file(
    conn: Connection, model: str, number: int, at: float, path: str = "", rows: int = 1200, labelled: int | None = None
) -> Any:
    """A file that was taken in; its row."""
    found = {"kind": "rows", "snapshot": f"s/{model}/{number}", "rows": rows, "class_rows": {}, "rejected": 0,
             "labelled_rows": rows if labelled is None else labelled, "quarantine": None, "quality": {},
             "first_time": None, "last_time": None, "rejects": []}  # fmt: skip
    name = path or f"2025-{1 + number // 28:02d}-{1 + number % 28:02d}.csv"
    return files.record_accepted(conn, model, name, Look(9, number, 1, 1), f"{model}-{number}", found, at)


def check_file(conn: Connection, model: str, row: Any, score: float | None, drifted: tuple[str, ...] = ()) -> int:
    """Its check by the champion: measured, or where `score` is None estimated alone."""
    champion = promotions.champion(conn, model)
    assert champion is not None
    shown = {"metric": "balanced_accuracy", "se": 0.008, "rows": row.rows}
    performance = None if score is None else shown | {
        "value": score, "interval": [score - 0.016, score + 0.016], "dropped": False, "reference": 0.74, "earlier": 4,
        "settled": True, "files": [row.seq], "version": champion.deployment.name,
    }  # fmt: skip
    estimated = {
        "metric": "balanced_accuracy",
        "value": 0.735,
        "interval": [0.72, 0.75],
        "rows": row.rows,
        "method": "CBPE",
    }
    result = {
        "deployment": champion.deployment.number, "version": champion.deployment.name, "started_at": row.at - 2.0,
        "seconds": 1.0, "report": report(drifted), "performance": performance, "estimated": estimated, "stream": None,
        "predictions": None,
    }  # fmt: skip
    check = checks.record(conn, model, "file", result, row.id)
    if drifted:
        checks.drifts(conn, model, check, list(drifted), row.at)
    else:
        checks.drifts_no_more(conn, model, check, row.at)
    return check


def assess_file(conn: Connection, model: str, row: Any, score: float, seed: int) -> None:
    """What its labels say: the version before would have done worse, a fresh small model a little better."""
    draw = random.Random(seed)
    loss = 1 - score
    found = {
        "seq": row.seq, "rows": row.rows, "newest": "v", "metric": "balanced_accuracy", "score": score, "loss": loss,
        "rival": [-0.03 + draw.gauss(0, 0.004), 0.2, row.rows], "twins": {"all": loss - 0.006}, "pairs": {},
        "gains": {"all": [0.006 + draw.gauss(0, 0.004), 0.01, row.rows]}, "fresh": {},
    }  # fmt: skip
    values = {"model": model, "kind": "file", "seq": row.seq, "deployment": 1, "found": found, "at": row.at}
    conn.execute(insert(tables.assessments).values(**values))


def promote(conn: Connection, model: str, number: int, at: float, value: float = 0.74) -> int:
    """A cycle that promoted a version; its id."""
    version = f"v{number:04d}-{number:02d}ab12cd"
    cycle = cycles.open_cycle(conn, model, Trigger("regret", "a retrain pays", {}), number, 0, at - 900)
    ended = replace(cycle, state=CycleState.PROMOTED, version=version, reason="better by 0.0210 on 4,210 rows")
    _stages(conn, cycle, value, at)
    versions.record(conn, model, ended, {"version": version, "digest": version, "train_rows": 61400}, at)
    deployment = deployments.for_version(conn, model, version, at)
    promotions.record(conn, model, deployment, "promote", ended.reason, at, cycle_id=cycle.id)
    cycles.save(conn, ended, at)
    return cycle.id


def _stages(conn: Connection, cycle: Cycle, value: float, at: float) -> None:
    """What a cycle's stages came to, as their results have it."""
    against = promotions.champion(conn, cycle.model)
    champion = None if against is None else {"version": against.deployment.name, "value": value - 0.021, "se": 0.008}
    forecast = {"mean": 0.016, "low": 0.003, "high": 0.029, "difference": 0.021, "expected": 0.016, "evidence": True,
                "trigger": "regret", "past": 0}  # fmt: skip
    gain = (0.021, 0.007, forecast) if champion else (None, None, None)
    found: dict[Stage, dict[str, Any]] = {
        Stage.PREPARE: {"snapshots": ["a", "b", "c"], "window": "the newest rows weighted most", "notes": [],
                        "held_out": "the newest 4,210 rows are held out", "known_rows": 4000},
        Stage.TRAIN: {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "train_rows": 61_400,
                      "seconds": 8.2, "search": [], "params": {}, "metric": {"name": "balanced_accuracy"}},
        Stage.EVALUATE: {"metric": "balanced_accuracy", "rows": 4210, "greater_is_better": True, "slices": [],
                         "challenger": {"value": value, "se": 0.008}, "champion": champion,
                         "baseline": {"value": 0.5, "se": 0.0}, "difference": gain[0], "difference_se": gain[1],
                         "forecast": gain[2], "notes": [], "lists": None,
                         "importance": {"carrier": 0.0412, "hour": 0.0288, "distance": 0.0091, "temp": -0.0004}},
    }  # fmt: skip
    for number, (stage, result) in enumerate(found.items()):
        begun = cycles.stage_started(conn, replace(cycle, stage=stage), at - 800 + 200 * number)
        cycles.stage_finished(conn, begun, Outcome("ok", result), at - 700 + 200 * number)


def live(conn: Connection, model: str, days: int = 40, seed: int = 4, drifted: range = range(0)) -> None:
    """A model that has served for weeks: a file a day with its check, two versions, labels of the last days not in."""
    draw = random.Random(seed)
    models.ensure(conn, model)
    promote(conn, model, 1, NOW - (days + 1) * DAY_S, 0.72)
    for day in range(days):
        at = NOW - (days - day) * DAY_S
        if day == days * 2 // 3:
            promote(conn, model, 2, at - 3600, 0.741)
        row = take_file(conn, model, day, at)
        score = 0.735 - 0.04 * (days // 2 < day < days * 2 // 3) + draw.gauss(0, 0.006)
        check_file(conn, model, row, score if day < days - 4 else None, ("carrier", "hour") if day in drifted else ())
        if day % 2 and day < days - 4:
            assess_file(conn, model, row, score, day)
    regret = Regret(0.0131, 3, 3, files=3, metric="balanced_accuracy", loss=0.26)
    models.save_planner(conn, model, PlannerState(regret=regret), "nothing to do")


def fine(conn: Connection) -> None:
    """All well."""


def drift(conn: Connection) -> None:
    """The newest files drifted."""
    for number in (200, 201):
        check_file(conn, "flights", take_file(conn, "flights", number, NOW - 3000 + number), None, ("carrier", "hour"))


def approval(conn: Connection) -> None:
    """A challenger waits for a person."""
    trigger = Trigger("regret", "a fresh model would have saved 0.0312, and a retrain pays from 0.0210", {})
    cycle = cycles.open_cycle(conn, "flights", trigger, 3, 1, NOW - 5000)
    cycles.save(conn, replace(cycle, state=CycleState.AWAITING_APPROVAL, stage=Stage.PROMOTE), NOW - 4000)


def held(conn: Connection) -> None:
    """Two files are held."""
    for number, path in ((300, "twice.csv"), (301, "again.csv")):
        take_file(conn, "flights", number, NOW - 3000 + number, path)
        files.hold(conn, "flights", path, "38 % of its rows repeat rows of 2025-01-05.csv")
        fields = {"file": path, "reason": "38 % of its rows repeat rows of 2025-01-05.csv", "kinds": ["repeated"]}
        events.append(conn, [{"at": NOW - 3000 + number, "event": "file_held", "level": "warning", "model": "flights",
                              "fields": fields}])  # fmt: skip


def hostile(conn: Connection) -> None:
    """A file is held whose name and reason try to break out."""
    name = f"{HOSTILE}\u202egpj\x1b[31m.csv"
    take_file(conn, "flights", 400, NOW - 60, name)
    files.hold(conn, "flights", name, HOSTILE)
    take_file(conn, "flights", 401, NOW - 50, HOSTILE)


def rolled_back(conn: Connection) -> None:
    """The newest version was undone."""
    champion = promotions.champion(conn, "flights")
    assert champion is not None and champion.predecessor is not None
    promotions.record(conn, "flights", champion.predecessor, "rollback", "worse on two files", NOW - 3600)


STATES: dict[str, Callable[[Connection], None]] = {
    "fine": fine, "drift": drift, "approval": approval, "held": held, "rolled_back": rolled_back, "hostile": hostile,
}  # fmt: skip


def seeded(folder: Path, state: str, names: tuple[str, ...] = ("flights", "churn"), days: int = 40) -> PageReader:
    """A page of models that have served so many days, "flights" in a state; "unreadable": its ledger is damaged."""
    config = configured(folder, dict.fromkeys(names, "auto"))
    ledger = new_ledger(config.state_dir)
    with ledger.begin() as conn:
        for seed, name in enumerate(names):
            live(conn, name, days, seed, drifted=range(days // 2, days // 2 + 3))
        STATES.get(state, fine)(conn)
    with ledger.connect() as conn:
        for name in names:
            champion = promotions.champion(conn, name)
            assert champion is not None
            describe(config.paths, champion)
    _say_served(config, ledger)
    ledger.close()
    if state == "unreadable":
        return PageReader(config, None, config.paths, "database disk image is malformed")
    return PageReader(config, open_ledger(config.state_dir, create=False, read_only=True), config.paths)


def _say_served(config: Config, ledger: Ledger) -> None:
    """Two servers serve each champion."""
    with ledger.connect() as conn:
        said = {}
        for name in config.models:
            champion = promotions.champion(conn, name)
            assert champion is not None
            said[name] = {"version": champion.deployment.name, "promotion": champion.promotion, "reason": ""}
    servers = [{"pid": pid, "models": said} for pid in (41, 42)]
    config.paths.serving.write_bytes(msgspec.json.encode({"servers": servers, "analyst": None}))


@contextmanager
def running(config: Config) -> Iterator[None]:
    """As if a service held the state folder."""
    with config.paths.lock.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def asked(*path: str, may_act: bool = False, **query: str) -> Asked:
    """A view, asked for at the moment of the states."""
    return Asked(path, query, may_act, "token-of-form", NOW)
