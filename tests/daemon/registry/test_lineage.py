"""Events of OpenLineage: their shape is that of the specification, and each cycle's are written once, in order."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from helpers import until
from ledgers import new_ledger
from outboxes import waiting_messages
from receivers import Receiver, receiver
from structlog.testing import capture_logs

from daemon.config.config import Config, load_config
from daemon.config.registries import OpenLineageSettings
from daemon.ledger import Ledger, cycles, models, outbox, versions
from daemon.ledger.tables import files
from daemon.registry.lineage import write_events
from daemon.runtime.notify import delivery
from daemon.runtime.notify.collector import post_event
from daemon.service import notifying as module
from daemon.service.ledger_writes import PendingWrites
from daemon.service.notifying import Notifying
from retrain.records.cycle import Cycle, CycleState
from retrain.records.outcome import Outcome
from retrain.records.trigger import Trigger

CONFIG = """\
[service]
state_dir = "state"
[openlineage]
url = "http://127.0.0.1:9/api/v1/lineage"
namespace = "factory"
[models.m]
data_dir = "d"
task = "classification"
target = "y"
"""
URI = {"type": "string", "format": "uri", "pattern": "^[a-z][a-z0-9+.-]*:"}
FACETS = {
    "type": "object",
    "additionalProperties": {
        "type": "object", "required": ["_producer", "_schemaURL"], "properties": {"_producer": URI, "_schemaURL": URI},
    },
}  # fmt: skip


def of(required: str, **properties: Any) -> dict[str, Any]:
    """An object with these keys."""
    return {"type": "object", "required": required.split(), "properties": properties}


TEXT = {"type": "string", "minLength": 1}
DATASET = of("namespace name", namespace=TEXT, name=TEXT, facets=FACETS, inputFacets=FACETS, outputFacets=FACETS)
RUN_EVENT = of(
    "eventType eventTime producer schemaURL run job",
    eventType={"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
    eventTime={"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"},
    producer=URI, schemaURL=URI,
    run=of("runId", runId={"type": "string", "format": "uuid"}, facets=FACETS),
    job=of("namespace name", namespace=TEXT, name=TEXT, facets=FACETS),
    inputs={"type": "array", "items": DATASET}, outputs={"type": "array", "items": DATASET},
)  # fmt: skip
"""What release 2-0-2 of the specification asks of a run event, and of every facet."""
OF_FACETS = {
    "processing_engine": of("version", version=TEXT, name=TEXT),
    "errorMessage": of("message programmingLanguage", message=TEXT, programmingLanguage=TEXT),
    "tags": of("tags", tags={"type": "array", "items": of("key value", key=TEXT, value={"type": "string"})}),
    "jobType": of("processingType integration", processingType={"enum": ["BATCH", "STREAMING", "SERVICE"]}),
    "version": of("datasetVersion", datasetVersion=TEXT),
    "schema": of("fields", fields={"type": "array", "items": of("name", name=TEXT, type=TEXT)}),
    "dataQualityMetrics": of("columnMetrics", rowCount={"type": "integer"}, columnMetrics={"type": "object"}),
}
"""What their own specifications ask of those that are told."""
PUBLISHED = {
    "processing_engine": "1-1-0/ProcessingEngineRunFacet", "errorMessage": "1-0-0/ErrorMessageRunFacet",
    "tags": "1-0-0/TagsRunFacet", "jobType": "2-0-3/JobTypeJobFacet", "version": "1-0-0/DatasetVersionDatasetFacet",
    "schema": "1-0-0/SchemaDatasetFacet", "dataQualityMetrics": "1-0-2/DataQualityMetricsInputDatasetFacet",
}  # fmt: skip
"""Where the specification has these: each facet has releases of its own, whatever that of the event is."""


def hold_to_specification(event: dict[str, Any]) -> None:
    """An event is one of OpenLineage."""
    event = json.loads(json.dumps(event))
    jsonschema.validate(event, RUN_EVENT)
    uuid.UUID(event["run"]["runId"])
    parts = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
    for part in parts:
        for name, facet in {**part.get("facets", {}), **part.get("inputFacets", {})}.items():
            jsonschema.validate(facet, OF_FACETS[name])
            assert facet["_schemaURL"] == f"https://openlineage.io/spec/facets/{PUBLISHED[name]}.json"


class Story:
    """A ledger in which cycles of model m begin and end."""

    def __init__(self, folder: Path) -> None:
        (folder / "config.toml").write_text(CONFIG)
        self.config: Config = load_config(folder / "config.toml")
        self.ledger: Ledger = new_ledger(folder / "state")
        with self.ledger.begin() as conn:
            models.ensure(conn, "m")
            conn.execute(files.insert().values(
                model="m", state="accepted", path="a.csv", seq=1, sha256="e" * 64, size=1, mtime_ns=1, ctime_ns=1,
                inode=1, rows=40, at=1.0,
            ))  # fmt: skip

    def opened(self, at: float = 1000.0) -> Cycle:
        """A cycle opens."""
        with self.ledger.begin() as conn:
            return cycles.open_cycle(conn, "m", Trigger("manual", "by hand", {}), 1, 1, at)

    def ended(self, cycle: Cycle, state: CycleState, at: float = 1060.0, version: str | None = None) -> None:
        """It ends, having learned from the file."""
        with self.ledger.begin() as conn:
            stage = cycles.stage_started(conn, cycle, at)
            done = Outcome("ok", {"snapshots": ["e" * 64]})
            cycles.stage_finished(conn, stage, done, at)
            if version is not None:
                versions.record(conn, "m", cycle, {"version": version, "digest": "f" * 64}, at)
            cycles.save(conn, replace(cycle, state=state, reason="the reason", version=version), at)

    def written(self, now: float = 1100.0) -> list[dict[str, Any]]:
        """What waits after another look."""
        with self.ledger.begin() as conn:
            write_events(conn, self.config, now)
        with self.ledger.connect() as conn:
            return [row.message for row in waiting_messages(conn)]


@pytest.fixture
def story(tmp_path):
    """A story, whose ledger is closed afterwards."""
    made = Story(tmp_path)
    yield made
    made.ledger.close()


def test_a_cycle_that_promotes_is_a_run_from_its_files_to_its_version(story, tmp_path):
    """START when it opens, COMPLETE with inputs and output when it ends; both of one run, and of the specification."""
    cycle = story.opened()
    (start,) = story.written()
    story.ended(cycle, CycleState.PROMOTED, version="v0001-ffffffff")
    told = story.written()
    for event in told:
        hold_to_specification(event)
    assert [event["eventType"] for event in told] == ["START", "COMPLETE"] and told[0] == start
    assert {event["run"]["runId"] for event in told} == {start["run"]["runId"]}
    assert start["eventTime"] == "1970-01-01T00:16:40.000+00:00" and start["inputs"] == start["outputs"] == []
    (read,), (made,) = told[1]["inputs"], told[1]["outputs"]
    assert (read["namespace"], read["name"]) == ("file", str(tmp_path / "d" / "a.csv"))
    assert read["inputFacets"]["dataQualityMetrics"]["rowCount"] == 40
    assert (made["namespace"], made["name"]) == ("factory", "m/versions")
    assert made["facets"]["version"]["datasetVersion"] == "v0001-ffffffff"
    assert {"key": "outcome", "value": "promoted", "source": "driftd"} in told[1]["run"]["facets"]["tags"]["tags"]


def test_one_that_fails_says_why_and_one_that_keeps_is_complete(story):
    """FAIL has the reason; a challenger that is not better is no failure, and no output."""
    story.ended(story.opened(), CycleState.FAILED)
    story.ended(story.opened(), CycleState.KEPT)
    told = story.written()
    for event in told:
        hold_to_specification(event)
    assert [event["eventType"] for event in told] == ["START", "FAIL", "START", "COMPLETE"]
    assert told[1]["run"]["facets"]["errorMessage"]["message"] == "the reason" and told[3]["outputs"] == []


def test_each_event_is_written_once_and_nothing_of_long_ago(story):
    """Looking again changes nothing, also of what has arrived; what ended before `give_up` is not told."""
    story.ended(story.opened(), CycleState.KEPT)
    assert len(story.written()) == len(story.written()) == 2
    with story.ledger.begin() as conn:
        for row in waiting_messages(conn):
            outbox.finish(conn, row.id, "delivered", 1100.0)
    assert story.written() == []
    story.ended(story.opened(2000.0), CycleState.KEPT, 2060.0)
    assert story.written(2060.0 + 4 * 86_400.0) == []
    assert len(story.written(2100.0)) == 2


def test_nothing_is_written_for_nobody(story):
    """Without the section."""
    story.opened()
    story.config = replace(story.config, openlineage=None)
    assert story.written() == []


@contextlib.contextmanager
def sending(story: Story, collector: Receiver, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Iterator[Notifying]:
    """The sender of a service of which this is the story, without its pauses, and with little patience."""
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    monkeypatch.setattr(module, "pause_s", lambda attempts: 0.0)
    monkeypatch.setattr(delivery, "post_event", partial(post_event, limit_s=0.2))
    story.config = replace(story.config, openlineage=OpenLineageSettings(url=collector.url, **settings))
    yield Notifying(lambda: story.config, story.ledger, PendingWrites(story.ledger), {}, lambda: False, lambda: 1100.0)


def while_it_sends(notifying: Notifying, play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Play something beside it."""

    async def both() -> None:
        task = asyncio.create_task(notifying.run())
        try:
            await play()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(both())


