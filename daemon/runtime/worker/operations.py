"""The operations that a worker can be asked for, each declared once: its request, its result, the function that
answers, and the role of the process that runs it. A function is imported when it is first asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from daemon.reading import operations as reading
from daemon.runtime.cluster.requests import (
    CollectRequest,
    CollectResult,
    ReplayRequest,
    ReplayResult,
    SubmitRequest,
    SubmitResult,
)
from daemon.runtime.memory import load_libraries
from daemon.runtime.registries import MirrorRequest, MirrorResult
from retrain import operations as model
from retrain.operations import Done, Request, Result

Role = Literal["analyst", "trainer", "puller", "mirror", "courier"]


class WarmRequest(Request[Done], frozen=True, kw_only=True):
    """Import modules before the first file asks for them; None: what the analyst needs."""

    modules: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Operation:
    """One line of the table; `function` is "module:name", `of_events` another one for models whose task is
    recommendation."""

    name: str
    request: type[Request[Any]]
    result: type[Result]
    function: str
    role: Role = "analyst"
    of_events: str | None = None

    @property
    def module(self) -> str:
        """Where the function lives."""
        return self.function.partition(":")[0]

    def resolve(self, task: str = "") -> Callable[[Any], Result]:
        """The function for models of a task."""
        chosen = self.of_events if self.of_events is not None and task == "recommendation" else self.function
        module, _, name = chosen.partition(":")
        found: Callable[[Any], Result] = getattr(import_module(module), name)
        return found

    def answer(self, request: Request[Any]) -> Result:
        """What is asked for, by the function for the task of the model whose settings the request has."""
        settings = getattr(request, "settings", None)
        return self.resolve("" if settings is None else settings.task)(request)


OPERATIONS = (
    Operation("warm", WarmRequest, Done, "daemon.runtime.worker.operations:warm"),
    Operation("digest", reading.DigestRequest, reading.DigestResult, "daemon.reading.digest:digest"),
    Operation("take", reading.TakeRequest, reading.TakeResult, "daemon.reading.take:take"),
    Operation("score", reading.ScoreRequest, reading.ScoreResult, "daemon.scoring.operation:score"),
    Operation("join", reading.JoinRequest, reading.JoinResult, "daemon.reading.joined:join"),
    Operation("join_later", reading.JoinLaterRequest, reading.JoinLaterResult, "daemon.reading.joined:join_later"),
    Operation("split_labels", reading.SplitRequest, reading.SplitResult, "daemon.reading.split_labels:split"),
    Operation("convert_log", reading.ConvertRequest, reading.ConvertResult, "daemon.reading.answered_rows:convert"),
    Operation("take_traffic", reading.TrafficRequest, reading.TrafficResult, "daemon.reading.answered_rows:traffic"),
    Operation("forget", reading.ForgetRequest, reading.ForgetResult, "daemon.reading.forget:forget"),
    Operation("pull", reading.PullRequest, reading.PullResult, "daemon.reading.pull:pull", "puller"),
    Operation("mirror", MirrorRequest, MirrorResult, "daemon.registry.mirror:mirror", "mirror"),
    Operation("submit", SubmitRequest, SubmitResult, "daemon.runtime.cluster.courier:submit", "courier"),
    Operation("collect", CollectRequest, CollectResult, "daemon.runtime.cluster.courier:collect", "courier"),
    Operation("replay", ReplayRequest, ReplayResult, "daemon.tools.replay.remote:play", "trainer"),
    Operation(
        "check",
        model.CheckRequest,
        model.CheckResult,
        "retrain.monitoring.check:check",
        of_events="retrain.monitoring.event_check:check",
    ),
    Operation(
        "assess",
        model.AssessRequest,
        model.AssessResult,
        "retrain.monitoring.assessment:assess",
        of_events="retrain.monitoring.event_assessment:assess",
    ),
    Operation("labels", model.LabelsRequest, model.LabelsResult, "retrain.monitoring.label_trust:look_at_labels"),
    Operation("suspect", model.SuspectRequest, model.SuspectResult, "retrain.monitoring.suspicion:suspect"),
    Operation(
        "contradict", model.ContradictRequest, model.ContradictResult, "retrain.monitoring.contradiction:contradict"
    ),
    Operation("prove", model.ProveRequest, Done, "retrain.stages.promote:prove"),
    Operation("metric", model.MetricRequest, Done, "retrain.metrics.registry:find"),
    Operation(
        "prepare",
        model.PrepareRequest,
        model.PrepareResult,
        "retrain.stages.prepare:prepare",
        "trainer",
        of_events="retrain.stages.recommendation.prepare:prepare",
    ),
    Operation("record", model.RecordRequest, model.RecordResult, "retrain.stages.record:record", "trainer"),
    Operation(
        "train",
        model.TrainRequest,
        model.TrainResult,
        "retrain.stages.train:train",
        "trainer",
        of_events="retrain.stages.recommendation.train:train",
    ),
    Operation(
        "evaluate",
        model.EvaluateRequest,
        model.EvaluateResult,
        "retrain.stages.evaluate:evaluate",
        "trainer",
        of_events="retrain.stages.recommendation.evaluate:evaluate",
    ),
    Operation("promote", model.PromoteRequest, model.PromoteResult, "retrain.stages.promote:promote", "trainer"),
)
BY_NAME = {operation.name: operation for operation in OPERATIONS}
BY_REQUEST = {operation.request: operation for operation in OPERATIONS}
ANALYST_IMPORTS = ("duckdb", "pyarrow.parquet", *sorted({one.module for one in OPERATIONS if one.role == "analyst"}))

TRAINER_IMPORTS = (
    *sorted({one.module for one in OPERATIONS if one.role == "trainer"}),
    "scipy.linalg",
    "sklearn.ensemble",
)


def warm(request: WarmRequest) -> Done:
    """The operation: import modules."""
    load_libraries(ANALYST_IMPORTS if request.modules is None else request.modules)
    return Done()
