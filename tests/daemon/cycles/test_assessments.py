"""What control asks about labels, and when: before the first model how far they are in, and again when rows mature."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bare_model import BINARY, bare_model

from daemon.cycles.assessments import Assessing, _foretold
from daemon.intake.take_in import take_file
from daemon.intake.taking import Taken, Taking
from daemon.ledger import cycles, deployments, labels, observe
from daemon.reading.look import look
from daemon.runtime.context import ModelContext
from daemon.runtime.worker.operations import BY_REQUEST
from daemon.runtime.worker.process import Limits, Worker
from retrain.operations import LabelsRequest, Request
from retrain.planning.forecast import forecast
from retrain.records.cycle import CycleState, Stage
from retrain.records.observation import Observation
from retrain.records.outcome import Outcome
from retrain.records.planner_state import PlannerState
from retrain.records.schema import Column, Schema
from retrain.records.trigger import Trigger

HOUR = 3600.0
LATE = f"""{BINARY}id_column = "id"
[models.m.labels]
maturity = "2h"
negative = "no"
[models.m.triggers]
first_rows = 30
[models.m.columns]
id = "category"
x = "number"
y = "category"
"""


class Here(Worker):
    """An analyst that answers in this process."""

    async def call(self, request: Request[Any], _timeout_s: float | None = None, _limit: str = "") -> Any:
        """As the process would."""
        return BY_REQUEST[type(request)].answer(request)


class Story:
    """A model before its first version, at a clock of its own (hours)."""

    def __init__(self, context: ModelContext, monkeypatch: pytest.MonkeyPatch) -> None:
        self.context, self.assessing, self.hours = context, Assessing(context), 0.0
        context.shared.analyst = Here("analyst", Limits())
        monkeypatch.setattr(ModelContext, "now", staticmethod(lambda: self.hours * HOUR))

    def take(self, name: str, lines: list[dict[str, object]]) -> None:
        """A file comes, and labels are looked at."""
        path = self.context.data_dir / f"{name}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        assert asyncio.run(take_file(self.context, Taking(path.name, look(path)))) is Taken.ACCEPTED  # type: ignore[arg-type]
        self.look()

    def look(self) -> None:
        asyncio.run(self.assessing.run())

    @property
    def observed(self) -> Observation:
        with self.context.shared.ledger.connect() as conn:
            return observe.observe(conn, "m", 0, PlannerState())


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """Labels count after two hours, and silence means "no"."""
    with bare_model(tmp_path, LATE) as context:
        yield Story(context, monkeypatch)


def rows(first: int, **label: str) -> list[dict[str, object]]:
    return [{"id": f"r{place}", "x": float(place), **label} for place in range(first, first + 20)]


def test_a_first_model_counts_rows_whose_labels_may_be_believed(story: Story) -> None:
    """A feed that only ever says "yes" gives two classes once its rows are old enough: nobody need drop anything."""
    story.take("a", rows(0))
    story.hours = 1.0
    story.take("yes", [{"id": f"r{place}", "y": "yes"} for place in range(5)])
    assert (story.observed.labelled_rows, story.observed.class_rows) == (0, {})
    assert story.assessing.next_at == 2 * HOUR
    story.hours = 2.5
    story.take("b", rows(20, y="no"))
    story.take("more", [{"id": "r20", "y": "yes"}])
    assert (story.observed.labelled_rows, story.observed.class_rows) == (40, {"yes": 6, "no": 34})


def test_rows_mature_without_anything_new(story: Story) -> None:
    """Control wakes when they do, asks once, and then for the next ones; silence is one only while labels come."""
    story.take("a", rows(0))
    story.take("yes", [{"id": "r1", "y": "yes"}])
    story.hours = 1.0
    story.take("b", rows(20))
    story.take("yes2", [{"id": "r2", "y": "yes"}, {"id": "r21", "y": "yes"}])
    assert story.assessing.next_at == 2 * HOUR and story.observed.labelled_rows == 0
    story.hours = 2.0
    story.look()
    assert story.observed.class_rows == {"yes": 2} and story.assessing.next_at == 3 * HOUR
    with story.context.shared.ledger.connect() as conn:
        before = labels.load(conn, "m")
    story.look()
    with story.context.shared.ledger.connect() as conn:
        assert labels.load(conn, "m") == before
    story.take("yes3", [{"id": "r3", "y": "yes"}])
    assert story.observed.class_rows == {"yes": 3, "no": 17}


def test_a_file_that_comes_while_labels_are_looked_at_is_looked_at_next(story: Story) -> None:
    """Its labels are in no answer yet; once they are, nobody is asked again."""
    asked: list[int] = []

    class Busy(Here):
        async def call(self, request: Request[Any], _timeout_s: float | None = None, _limit: str = "") -> Any:
            if isinstance(request, LabelsRequest):
                asked.append(len(request.files))
                if len(asked) == 1:
                    path = story.context.data_dir / "b.jsonl"
                    path.write_text('{"id": "z", "x": 2.0, "y": "yes"}\n')
                    await take_file(story.context, Taking(path.name, look(path)))  # type: ignore[arg-type]
            return await super().call(request, _timeout_s, _limit)

    story.context.shared.analyst = Busy("analyst", Limits())
    story.take("a", [{"id": str(n), "x": float(n), "y": "yes"} for n in range(5)])
    story.look()
    story.look()
    assert asked == [1, 2]


def test_nobody_is_asked_while_labels_come_with_their_rows(tmp_path: Path) -> None:
    """A model as most are costs nothing more."""
    with bare_model(tmp_path) as context:
        context.shared.analyst = Here("analyst", Limits())
        path = context.data_dir / "a.csv"
        path.write_text("x,y\n" + "1,a\n2,b\n" * 20)
        assert asyncio.run(take_file(context, Taking("a.csv", look(path)))) is Taken.ACCEPTED  # type: ignore[arg-type]
        asyncio.run(Assessing(context).run())
        with context.shared.ledger.connect() as conn:
            assert labels.load(conn, "m") is None and observe.observe(conn, "m", 0, PlannerState()).labelled_rows == 40


def test_labels_that_come_all_the_time_do_not_keep_the_analyst_busy(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After what took long, labels alone wait, and control wakes for them; a file of rows waits for nothing."""
    story.hours = 2.5
    story.take("b", rows(20, y="no"))
    monkeypatch.setattr("daemon.cycles.assessments.RESTED_S", 0.0)
    monkeypatch.setattr("daemon.cycles.assessments.REST", 1e9)
    story.take("one", [{"id": "r20", "y": "yes"}])
    assert story.observed.class_rows == {"yes": 1, "no": 19} and story.assessing.next_at is None
    story.take("two", [{"id": "r21", "y": "yes"}])
    assert story.observed.class_rows == {"yes": 1, "no": 19}
    assert story.assessing.next_at is not None and story.assessing.next_at > story.hours * HOUR
    story.take("c", rows(40, y="no"))
    assert story.observed.class_rows == {"yes": 2, "no": 38}


