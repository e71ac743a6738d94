"""What a server does with requests to models that recommend: who handles which address, and what goes back."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import numpy as np

from daemon.config.config import Config
from daemon.runtime.spool import Spool
from daemon.server.bodies import decompressed
from daemon.server.metrics import Metrics
from daemon.server.pools import Pool
from daemon.server.recommendation.asked import Asked, read_recommend, read_similar, read_user
from daemon.server.recommendation.feedback import KEYS, read_events
from daemon.server.recommendation.lists import Asking, Lists, Seen, to_json
from daemon.server.recommendation.live import LiveModel
from daemon.server.recommendation.metrics import gauges
from daemon.server.recommendation.protocols import UserReader, infer_answer, read_infer, read_scoring
from daemon.server.recommendation.served import ServedRecommender
from daemon.server.refusal import BadRequest, quoted
from daemon.server.rows import decode
from daemon.server.slot import ModelSlot
from daemon.server.structure import check_structure
from retrain.recommendation.posted import line_of
from retrain.records.errors import Refused

LARGE_BODY = 16_000
"""Bytes that are read in a few milliseconds."""
MANY = 8
"""Lists, from which on they are made beside the event loop."""
JSON = (("content-type", "application/json"),)
Answer = tuple[bytes, int, tuple[tuple[str, str], ...]]
"""Body, status and headers."""


class Call(Protocol):
    """A request: the model's slot, what the path names besides, the query, headers and body."""

    @property
    def slot(self) -> ModelSlot: ...
    @property
    def version(self) -> str | None: ...
    @property
    def headers(self) -> Mapping[bytes, bytes]: ...
    @property
    def body(self) -> bytes: ...
    @property
    def query(self) -> bytes: ...
    @property
    def encoding(self) -> bytes | None: ...
    @property
    def is_large(self) -> bool: ...
    @property
    def size(self) -> int: ...


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True)
class RecommendingPools:
    """Threads for what takes longer than the event loop can wait."""

    reading: Pool
    answering: Pool
    writing: Pool


