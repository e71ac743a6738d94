"""The routes: predictions, feedback, health, metadata and metrics. Every error is JSON, never a traceback."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from daemon.config import Config
from daemon.ledger import Ledger
from daemon.log import get_logger
from daemon.server.inputs import MAX_BODY, BadRequest, decode, labels_of, rows_of
from daemon.server.metrics import Metrics
from daemon.server.prediction_log import PredictionLog, feedback_note
from daemon.slot import ModelSlot, Served
from daemon.spool import Spool
from retrain.errors import Refused

log = get_logger()
INLINE_ROWS = 50
QUIET_S = 1.0
Handler = Callable[[Request], Awaitable[Response]]


class App:
    """The HTTP side of one server process."""

    def __init__(self, config: Config, slots: dict[str, ModelSlot], ledger: Ledger, version: str) -> None:
        self._slots, self._version = slots, version
        self._metrics = Metrics(slots, ledger)
        spool: Path = config.state_dir / "spool"
        self.spools = {name: Spool(spool / name) for name in slots}
        kept = config.state_dir / "prediction_log"
        self.logs = {
            name: PredictionLog(
                name, kept / name / "spool", config.models[name].prediction_log, config.service.min_free
            )
            for name in slots
        }
        self._rejected_s = 0.0
        self._big = asyncio.Semaphore(2)
        self.loaded = False
        self.draining = False

    def build(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/v2", self._about),
            Route("/v2/health/live", self._live),
            Route("/v2/health/ready", self._ready),
            Route("/v2/models/{model}", self._model),
            Route("/v2/models/{model}/ready", self._model_ready),
            Route("/models/{model}/predict", self._counted(self._predict), methods=["POST"]),
            Route("/models/{model}/feedback", self._counted(self._feedback), methods=["POST"]),
            Route("/metrics", self._scrape),
        ]
        handlers: dict[Any, Any] = {HTTPException: _http_error, Exception: _unexpected}
        return Starlette(routes=routes, exception_handlers=handlers)

    # --- predictions ----------------------------------------------------------------------------------------

    async def _predict(self, request: Request) -> Response:
        served = self._served(request)
        schema = served.versions[0].schema
        rows, ids = rows_of(decode(await _body(request)), schema)
        try:
            if len(rows) <= INLINE_ROWS:
                said = served.predict_rows(rows)
            else:
                async with self._big:
                    said = await asyncio.to_thread(served.predict_rows, rows)
        except Refused as error:
            raise BadRequest(str(error)) from None
        self._metrics.rows.labels(served.deployment.model).inc(len(rows))
        features = [column.name for column in schema.features]
        known = ids if ids is not None else [row.get(schema.id_column or "") for row in rows]
        values = [tuple(row.get(name) for name in features) for row in rows]
        self.logs[served.deployment.model].record(served, values, known, said)
        answer: dict[str, Any] = {
            "model": served.deployment.model,
            "version": served.name,
            "predictions": said.values.tolist(),
        }
        if said.probabilities is not None and said.classes is not None:
            names = said.classes
            answer["probabilities"] = [dict(zip(names, row, strict=True)) for row in said.probabilities.tolist()]
        if ids is not None:
            answer["ids"] = ids
        return _json(answer)

    async def _feedback(self, request: Request) -> Response:
        served = self._served(request)
        schema, model = served.versions[0].schema, served.deployment.model
        labels = labels_of(decode(await _body(request)), schema)
        try:
            await asyncio.to_thread(self.spools[model].append, labels)
        except OSError as error:
            raise BadRequest(f"the labels could not be kept: {error.strerror or error}", 507) from None
        missing = self.logs[model].not_kept(label[schema.id_column or ""] for label in labels)
        return _json({"model": model, "accepted": len(labels)} | feedback_note(missing), 202)

    def _served(self, request: Request) -> Served:
        name = request.path_params["model"]
        slot = self._slots.get(name)
        if slot is None:
            raise BadRequest(f"no model {name!r}; there are {', '.join(sorted(self._slots))}", 404)
        if slot.served is None:
            raise BadRequest(f"{name} has no promoted version yet; `driftd status` says what it waits for", 503)
        return slot.served

    def _counted(self, handler: Handler) -> Handler:
        async def counted(request: Request) -> Response:
            started = time.perf_counter()
            model = request.path_params["model"]
            try:
                response = await handler(request)
            except BadRequest as error:
                if error.status < 500:
                    self._tell_rejected(model, str(error))
                response = _json({"error": str(error)}, error.status)
            known = model if model in self._slots else "unknown"
            self._metrics.requests.labels(known, str(response.status_code)).inc()
            self._metrics.seconds.labels(known).observe(time.perf_counter() - started)
            if self.draining:
                response.headers["connection"] = "close"
            return response

        return counted

    def _tell_rejected(self, model: str, reason: str) -> None:
        """At most one line a second: a client at fault must not flood the log."""
        now_s = time.monotonic()
        if now_s - self._rejected_s >= QUIET_S:
            self._rejected_s = now_s
            log.warning("input_rejected", model=model, reason=reason)

    # --- about ----------------------------------------------------------------------------------------------

    async def _about(self, _request: Request) -> Response:
        return _json({"name": "driftd", "version": self._version, "extensions": []})

    async def _live(self, _request: Request) -> Response:
        return _json({"live": True})

    async def _ready(self, _request: Request) -> Response:
        return _json({"ready": self.loaded}, 200 if self.loaded else 503)

    async def _model(self, request: Request) -> Response:
        try:
            served = self._served(request)
        except BadRequest as error:
            return _json({"error": str(error)}, error.status)
        version = served.versions[0]
        return _json(
            {
                "name": served.deployment.model,
                "versions": [served.name],
                "platform": "driftd",
                "task": version.schema.task,
                "target": version.schema.target,
                "classes": version.classes,
                "columns": [{"name": c.name, "type": c.kind} for c in version.schema.features],
                "deployment": {
                    "number": served.deployment.number,
                    "members": [{"version": m.version, "weight": m.weight} for m in served.deployment.members],
                },
            }
        )

    async def _model_ready(self, request: Request) -> Response:
        name = request.path_params["model"]
        slot = self._slots.get(name)
        if slot is None:
            return _json({"error": f"no model {name!r}"}, 404)
        ready = slot.served is not None
        return _json({"name": name, "ready": ready}, 200 if ready else 503)

    async def _scrape(self, _request: Request) -> Response:
        text = await asyncio.to_thread(self._metrics.render)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def _body(request: Request) -> bytes:
    """The whole body within its limit."""
    if int(request.headers.get("content-length") or 0) > MAX_BODY:
        raise BadRequest(f"the body is larger than {MAX_BODY:,} bytes", 413)
    pieces, size = [], 0
    try:
        async for piece in request.stream():
            pieces.append(piece)
            size += len(piece)
            if size > MAX_BODY:
                raise BadRequest(f"the body is larger than {MAX_BODY:,} bytes", 413)
    except ClientDisconnect:
        raise BadRequest("the client went away") from None
    return b"".join(pieces)


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = _json({"error": error.detail}, error.status_code)
    if error.headers:
        response.headers.update(error.headers)
    return response


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("request_failed", path=request.url.path, error=repr(error))
    return _json({"error": "the server failed to answer; its log says why"}, 500)