CHAMPION = "v0001-00000001"
SCHEMA = Schema((Column("x", "number"), Column("y", "category"), Column("z", "category")), "classification", "y")


def kept_challenger(context: ModelContext, of: Schema, against: Schema) -> None:
    """A cycle that waits for its next files, of versions of these schemas."""
    with context.shared.ledger.begin() as conn:
        before = deployments.for_version(conn, "m", CHAMPION, 0.0)
        cycle = replace(cycles.open_cycle(conn, "m", Trigger("regret", "why"), 2, 7, 0.0), stage=Stage.EVALUATE)
        found = {"forecast": forecast(0.01, 0.01, 100, 1000, "regret").to_json() | {"against": before.number}}
        cycles.stage_finished(conn, cycles.stage_started(conn, cycle, 0.0), Outcome("ok", found), 0.0)
        cycles.save(conn, replace(cycle, state=CycleState.KEPT), 1.0)
    schemas = {context.folders.cycle(cycle.id) / "version": of, context.folders.version(CHAMPION): against}
    for folder, schema in schemas.items():
        folder.mkdir(parents=True)
        (folder / "schema.json").write_text(json.dumps(schema.to_json()))


@pytest.mark.parametrize(
    ("of", "against", "asked"),
    [("y", "y", 1), ("z", "z", 0), ("y", "z", 0), ("z", "y", 0)],
)
def test_forecasts_of_another_target_wait_for_nothing(tmp_path: Path, of: str, against: str, asked: int) -> None:
    """After the target changed no file that comes has the labels that an old challenger or champion is judged by: the
    assessment of all other things goes on without them."""
    with bare_model(tmp_path) as context:
        kept_challenger(context, replace(SCHEMA, target=of), replace(SCHEMA, target=against))
        with context.shared.ledger.connect() as conn:
            assert len(_foretold(context, conn, SCHEMA)) == asked
