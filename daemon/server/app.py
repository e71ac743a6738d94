"""The HTTP side of one server process: who may ask, which handler answers, and every error as JSON, never a traceback.

Requests about models are answered here without a framework between them and the model; Starlette routes the rest."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from daemon.config.config import Config
from daemon.config.paths import ModelPaths
from daemon.config.uploads import LOGGED, POSTED
from daemon.runtime.log import get_logger
from daemon.runtime.spool import Spool
from daemon.server.about import About, Load, loaded
from daemon.server.admission import Admission
from daemon.server.batch import Batcher
from daemon.server.bodies import Headers, compressed, decompressed, encoding_of, read_body
from daemon.server.elsewhere import schema_elsewhere
from daemon.server.explaining import EXPLAIN_S, Explaining, as_json
from daemon.server.explaining import MOST_WAITING as MOST_EXPLAINED
from daemon.server.exploration import Explored, explore
from daemon.server.infer import answer as infer_answer
from daemon.server.infer import is_explained, read_request
from daemon.server.invocations import read_invocation
from daemon.server.labels import labels_of
from daemon.server.metrics import Metrics
from daemon.server.origins import Origins
from daemon.server.own_code import OwnCode
from daemon.server.passage import Passage, is_page
from daemon.server.pools import Pool, Turns
from daemon.server.prediction_log import PredictionLog, feedback_note
from daemon.server.refusal import BadRequest, quoted
from daemon.server.rows import Ids, RowReader, decode
from daemon.server.served import ServedDeployment
from daemon.server.slot import ModelSlot
from daemon.server.structure import check_structure
from daemon.server.tokens import Tokens
from daemon.server.trial import RunningTrial
from retrain.model.encoding import Cells
from retrain.records.errors import Refused
from retrain.records.predictions import Predictions

if TYPE_CHECKING:
    from daemon.server.recommendation.handlers import Recommending

log = get_logger()
QUIET_S = 1.0
MOST_BODIES = 16
"""So many bodies of the largest size may be in memory at once."""
LARGE_BODY, LARGE_SLOW_BODY, LARGE_COMPRESSED = 256_000, 48_000, 1_000
"""Bytes that are decoded, read slowly (as far as they have LARGE_CELLS at most) or decompressed in a few milliseconds;
more are beside the event loop."""
LARGE_CELLS, LARGE_ANSWER = 20_000, 10_000
"""Cells of a request, numbers of an answer, for which the same holds."""
LARGE_AT_ONCE = 2
READ_S, PREDICT_S, WRITE_S, SCRAPE_S, TURN_S, LOOK_S = 30.0, 120.0, 30.0, 10.0, 60.0, 10.0
"""How long a request may be read, predicted and answered, labels be written, metrics be collected, a large request wait
for its turn, and a look last what is to be served."""
OWN_S = 30.0
"""How long code of the user's may take for a request that is not large."""
HUNG_S = 240.0
"""Reading, predicting or answering for so long never ends: the server must be started anew."""
PATHS = ("predict", "invocations", "feedback", "recommend", "similar")
"""What follows a model's name."""
OPEN_PATHS = ("/v2/health/live", "/v2/health/ready")


@dataclass
class Call:
    """A request to a model: its slot, the version that the path names, headers and body as it was sent. `is_large` says
    that it is worked on beside the event loop; `size` is of the body when it is decompressed; `turn` is what a large
    one gives back at its end, or before."""

    slot: ModelSlot
    version: str | None
    headers: Headers
    body: bytes
    encoding: bytes | None
    is_large: bool
    size: int
    query: bytes = b""
    turn: contextlib.AsyncExitStack | None = None

    @property
    def trial(self) -> RunningTrial | None:
        """In which the model's answers are now; none where the path names a version."""
        return self.slot.trial if self.version is None else None


