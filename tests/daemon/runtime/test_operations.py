"""The table of operations: every one is whole, and what travels arrives as it was sent."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import numpy as np
import pytest

from daemon.reading.operations import TakeRequest
from daemon.runtime.worker.child import answer
from daemon.runtime.worker.operations import BY_NAME, BY_REQUEST, OPERATIONS, Operation
from daemon.runtime.worker.process import Limits, Worker
from retrain.operations import (
    AcceptedFile,
    CheckRequest,
    CheckResult,
    PrepareRequest,
    PrepareResult,
    Request,
    StoredDeployment,
    from_json,
    to_json,
)
from retrain.records.deployment import Deployment, Member
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings

SETTINGS = ModelSettings.model_validate(
    {"data_dir": "d", "task": "classification", "target": "y", "limits": {"train_time": "3h", "max_file": "1GB"},
     "columns": {"x": {"type": "number", "min": 0}, "y": "category"}, "metric": "accuracy"}
)  # fmt: skip
SCHEMA = Schema((Column("x", "number", 0.5), Column("y", "category", categories=("a", "b"))), "classification", "y")
DEPLOYMENT = StoredDeployment(folder=Path("versions/m"), weights={"v1": 0.25, "v2": 0.75}, newest="v3")


def sent(value: msgspec.Struct) -> Any:
    """As it arrives in the other process."""
    line = json.dumps(to_json(value))
    assert "\n" not in line
    return from_json(json.loads(line), type(value))


def requests() -> Iterator[type[Any]]:
    """All kinds of requests that there are."""
    return iter(Request.__subclasses__())


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_a_function_takes_and_gives_what_the_table_says(operation: Operation) -> None:
    """Mypy sees the calls, and this the line by which a function is found."""
    for task in ("classification", "recommendation"):
        hints = get_type_hints(operation.resolve(task))
        assert hints == {"request": operation.request, "return": operation.result}
    (base,) = operation.request.__orig_bases__  # type: ignore[attr-defined]
    assert get_args(base) == (operation.result,)


def test_every_request_is_in_the_table_once() -> None:
    """A kind that is declared can be asked for, under one name."""
    assert set(BY_REQUEST) == set(requests())
    assert len(BY_NAME) == len(BY_REQUEST) == len(OPERATIONS)


@pytest.mark.parametrize(
    "value",
    [
        CheckRequest(snapshots=(Path("a"),), deployment=DEPLOYMENT, settings=SETTINGS, work=Path("w"), stream={"n": 1}),
        TakeRequest(path=Path("caf\udce9.csv"), schema=SCHEMA, settings=SETTINGS, work=Path("w")),
        PrepareRequest(
            files=(AcceptedFile(seq=3, snapshot=Path("s"), digest="d", rows=7, source="traffic", accepted_at=1.5),),
            schema=SCHEMA, settings=SETTINGS, work=Path("w"), champion=DEPLOYMENT, window={"kind": "all"},
        ),
        CheckResult(report={"columns": [{"effect": 0.25}]}, predictions=Path("p"), seconds=0.125),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_sent_arrives_as_it_was(value: msgspec.Struct) -> None:
    """Settings, schema and paths too, be a path's bytes what they may; and as one line."""
    assert sent(value) == value


def test_a_number_that_is_none_arrives_as_one() -> None:
    """JSON of other libraries would make a null of it."""
    assert sent(CheckResult(report={"p": float("inf")})).report == {"p": float("inf")}


def test_what_numpy_calls_a_number_or_a_word_arrives_as_one() -> None:
    """A result may hold some, deep in a report."""
    report = {"p": np.float64(0.5), "names": [np.str_("x")], "rows": {np.str_("x"): 1}}
    assert sent(CheckResult(report=report)).report == {"p": 0.5, "names": ["x"], "rows": {"x": 1}}


def test_a_request_with_another_key_is_an_error_that_names_it() -> None:
    """Both ends are of one driftd: what one of them does not know is a mistake."""
    asked = {"path": "f", "trusted_types": [], "model": "m"}
    assert "model" in answer("prove", asked)["error"]["message"]
    assert "path" in answer("prove", {})["error"]["message"]


def test_a_stage_goes_on_from_what_another_driftd_recorded() -> None:
    """What an earlier stage gave lies in the ledger: keys that came or went since are passed over."""
    stored = {"train": "t", "holdout": "h", "train_rows": 5, "snapshots": ["d"], "later": 1}
    assert from_json(stored, PrepareResult) == PrepareResult(
        train=Path("t"), holdout=Path("h"), train_rows=5, snapshots=["d"]
    )


def test_a_worker_does_only_the_work_of_its_role() -> None:
    """The analyst has no time to train, and the trainer is not asked for what others wait for."""
    with pytest.raises(AssertionError, match="no work of the trainer"):
        Worker("trainer", Limits()).call(
            CheckRequest(snapshots=(), deployment=DEPLOYMENT, settings=SETTINGS, work=Path("w"))
        ).send(None)


def test_a_deployment_is_found_by_its_versions() -> None:
    """Where they lie, also the newest one, which need not answer; with their weights and the recalibration."""
    deployment = Deployment(4, "m", (Member("v1", 0.25), Member("v2", 0.75)), {"kind": "line"})
    stored = StoredDeployment.of(deployment, "v3", Path("versions/m"))
    assert stored.newest == "v3" and stored.path("v3") == Path("versions/m/v3")
    assert (stored.number, stored.weights, stored.recalibration) == (4, {"v1": 0.25, "v2": 0.75}, {"kind": "line"})