def hear(story: Story, notifying: Notifying) -> None:
    """A cycle ended, which is being logged."""
    with story.ledger.begin() as conn:
        notifying.route(conn, [{"event": "cycle_finished"}])


def taken(collector: Receiver) -> list[str]:
    """The kinds of the events that it took, in their order."""
    return [one.json["eventType"] for one in collector.received if one.accepted]


@pytest.mark.parametrize("trouble", ["down", "500", "503", "401", "307", "hangs"])
def test_events_arrive_in_order_with_the_key_once_the_collector_takes_them(story, tmp_path, monkeypatch, trouble):
    """Whatever was with it before: it is told that it fails, and then that it does not any more; the key is in no log,
    and goes nowhere else, also where it is sent there."""
    (tmp_path / "key").write_text("secret-of-the-collector\n")
    story.ended(story.opened(), CycleState.PROMOTED, version="v0001-ffffffff")
    with receiver() as elsewhere, receiver() as collector, capture_logs() as logged:
        if trouble == "hangs":
            collector.may_answer.clear()
        collector.status = int(trouble) if trouble.isdecimal() else 201
        collector.answer_headers = {"Location": elsewhere.url} if trouble == "307" else {}
        with sending(story, collector, monkeypatch, key_file=str(tmp_path / "key")) as notifying:
            if trouble == "down":
                right, wrong = story.config, OpenLineageSettings(url="http://127.0.0.1:9/x")
                story.config = replace(right, openlineage=wrong)

            async def play() -> None:
                await until(lambda: [one["event"] for one in logged].count("notify_failed"))
                if trouble == "down":
                    story.config = right
                collector.status = 201
                collector.may_answer.set()
                await until(lambda: [one["event"] for one in logged].count("notify_recovered"))
                await until(lambda: len(set(taken(collector))) == 2)

            while_it_sends(notifying, play)
    assert list(dict.fromkeys(taken(collector))) == ["START", "COMPLETE"] and not elsewhere.received
    assert {one.headers["authorization"] for one in collector.received} == {"Bearer secret-of-the-collector"}
    assert [one["destination"] for one in logged] == ["[openlineage]"] * 2
    assert "secret-of" not in str(logged)


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_an_event_that_is_never_taken_holds_up_none(story, monkeypatch, status):
    """Of one cycle each event is refused for ever, by the collector or by what stands before it; all others arrive, and
    these are tried until they are given up."""
    poison = story.opened()
    story.ended(poison, CycleState.KEPT)
    refused = f"{poison.id}"
    with receiver() as collector, capture_logs():
        collector.judge = lambda event: status if tag(event, "cycle") == refused else 201
        with sending(story, collector, monkeypatch) as notifying:

            async def play() -> None:
                await until(lambda: len(collector.received) > 2)
                for _ in range(3):
                    story.ended(story.opened(), CycleState.KEPT)
                hear(story, notifying)
                await until(lambda: len(taken(collector)) == 6)

            while_it_sends(notifying, play)
    assert taken(collector) == ["START", "COMPLETE"] * 3
    with story.ledger.connect() as conn:
        assert {row.about for row in waiting_messages(conn)} == {"m START", "m COMPLETE"}


def tag(event: dict[str, Any], name: str) -> str:
    """What a tag of its run says."""
    return next(one["value"] for one in event["run"]["facets"]["tags"]["tags"] if one["key"] == name)


def test_without_a_collector_nothing_waits_and_with_one_again_all_is_told(story, monkeypatch):
    """The section is taken out and put back while events wait: none is given up, and each arrives once."""
    story.ended(story.opened(), CycleState.KEPT)
    with receiver() as collector, capture_logs() as logged:
        collector.status = 500
        with sending(story, collector, monkeypatch) as notifying:
            there = story.config

            def waiting() -> int:
                with story.ledger.connect() as conn:
                    return len(waiting_messages(conn))

            async def play() -> None:
                await until(lambda: collector.received)
                story.config = replace(there, openlineage=None)
                await until(lambda: waiting() == 0)
                collector.status = 201
                story.config = there
                hear(story, notifying)
                await until(lambda: len(taken(collector)) == 2)

            while_it_sends(notifying, play)
    assert taken(collector) == ["START", "COMPLETE"]
    assert "notify_given_up" not in [one["event"] for one in logged]
