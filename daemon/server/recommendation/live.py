"""A model's counters in a server: they follow what is posted and what files bring, and versions answer with them.

Two tasks beside the event loop: one looks what came, which a person's own answers reflect at once; the other adds it to
the counters, which everybody's answers reflect, and rests four times as long as that took."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from daemon.config.paths import ModelPaths
from daemon.runtime.within import within
from daemon.server.recommendation.served import Moment, ServedRecommender
from daemon.server.recommendation.source import News, Source
from retrain.recommendation.catalogue import Catalogue
from retrain.recommendation.counters import count
from retrain.recommendation.interactions import Interactions, joined
from retrain.recommendation.posted import PostedEvent
from retrain.recommendation.standing import Standing, standing
from retrain.recommendation.unfiled import interactions_of_posted, weights_of
from retrain.records.errors import Retry
from retrain.records.settings import ModelSettings

LOOK_S = 0.5
RESTS = 4.0
"""After events were added the counters rest so many times as long as that took: at most a fifth of a processor."""
LONGEST_REST_S = 20.0
Own = Mapping[str, tuple[tuple[int, str, int], ...]]
"""By user: time, item and weight of events that are not in the counters yet."""


@dataclass
class LiveModel:
    """One model's counters in this process. `pending` is what came since they were last added to, `own` the same by
    user; `served` names the versions that answer with the counters."""

    model: str
    settings: ModelSettings
    paths: ModelPaths
    served: Callable[[], Iterable[ServedRecommender]]
    clock: Callable[[], float] = time.time
    catalogue: Catalogue | None = None
    own: Own = field(default_factory=dict)
    counted: Standing | None = None
    _pending: list[News] = field(default_factory=list)
    _source: Source | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _hint: asyncio.Event = field(default_factory=asyncio.Event)
    _looking: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "events"))
    _counting: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "counters"))

    # --- for a version ------------------------------------------------------------------------------------------

    async def serve(self, served: ServedRecommender) -> None:
        """Let a version answer with the counters as they are; counted first where they are not yet, and anew where a
        champion counts otherwise. OSError where files cannot be read now."""
        async with self._turn:
            if self.counted is None or (served.promotion and served.longest != self.counted.longest):
                await self._recount(served)
            assert self.counted is not None
            others = [one for one in self.served() if one is not served]
            self.counted, moments = await self._beside(self._moments, self.counted, [served, *others])
            self._publish(moments)

    # --- what comes ---------------------------------------------------------------------------------------------

    def hint(self) -> None:
        """Look at once."""
        self._hint.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        await asyncio.gather(self._look_on(), self._add_on())

    async def _look_on(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await within(self._hint.wait(), LOOK_S)
            self._hint.clear()
            await self.look()

    async def look(self) -> None:
        """See what came, for the answers of those whose events these are."""
        source, served = self._source, next(iter(self.served()), None)
        if source is None or served is None:
            return
        news = await asyncio.get_running_loop().run_in_executor(self._looking, _news, source, served)
        if source is self._source and not news.is_empty:
            self._pending.append(news)
            self.own = _with_own(self.own, news.posted, self.settings)

    async def _add_on(self) -> None:
        while True:
            started = time.monotonic()
            await self.add()
            took = time.monotonic() - started
            await asyncio.sleep(min(max(LOOK_S, RESTS * took), LONGEST_REST_S))

    async def add(self) -> None:
        """Add what came to the counters, and let all versions answer with them."""
        served = next(iter(self.served()), None)
        if not self._pending or self.counted is None or served is None:
            return
        async with self._turn:
            news = list(self._pending)
            if any(one.gone for one in news):
                await self._recount(served)
            else:
                events = await self._beside(_together, news, self.settings)
                if len(events):
                    self.counted = await self._beside(self.counted.with_more, events)
                self.catalogue = next((one.catalogue for one in reversed(news) if one.catalogue), self.catalogue)
            self.counted, moments = await self._beside(self._moments, self.counted, list(self.served()))
            self._publish(moments)
            del self._pending[: len(news)]
            self.own = _with_own({}, [event for one in self._pending for event in one.posted], self.settings)

    # --- in the thread of the counters --------------------------------------------------------------------------

    async def _recount(self, served: ServedRecommender) -> None:
        """Count everything anew, from files and spools."""
        source = Source(self.model, self.settings, self.paths)
        try:
            events, self.catalogue = await self._beside(source.everything, served.schema)
        except Retry as error:
            raise OSError(str(error)) from None
        self.counted = await self._beside(_counted, events, served.half_lives_ms, served.longest)
        self._source = source

    def _moments(self, counted: Standing, versions: Sequence[ServedRecommender]) -> tuple[Standing, list[Any]]:
        """The counters with all half-lives that the versions need, and what each answers with."""
        lives = tuple(dict.fromkeys(one for version in versions for one in version.half_lives_ms))
        wide = counted.covering(lives)
        now_ms = round(self.clock() * 1e3)
        return wide, [(one, one.at(wide, now_ms, self.catalogue)) for one in versions]

    def _publish(self, moments: Iterable[tuple[ServedRecommender, Moment]]) -> None:
        for version, moment in moments:
            version.moment = moment

    async def _beside(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._counting, work, *arguments)


def _news(source: Source, served: ServedRecommender) -> News:
    try:
        return source.news(served.schema)
    except Retry:  # a snapshot that retention just removed: the next look knows
        return News(gone=True)


def _counted(events: Interactions, half_lives_ms: tuple[float | None, ...], longest: int) -> Standing:
    return standing(count(events, half_lives_ms, longest))


def _together(news: Sequence[News], settings: ModelSettings) -> Interactions:
    posted = interactions_of_posted([event for one in news for event in one.posted], settings)
    return reduce(joined, [one.filed for one in news if one.filed is not None], posted)


def _with_own(own: Own, posted: Sequence[PostedEvent], settings: ModelSettings) -> Own:
    if not posted:
        return own
    found = dict(own)
    for event, weight in zip(posted, weights_of(posted, settings), strict=True):
        fresh = event.time, event.item, int(weight)
        if fresh not in (known := found.get(event.user, ())):  # a segment that got another name is read again
            found[event.user] = (*known, fresh)
    return found