class Recommending:
    """The handlers of one server process, and the counters of its models in `live`."""

    def __init__(
        self, config: Config, slots: Mapping[str, ModelSlot], spools: Mapping[str, Spool],
        metrics: Metrics, pools: RecommendingPools, clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._settings = {name: config.models[name] for name in slots if config.models[name].task == "recommendation"}
        self._spools, self._pools, self._clock = spools, pools, clock
        self._max_body = config.service.max_body
        self.live = {
            name: LiveModel(name, settings, config.paths.model(name), _answering(slots[name]), clock)
            for name, settings in self._settings.items()
        }
        self._metrics = metrics
        metrics.gauges.append(lambda: gauges(self.live))
        self._handlers: dict[str, Handler] = {
            "recommend": self._recommend, "recommend_user": self._recommend_user, "similar": self._similar,
            "feedback": self._feedback, "infer": self._infer, "invocations": self._invoke,
        }  # fmt: skip

    def handler(self, model: str, what: str) -> Handler:
        """Who handles it. BadRequest for what a model that recommends does not do."""
        handler = self._handlers.get(what)
        if handler is None:
            raise BadRequest(f"{model} recommends; POST /models/{model}/recommend", 404)
        return handler

    async def run(self) -> None:
        """Follow what comes, for all models, until cancelled."""
        await asyncio.gather(*(one.run() for one in self.live.values()))

    # --- the handlers -------------------------------------------------------------------------------------------

    async def _recommend(self, call: Call) -> Answer:
        served = _served(call)
        return await self._lists(call, served, await self._read(call, _asked_for, read_recommend))

    async def _recommend_user(self, call: Call) -> Answer:
        served = _served(call)
        asked = read_user(call.version, call.query.decode("latin-1"))
        return await self._lists(call, served, asked)

    async def _similar(self, call: Call) -> Answer:
        served = _served(call)
        asked = await self._read(call, _asked_for, read_similar)
        return await self._lists(call, served, asked, "similar", "item")

    async def _lists(
        self, call: Call, served: ServedRecommender, asked: Asked, what: str = "recommendations", key: str = "user"
    ) -> Answer:
        by, lists = await self._answered(call, served, asked)
        body = {
            "model": call.slot.model, "version": by.name, "counters_as_of": _iso(lists.as_of_ms),
            what: [to_json(one, key) for one in lists.lists],
        }  # fmt: skip
        return msgspec.json.encode(body), 200, JSON

    async def _infer(self, call: Call) -> Answer:
        served = _served(call)
        if call.version is not None and call.version != served.name:
            raise BadRequest(f"version {quoted(call.version)} is not served; {served.name!r} is", 404)
        length = call.headers.get(b"inference-header-content-length")
        request, asked = await self._read(call, read_infer, length, self._reader(served))
        by, lists = await self._answered(call, served, asked)
        body, json_bytes = infer_answer(request, lists, call.slot.model, by.name)
        if json_bytes is None:
            return body, 200, JSON
        kind = ("content-type", "application/octet-stream")
        return body, 200, (kind, ("inference-header-content-length", str(json_bytes)))

    async def _invoke(self, call: Call) -> Answer:
        served = _served(call)
        kind = call.headers.get(b"content-type")
        asked = await self._read(call, read_scoring, kind, self._reader(served))
        by, lists = await self._answered(call, served, asked)
        answer = {"predictions": [one.items for one in lists.lists], "model": call.slot.model, "version": by.name}
        return msgspec.json.encode(answer), 200, JSON

    async def _feedback(self, call: Call) -> Answer:
        model = call.slot.model
        count = await self._pools.writing.run(self._keep, call)
        self.live[model].hint()
        self._metrics.add("driftd_posted_events_total", model, by=count)
        return msgspec.json.encode({"model": model, "accepted": count}), 202, JSON

    def _keep(self, call: Call) -> int:
        """Events to the spool, durable on return; how many."""
        model, served = call.slot.model, call.slot.served
        settings = self._settings[model]
        missing = settings.intake.na_values or () if served is None else served.schema.formats.na_values
        events = read_events(decode(self._plain(call)), settings, tuple(missing), self._now_ms())
        try:
            self._spools[model].append_lines([line_of(event) for event in events])
        except OSError as error:
            raise BadRequest(f"the events cannot be kept: {error.strerror or error}", 507) from None
        return len(events)

    # --- what they share ----------------------------------------------------------------------------------------

    async def _answered(self, call: Call, served: ServedRecommender, asked: Asked) -> tuple[ServedRecommender, Lists]:
        """Who answered, and the lists; a challenger on trial is asked too."""
        model, trial = call.slot.model, call.slot.trial
        live, seen, now_ms = self.live[model], Seen(self._settings[model].exclude_seen), self._now_ms()

        def lists_of(one: Any) -> Lists:
            assert one.moment is not None
            return Asking(one.moment, asked, seen, now_ms, one.moment.having(asked.attributes)).all(live.own)

        async def soon(one: Any) -> Lists:
            is_quick = asked.lists < MANY and not asked.attributes
            return lists_of(one) if is_quick else await self._pools.answering.run(lists_of, one)

        try:
            if trial is None or asked.items or call.version == served.name:
                by, lists = served, await soon(served)
            else:
                by, lists = await trial.answer(served, asked.users or None, soon, lists_of)
        except Refused as error:
            raise BadRequest(str(error)) from None
        for one in lists.lists:
            self._metrics.add("driftd_lists_total", model, one.source)
        return by, lists

    async def _read(self, call: Call, read: Callable[..., Any], *arguments: Any) -> Any:
        """What `read` makes of the plain body and these arguments, beside the event loop where that may take long."""
        if not call.is_large and call.encoding is None and call.size <= LARGE_BODY:
            return read(call.body, *arguments)
        return await self._pools.reading.run(lambda: read(self._plain(call), *arguments))

    def _plain(self, call: Call) -> bytes:
        """The body, decompressed; refused where it has more than a request can have."""
        body = call.body
        if call.encoding is not None:
            body = decompressed(body, call.encoding, self._max_body)
        check_structure(body, len(KEYS))
        return body

    def _reader(self, served: ServedRecommender) -> UserReader:
        return UserReader(served.schema, str(self._settings[served.deployment.model].user_column))

    def _now_ms(self) -> int:
        return round(self._clock() * 1e3)


def _asked_for(body: bytes, read: Callable[[Mapping[str, Any]], Asked]) -> Asked:
    return read(decode(body))


def _served(call: Call) -> ServedRecommender:
    served = call.slot.served
    if not isinstance(served, ServedRecommender) or served.moment is None:
        raise BadRequest(call.slot.lack, 503, {"retry-after": "10"})
    return served


def _answering(slot: ModelSlot) -> Callable[[], list[ServedRecommender]]:
    """The versions that answer now: the champion, and the challenger of a trial."""

    def versions() -> list[ServedRecommender]:
        found = (slot.served, None if slot.trial is None else slot.trial.challenger)
        return [one for one in found if isinstance(one, ServedRecommender)]

    return versions


def _iso(time_ms: int) -> str:
    return str(np.datetime64(time_ms, "ms")) + "Z"
