"""What the server tells of itself: health, metadata, the index of models and metrics."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemon.runtime.log import get_logger
from daemon.server.bodies import compressed
from daemon.server.infer import metadata, recommender_metadata
from daemon.server.pools import Pool
from daemon.server.refusal import BadRequest, quoted
from daemon.server.served import ServedDeployment
from daemon.server.slot import ModelSlot, Served, SlotState
from daemon.server.tokens import Tokens

log = get_logger()
TRIAL_KEYS = ("version", "strategy", "share", "since")
ORDINARY = (SlotState.SERVING, SlotState.EMPTY, SlotState.UNLOADED)
EXTENSIONS = ["binary_tensor_data", "model_repository"]


Load = Callable[[ModelSlot], Awaitable[None]]
LOAD_S = 30.0
"""So long a request waits until what it asks for is loaded; it is loaded on."""


async def loaded(slot: ModelSlot, load: Load) -> None:
    """Note that somebody asks for a model, and return once it is loaded, or cannot be now."""
    slot.asked_s = time.monotonic()
    if slot.served is None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOAD_S):
                await asyncio.shield(load(slot))


class About:
    """Everything but predictions and labels."""

    def __init__(
        self,
        slots: dict[str, ModelSlot],
        version: str,
        render: Callable[[str], tuple[bytes, str]],
        pool: Pool,
        tokens: Tokens,
    ) -> None:
        self._slots, self._version, self._render, self._pool, self._tokens = slots, version, render, pool, tokens
        self.loaded = self.draining = False
        self.load: Load | None = None

    def build(self) -> Starlette:
        """The ASGI application."""
        model = "/v2/models/{model}"
        routes = [
            Route("/v2", self._server),
            Route("/v2/health/live", self._live),
            Route("/v2/health/ready", self._ready),
            Route("/v2/repository/index", self._index, methods=["POST"]),
            Route("/v2/repository/models/{model}/{what}", _not_by_hand, methods=["POST"]),
            Route(model, self._model),
            Route(f"{model}/ready", self._model_ready),
            Route(f"{model}/versions/{{version}}", self._model),
            Route(f"{model}/versions/{{version}}/ready", self._model_ready),
            Route("/models/{model}/ping", self._model_ready),
            Route("/models/{model}/health", self._model_ready),
            Route("/models/{model}/version", self._number),
            Route("/metrics", self._scrape),
        ]
        handlers: dict[Any, Any] = {HTTPException: _http_error, Exception: _unexpected}
        application = Starlette(routes=routes, exception_handlers=handlers)
        application.router.redirect_slashes = False
        return application

    async def _server(self, _request: Request) -> Response:
        return _json({"name": "driftd", "version": self._version, "extensions": EXTENSIONS})

    async def _live(self, _request: Request) -> Response:
        return _json({"live": True})

    async def _ready(self, request: Request) -> Response:
        """200 where every model that has a champion answers. Models that do not answer with it are named to those who
        may look: a predecessor that stands in, and a swap under way, are ready. So is what is loaded when it is asked
        for, of which the number is told."""
        states = {name: slot.state for name, slot in self._slots.items()}
        ready = self.loaded and not self.draining and all(state.answers for state in states.values())
        named = {name: _slot_json(self._slots[name]) for name, state in states.items() if state not in ORDINARY}
        unloaded = sum(state is SlotState.UNLOADED for state in states.values())
        shown: dict[str, Any] = {"models": named} if named else {}
        told = shown | ({"unloaded": unloaded} if unloaded else {}) if self._may_look(request) else {}
        if self.draining:
            told["reason"] = "it ends"
        return _json({"ready": ready, **told}, 200 if ready else 503)

    def _may_look(self, request: Request) -> bool:
        try:
            self._tokens.check(dict(request.scope["headers"]), admin=False)
        except BadRequest:
            return False
        return True

    async def _number(self, request: Request) -> Response:
        self._slot(request)
        return _json({"driftd": self._version})

    async def _index(self, _request: Request) -> Response:
        models = []
        for name, slot in sorted(self._slots.items()):
            version = slot.answering
            state, reason = "UNAVAILABLE" if version is None else "READY", "" if slot.served else slot.lack
            models.append({"name": name, "version": version or "", "state": state, "reason": reason})
        return _json(models)

    async def _model(self, request: Request) -> Response:
        slot = self._slot(request)
        if self.load is not None:
            await loaded(slot, self.load)
        served = slot.served
        if served is None:
            raise HTTPException(404 if slot.is_elsewhere else 503, slot.lack)
        _check_version(request, served.name)
        schema = served.schema
        return _json(
            {
                "name": slot.model,
                "versions": [served.name],
                "platform": "driftd",
                **_tensors(served),
                "task": schema.task,
                "target": schema.target,
                "decision": _decision(served),
                "columns": [{"name": c.name, "type": c.kind} for c in schema.features],
                "deployment": {
                    "number": served.deployment.number,
                    "members": [
                        {"version": m.version, "weight": m.weight, "runtime": runtime}
                        for m, runtime in zip(served.deployment.members, served.runtimes, strict=True)
                    ],
                },
                "trial": slot.trial and {key: getattr(slot.trial.trial, key) for key in TRIAL_KEYS},
            }
        )

    async def _model_ready(self, request: Request) -> Response:
        slot = self._slot(request)
        ready = (version := slot.answering) is not None
        if version is not None:
            _check_version(request, version)
        return _json({"name": slot.model, "ready": ready}, 200 if ready else 404 if slot.is_elsewhere else 503)

    async def _scrape(self, request: Request) -> Response:
        try:
            text, content_type = await self._pool.run(self._render, request.headers.get("accept", ""))
            body, encoding = await compressed(text, dict(request.scope["headers"]), self._pool)
        except BadRequest as error:
            raise HTTPException(error.status, str(error), error.headers) from None
        more = {} if encoding is None else {"content-encoding": encoding}
        return Response(body, headers={"content-type": content_type, "vary": "accept, accept-encoding", **more})

    def _slot(self, request: Request) -> ModelSlot:
        name = request.path_params["model"]
        slot = self._slots.get(name)
        if slot is None:
            raise HTTPException(404, f"no model {quoted(name)}; there are {', '.join(sorted(self._slots))}")
        return slot


def _slot_json(slot: ModelSlot) -> dict[str, Any]:
    """What a slot serves that is not what it is to serve."""
    served, wanted = slot.served, slot.wanted
    return {
        "state": slot.state,
        "serves": None if served is None else served.name,
        "champion": None if wanted is None else wanted.deployment.name,
        "reason": slot.lack,
    }


def _decision(served: Served) -> dict[str, Any] | None:
    """Which class is answered, where that is configured; what was recorded with the deployment."""
    recalibration = served.loaded.recalibration if isinstance(served, ServedDeployment) else None
    rule = None if recalibration is None else recalibration.rule
    return None if rule is None else {**rule.to_json(), "words": rule.sentence()}


def _tensors(served: Served) -> dict[str, Any]:
    """Inputs and outputs, and the classes of a classification."""
    if not isinstance(served, ServedDeployment):
        return recommender_metadata(served.schema) | {"classes": None}
    return metadata(served.loaded.version) | {"classes": served.loaded.version.classes}


async def _not_by_hand(_request: Request) -> Response:
    raise HTTPException(
        403, "driftd decides which version is loaded; `driftd promote MODEL VERSION` promotes one by hand"
    )


def _check_version(request: Request, served: str) -> None:
    wanted = request.path_params.get("version")
    if wanted is not None and wanted != served:
        raise HTTPException(404, f"version {quoted(wanted)} is not served; {served!r} is")


def _json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, "application/json")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason = error.detail
    if error.status_code == 404 and reason == "Not Found":
        reason = f"nothing is at {quoted(request.url.path)}"
    if error.status_code == 405:
        reason = f"{request.method} is not for {quoted(request.url.path)}"
    return _json({"error": reason}, error.status_code, error.headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("request_failed", path=request.url.path, error=repr(error))
    return _json({"error": "the server failed to answer; its log says why"}, 500)