@dataclass(frozen=True)
class Reply:
    """What goes back."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)


Handler = Callable[[Call], Awaitable[Reply]]


class Pools:
    """The threads of a server process, by kind of work."""

    def __init__(self) -> None:
        self.reading = Pool("reading a request", LARGE_AT_ONCE, READ_S)
        self.predicting = Pool("predicting", LARGE_AT_ONCE, PREDICT_S)
        self.own_code = OwnCode(OWN_S)
        self.answering = Pool("writing an answer", LARGE_AT_ONCE, READ_S)
        self.preparing = Pool("preparing explanations", 1, EXPLAIN_S, MOST_EXPLAINED)
        self.explaining = Pool("explaining predictions", 1, EXPLAIN_S, MOST_EXPLAINED)
        self.labels = Pool("writing labels", LARGE_AT_ONCE, WRITE_S)
        self.metrics = Pool("collecting metrics", 1, SCRAPE_S)
        self.numbers = Pool("looking for numbers of the ledger", 1, LOOK_S)
        self.log = Pool("writing the prediction log", 1)
        self.loading = Pool("loading versions", 1)
        self.looking = Pool("looking what is to be served", 1, LOOK_S)

    def hung(self) -> str | None:
        """What never ends of the work that needs nothing but processor and memory."""
        works: dict[str, Pool | OwnCode] = {
            "reading a request": self.reading, "predicting": self.predicting, "writing an answer": self.answering,
            "code of your own": self.own_code,
        }  # fmt: skip
        return next((name for name, pool in works.items() if pool.longest_s() > HUNG_S), None)

    def close(self) -> None:
        """Begin nothing more."""
        for pool in vars(self).values():
            pool.close()


class App:
    """The ASGI application of one server process."""

    def __init__(
        self,
        config: Config,
        slots: dict[str, ModelSlot],
        version: str,
        tokens: Tokens,
        origins: Origins,
        passage: Passage | None = None,
        uploads: bool = False,
    ) -> None:
        """With `uploads`, on a host without control, what is written down goes to another host."""
        self._config, self._slots, self._tokens, self._origins = config, slots, tokens, origins
        self._passage = passage
        self.metrics = Metrics(slots, version, config.paths)
        self.pools = Pools()
        self._batcher = Batcher(self.pools.predicting, self.pools.own_code)
        self._explaining = Explaining(self.pools.preparing, self.pools.explaining)
        self._readers: dict[str, tuple[ServedDeployment, RowReader]] = {}
        self.about = About(slots, version, self.metrics.render, self.pools.metrics, tokens)
        self._rest = self.about.build()
        models = {name: config.paths.model(name) for name in slots}
        free, settings = config.service.min_free, config.models
        self.spools = {name: Spool(_posted(one, uploads)) for name, one in models.items()}
        self.logs = {
            name: PredictionLog(name, _logged(one, uploads), settings[name].prediction_log, free)
            for name, one in models.items()
        }
        self._handlers: dict[str, Handler] = {
            "predict": self._predict, "infer": self._infer, "invocations": self._invoke, "feedback": self._feedback,
        }  # fmt: skip
        self.recommending = self._recommending()
        self._routes: dict[str, tuple[str, str]] = {}
        for name in slots:
            self._routes[f"/v2/models/{name}/infer"] = (name, "infer")
            self._routes |= {f"/models/{name}/{what}": (name, what) for what in PATHS}
        service = config.service
        self._admission = Admission(service.max_waiting, MOST_BODIES * service.max_body)
        self._turns, self._label_turns = (Turns(LARGE_AT_ONCE, TURN_S) for _ in range(2))
        self._rejected_s = 0.0
        self.draining = False
        self.load: Load | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        path = scope["path"]
        route = self._routes.get(path)
        version = None
        if route is None:
            route, version = self._versioned(path)
        if route is None:
            await self._others(scope, receive, send)
            return
        started = time.perf_counter()
        model, what = route
        headers = dict(scope["headers"])
        try:
            reply = await self._admit_and_handle(scope, route, version, headers, receive)
        except BadRequest as error:
            reply = self._refused(model, what, error)
        except UnicodeEncodeError:  # what is echoed
            reply = self._refused(model, what, BadRequest("an id holds half of a surrogate pair: no valid Unicode"))
        except Exception as error:
            log.error("request_failed", path=path, error=repr(error))
            reply = _error("the server failed to answer; its log says why", 500)
        await self._send(reply, headers, send)
        self.metrics.count(model, reply.status, time.perf_counter() - started)

    # --- on the way in ------------------------------------------------------------------------------------------

    def _versioned(self, path: str) -> tuple[tuple[str, str] | None, str | None]:
        """Model, handler and version of a path that names a version, or a model that there is not."""
        match path.split("/"):
            case ["", "v2", "models", model, "versions", version, "infer"]:
                return (model, "infer"), version
            case ["", "v2", "models", model, "infer"]:
                return (model, "infer"), None
            case [_, "models", model, what] if what in PATHS:
                return (model, what), None
            case ["", "models", model, "recommend", *user]:
                return (model, "recommend_user"), "/".join(user)
        return None, None

    async def _admit_and_handle(
        self, scope: Any, route: tuple[str, str], version: str | None, headers: Headers, receive: Any
    ) -> Reply:
        """Let the handler answer, as long as not too many wait."""
        model, what = route
        method, expected = scope["method"], "GET" if what == "recommend_user" else "POST"
        self._origins.check(method, headers)
        self._tokens.check(headers, admin=what == "feedback")
        if method != expected:
            wanted = "POST a body" if expected == "POST" else "GET it"
            raise BadRequest(f"{method} is not for this address; {wanted}", 405, {"allow": expected})
        slot = self._slots.get(model)
        if slot is None:
            raise BadRequest(f"no model {quoted(model)}; there are {', '.join(sorted(self._slots))}", 404)
        encoding = encoding_of(headers)
        client = scope["client"]
        arrival = self._admission.enter(client[0] if client else "")
        try:
            body = await read_body(headers, receive, self._config.service.max_body, arrival)
            if self.load is not None:
                await loaded(slot, self.load)
            call = Call(slot, version, headers, body, encoding, False, len(body), scope.get("query_string", b""))
            call.is_large = self._is_large(call)
            if not call.is_large:
                return await self._handled(what, call)
            async with contextlib.AsyncExitStack() as call.turn:
                await call.turn.enter_async_context(self._label_turns if what == "feedback" else self._turns)
                return await self._handled(what, call)
        finally:
            arrival.leave()

    async def _handled(self, what: str, call: Call) -> Reply:
        """By the handler for what the model does."""
        model = call.slot.model
        if self.recommending is not None and model in self.recommending.live:
            return Reply(*await self.recommending.handler(model, what)(call))
        if what not in self._handlers:
            raise BadRequest(f"{model} predicts, it does not recommend; POST /models/{model}/predict", 404)
        return await self._handlers[what](call)

    def _recommending(self) -> "Recommending | None":
        """What answers for the models that recommend; it needs numerical libraries, so only where there are any."""
        if all(self._config.models[name].task != "recommendation" for name in self._slots):
            return None
        from daemon.server.recommendation.handlers import Recommending, RecommendingPools

        threads = RecommendingPools(self.pools.reading, self.pools.predicting, self.pools.labels)
        return Recommending(self._config, self._slots, self.spools, self.metrics, threads)

    def _is_large(self, call: Call) -> bool:
        """Whether reading it may take longer than the event loop can wait: by its bytes, and by the most cells that it
        may have: each list or object may be a row of all the model's columns."""
        if call.encoding is not None:
            return call.size > LARGE_COMPRESSED
        served, body = call.slot.served, call.body
        if call.size > LARGE_BODY or served is None:
            return call.size > LARGE_BODY
        width = len(served.schema.columns)
        if call.size * width <= LARGE_CELLS:
            return False
        if b"inference-header-content-length" in call.headers:
            return call.size > LARGE_CELLS
        return (body.count(b"{") + body.count(b"[")) * width > LARGE_CELLS or body.count(b",") > LARGE_CELLS

    async def _others(self, scope: Any, receive: Any, send: Any) -> None:
        """Health is open to all; who sees the status page its own process says; the rest is for who may look."""
        passage = self._passage if is_page(scope["path"]) else None
        if scope["path"] not in OPEN_PATHS:
            try:
                headers = dict(scope["headers"])
                self._origins.check(scope["method"], headers, forms=passage is not None)
                if passage is None:
                    self._tokens.check(headers, admin=False)
            except BadRequest as error:
                await self._send(_error(str(error), error.status, error.headers), {}, send)
                return
        if passage is not None:
            await passage(scope, receive, self._counting(send))
            return
        await self._rest(scope, receive, self._closing(send) if self.draining else send)

    def _counting(self, send: Any) -> Any:
        """A `send` that counts the page's answers."""

        async def counting(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.metrics.add("driftd_page_requests_total", str(message["status"]))
            await send(message)

        return counting

    def write_to(self, uploads: bool) -> None:
        """Write down from here on what goes to another host, or what control on this one takes; in a thread. What is
        open is handed over where it is."""
        for name, spool in self.spools.items():
            model = self._config.paths.model(name)
            spool.move_to(_posted(model, uploads))
            self.logs[name].move_to(_logged(model, uploads))

    def drain(self) -> None:
        """Say from now on that the server is not ready, and ask each client to leave."""
        self.draining = self.about.draining = True
        if self._passage is not None:
            self._passage.drain()

    def _closing(self, send: Any) -> Any:
        """A `send` that asks the client to leave."""

        async def closing(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        return closing

    # --- the handlers -------------------------------------------------------------------------------------------

    async def _predict(self, call: Call) -> Reply:
        served, reader = self._served(call)
        trial = call.trial
        is_quick = not call.is_large and call.encoding is None
        read = reader.read_quickly(call.body) if is_quick else None
        slowly = reader.read_slowly if is_quick else reader.read_json
        rows, ids, is_explained = read or await self._read(call, reader, slowly)
        async with self._admitted(served, trial, rows, is_explained):
            by, predictions, explored = await self._predicted(call, served, trial, rows, ids)
            told = await self._explained(call, by, served.rows_for(by, rows), as_json) if is_explained else None
        return Reply(await self._answer(_numbers(predictions), _prediction, by, predictions, ids, explored, told))

    async def _infer(self, call: Call) -> Reply:
        served, reader = self._served(call)
        if call.version is not None and call.version != served.name:
            raise BadRequest(f"version {quoted(call.version)} is not served; {served.name!r} is", 404)
        trial = call.trial
        length = call.headers.get(b"inference-header-content-length")
        request, rows, ids = await self._read(call, reader, read_request, length, reader)
        async with self._admitted(served, trial, rows, is_explained(request)):
            by, predictions, explored = await self._predicted(call, served, trial, rows, ids)
            drawn, told, numbers = None if explored is None else explored.places, None, _numbers(predictions)
            if is_explained(request):
                told = await self._explained(call, by, served.rows_for(by, rows), lambda _, found: found)
                numbers += told.values.size
        body, json_bytes = await self._answer(numbers, infer_answer, request, predictions, by, drawn, told)
        if json_bytes is None:
            return Reply(body)
        kind = ("content-type", "application/octet-stream")
        return Reply(body, 200, (kind, ("inference-header-content-length", str(json_bytes))))

    async def _invoke(self, call: Call) -> Reply:
        served, reader = self._served(call)
        kind = call.headers.get(b"content-type")
        rows, ids = await self._read(call, reader, read_invocation, kind, reader)
        served, predictions, explored = await self._predicted(call, served, call.trial, rows, ids)
        answer = {"predictions": predictions.values.tolist(), "model": served.deployment.model, "version": served.name}
        return Reply(msgspec.json.encode(answer | _drawn(explored)))

    async def _feedback(self, call: Call) -> Reply:
        model = call.slot.model
        if call.slot.is_elsewhere:
            schema = await self.pools.labels.run(schema_elsewhere, self._config.paths, model)
            reader = RowReader(schema, False)
        else:
            served, reader = self._served(call)
            schema = served.schema

        def keep() -> bytes:
            labels = labels_of(decode(self._plain(call, reader)), schema)
            try:
                self.spools[model].append(labels)
            except OSError as error:
                raise BadRequest(f"the labels cannot be kept: {error.strerror or error}", 507) from None
            missing = self.logs[model].not_kept(label[schema.id_column or ""] for label in labels)
            return msgspec.json.encode({"model": model, "accepted": len(labels)} | feedback_note(missing))

        return Reply(await self.pools.labels.run(keep), 202)

    # --- the body, the answer -----------------------------------------------------------------------------------

    async def _read(self, call: Call, reader: RowReader, read: Callable[..., Any], *arguments: Any) -> Any:
        """What `read` makes of the plain body and these arguments, beside the event loop where that may take long."""
        if not call.is_large and not call.encoding and call.size <= LARGE_SLOW_BODY:
            return read(call.body, *arguments)
        return await self.pools.reading.run(lambda: read(self._plain(call, reader), *arguments))

    def _plain(self, call: Call, reader: RowReader) -> bytes:
        """The body, decompressed; refused where it has more than a request can have."""
        body = call.body
        if call.encoding is not None:
            body = decompressed(body, call.encoding, self._config.service.max_body)
            call.size = len(body)
        check_structure(body, len(reader.schema.columns))
        return body

    def _admitted(
        self, served: ServedDeployment, trial: RunningTrial | None, rows: list[Cells], is_explained: bool
    ) -> contextlib.AbstractAsyncContextManager[None]:
        """In which rows are predicted and, if that was asked for, explained: by whoever of a trial will answer."""
        if not is_explained:
            return contextlib.nullcontext()
        challenger = [trial.challenger] if trial is not None and trial.trial.strategy == "canary" else []
        return self._explaining.admitted([served, *challenger], len(rows))

    async def _explained(
        self, call: Call, by: ServedDeployment, rows: Sequence[Cells], write: Callable[[ServedDeployment, Any], Any]
    ) -> Any:
        """What `write` makes of what the columns contributed to the answers of `by`. It takes long: other large
        requests get the turn of this one."""
        if call.turn is not None:
            await call.turn.aclose()
        return await self._explaining.explain(by, rows, write)

    async def _answer(self, numbers: int, write: Callable[..., Any], *arguments: Any) -> Any:
        """What `write` returns, beside the event loop where there is much of it."""
        if numbers <= LARGE_ANSWER:
            return write(*arguments)
        return await self.pools.answering.run(write, *arguments)

    def _served(self, call: Call) -> tuple[ServedDeployment, RowReader]:
        """The deployment that is to answer, and what reads its requests."""
        slot = call.slot
        served: Any = slot.served
        if slot.is_elsewhere:
            raise BadRequest(slot.lack, 404)
        if served is None or served.schema.task == "recommendation":
            raise BadRequest(slot.lack, 503, {"retry-after": "10"})
        of, reader = self._readers.get(slot.model, (None, None))
        if reader is None or of is not served:
            if reader is None or reader.schema != served.schema:
                strict = self._config.models[slot.model].serving.contract == "strict"
                reader = RowReader(served.schema, strict)
            self._readers[slot.model] = (served, reader)
        return served, reader

    async def _predicted(
        self, call: Call, served: ServedDeployment, trial: RunningTrial | None, rows: list[Cells], ids: Ids
    ) -> tuple[ServedDeployment, Predictions, Explored | None]:
        """Who answered, the answers, and which of these were drawn at random."""
        model = call.slot.model
        log_ids = ids if ids is not None else [None] * len(rows)
        try:
            if trial is None:
                by, predictions = served, await self._batcher.predict(served, rows)
            else:
                loop = asyncio.get_running_loop()

                def shadow(one: ServedDeployment) -> Predictions:
                    """The other one's answer, which nobody gets: in the thread of the trial."""
                    its_rows = served.rows_for(one, rows)
                    answer = one.predict(its_rows)
                    record = self.logs[model].record
                    loop.call_soon_threadsafe(record, one, its_rows, log_ids, answer, "shadow", call.size)
                    return answer

                by, predictions = await trial.answer(
                    served, ids, lambda one: self._batcher.predict(one, served.rows_for(one, rows)), shadow, call.size
                )
        except Refused as error:
            raise BadRequest(str(error)) from None
        self.metrics.add("driftd_predicted_rows_total", model, by=len(rows))
        share = self._config.models[model].serving.explore
        answers, explored = explore(share, by.name, predictions, ids) if share else (predictions, None)
        self.logs[model].record(by, served.rows_for(by, rows), log_ids, answers, size=call.size, explored=explored)
        return by, answers, explored

    # --- on the way out -----------------------------------------------------------------------------------------

    def _refused(self, model: str, what: str, error: BadRequest) -> Reply:
        if error.status == 507:
            log.error("labels_not_kept", model=model, reason=str(error))
        elif error.status not in (401, 405, 503):
            self._log_rejected(model, str(error))
        for_mlflow = {"error_code": "BAD_REQUEST", "message": _unicode(str(error))} if what == "invocations" else {}
        return _error(str(error), error.status, error.headers, for_mlflow)

    def _log_rejected(self, model: str, reason: str) -> None:
        """At most one line a second: a client at fault must not flood the log."""
        now_s = time.monotonic()
        if now_s - self._rejected_s >= QUIET_S:
            self._rejected_s = now_s
            log.warning("input_rejected", model=model, reason=reason)

    async def _send(self, reply: Reply, headers: Headers, send: Any) -> None:
        body, encoding = await compressed(reply.body, headers, self.pools.answering)
        fields = [(name.encode(), value.encode()) for name, value in reply.headers]
        fields.append((b"content-length", str(len(body)).encode()))
        if encoding is not None:
            fields += [(b"content-encoding", encoding.encode()), (b"vary", b"accept-encoding")]
        if self.draining:
            fields.append((b"connection", b"close"))
        with contextlib.suppress(RuntimeError):  # the client is gone
            await send({"type": "http.response.start", "status": reply.status, "headers": fields})
            await send({"type": "http.response.body", "body": body})


def _posted(model: ModelPaths, uploads: bool) -> Path:
    """Where labels and events are written down."""
    return model.uploads(POSTED) if uploads else model.spool


def _logged(model: ModelPaths, uploads: bool) -> Path:
    """Where answered rows are."""
    return model.uploads(LOGGED) if uploads else model.log_spool


def _by_class(names: tuple[str, ...], rows: list[list[float]]) -> list[dict[str, float]]:
    """Each row's probabilities by class; two classes, the usual case, in a third of the time."""
    if len(names) == 2:
        first, second = names
        return [{first: one, second: other} for one, other in rows]
    return [dict(zip(names, row, strict=True)) for row in rows]


def _drawn(explored: Explored | None) -> dict[str, Any]:
    """What an answer says of classes drawn at random; nothing where none ever is."""
    return {} if explored is None else explored.to_json()


def _numbers(predictions: Predictions) -> int:
    """How many values an answer has."""
    return len(predictions) * (1 + len(predictions.classes or ()))


def _prediction(
    served: ServedDeployment, predictions: Predictions, ids: Ids, explored: Explored | None, explanation: bytes | None
) -> bytes:
    """The answer of predict; `explanation` is JSON."""
    answer: dict[str, Any] = {
        "model": served.deployment.model, "version": served.name, "predictions": predictions.values.tolist(),
    }  # fmt: skip
    if predictions.probabilities is not None and predictions.classes is not None:
        answer["probabilities"] = _by_class(predictions.classes, predictions.probabilities.tolist())
    if ids is not None:
        answer["ids"] = ids
    answer |= _drawn(explored)
    if explanation is not None:
        answer["explanation"] = msgspec.Raw(explanation)
    return msgspec.json.encode(answer)


def _error(reason: str, status: int, headers: Mapping[str, str] = {}, more: Mapping[str, str] = {}) -> Reply:
    body = msgspec.json.encode({**more, "error": _unicode(reason)})
    return Reply(body, status, (("content-type", "application/json"), *headers.items()))


def _unicode(text: str) -> str:
    """Without halves of surrogate pairs, which no JSON may hold."""
    return text.encode("utf-8", "backslashreplace").decode()
