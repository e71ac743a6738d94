"""How many statements a data file costs the ledger: over a network each is a round trip that control waits for."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bare_model import AnalystHere, bare_model
from daemon_harness import FEW, drop, rows
from sqlalchemy import event

from daemon.cycles import trainers
from daemon.cycles.runner import CycleRunner
from daemon.intake.files import Intake
from daemon.ledger import Ledger, files, promotions
from daemon.reading.look import Look, look
from daemon.runtime.context import ModelContext

MOST, MOST_BARE = 72, 65
"""Of a file whose rows have labels, and of one whose rows have none."""
CONFIG = f"""\
[service]
state_dir = "state"
[models.m]
data_dir = "data"
task = "classification"
target = "label"
metric = "accuracy"
{FEW}
[models.m.triggers]
first_rows = 300
cooldown = "1ms"
[models.m.columns]
x = "number"
z = "number"
colour = "category"
label = "category"
"""


@contextmanager
def counted(ledger: Ledger) -> Iterator[list[str]]:
    """The statements that are sent meanwhile, the beginnings of transactions among them."""
    sent: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(ledger.engine, "before_cursor_execute", note)
    yield sent
    event.remove(ledger.engine, "before_cursor_execute", note)


async def from_noticed_to_decided(context: ModelContext, runner: CycleRunner, path: Path) -> tuple[list[str], Any]:
    """Take a settled file in, assess its labels, and ask the planner: the statements, and the cycle that it opens."""
    intake, seen = Intake(context), look(path)
    assert isinstance(seen, Look)
    intake.known, intake._read_by = intake._known()
    with counted(context.shared.ledger) as sent:
        await intake._take_all([(path.name, seen)])
        await runner._assessing.run()
        cycle, _ = runner.decide()
    return sent, cycle


def test_a_small_file_costs_few_statements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first look at it to the planner's answer, with its check, its doubts, its labels and the judgement of
    what is served."""
    monkeypatch.setattr(trainers, "Worker", AnalystHere)
    with bare_model(tmp_path, CONFIG, AnalystHere) as context:
        runner = CycleRunner(context, lambda: 0, lambda: None)
        _, cycle = asyncio.run(from_noticed_to_decided(context, runner, drop(rows(0), context.data_dir / "0.csv")))
        asyncio.run(runner._work_off(cycle))
        for name, table, most in (("labelled", rows(1), MOST), ("bare", rows(2).drop_columns(["label"]), MOST_BARE)):
            path = drop(table, context.data_dir / f"{name}.csv")
            sent, _ = asyncio.run(from_noticed_to_decided(context, runner, path))
            assert len(sent) <= most, "\n".join(sent)
        with context.shared.ledger.connect() as conn:
            assert promotions.champion(conn, "m") is not None
            assert [row.state for row in files.listed(conn, "m")] == ["accepted"] * 3
