"""The file of numbers follows the ledger: written when that changed, renewed when not, and seldom enough."""

import asyncio
import dataclasses

import pytest
from page_states import NOW, approval, seeded

from daemon.ledger import open_ledger
from daemon.runtime.numbers import NumbersFile
from daemon.service.numbers import EVERY_S, RENEW_S, NumbersWriter


class Standing:
    """A writer with clocks of its own, and who reads what it writes."""

    def __init__(self, folder):
        self.config = seeded(folder, "fine", days=6).config
        self.ledger = open_ledger(self.config.state_dir, create=False)
        self.s, self.queues = 0.0, {"flights": 0}
        clocks = lambda: NOW + self.s, lambda: self.s
        self.writer = NumbersWriter(lambda: self.config, self.ledger, lambda: self.queues, *clocks)
        self.file = NumbersFile(self.config.paths)

    def look(self, after_s: float = 0.0) -> NumbersFile:
        """Some seconds later."""
        self.s += after_s
        asyncio.run(self.writer.look())
        self.file.look()
        return self.file


@pytest.fixture
def standing(tmp_path):
    """Two models that are fine."""
    made = Standing(tmp_path)
    yield made
    made.ledger.close()


def test_a_change_of_the_ledger_is_written(standing):
    """At the next look, and not before it is due again."""
    assert standing.look().numbers["driftd_cycle_state", ("flights", "awaiting_approval")] == 0
    with standing.ledger.begin() as conn:
        approval(conn)
    assert standing.look(EVERY_S / 2).numbers["driftd_cycle_state", ("flights", "awaiting_approval")] == 0
    assert standing.look(EVERY_S / 2).numbers["driftd_cycle_state", ("flights", "awaiting_approval")] == 1
    assert standing.file.at == NOW + EVERY_S


def test_the_queue_and_the_configuration_are_written_too(standing):
    """They are in no ledger."""
    standing.look()
    standing.queues = {"flights": 7}
    assert standing.look(EVERY_S).numbers["driftd_queue_files", ("flights",)] == 7
    models = {"churn": standing.config.models["churn"]}
    standing.config = dataclasses.replace(standing.config, models=models)
    assert {labels[0] for _, labels in standing.look(EVERY_S).numbers if labels} == {"churn"}


def test_without_a_change_the_file_is_only_renewed(standing):
    """Its age says that control looked; its content is neither read nor written again."""
    standing.look()
    inode = standing.config.paths.numbers.stat().st_ino
    assert standing.look(EVERY_S).at == NOW
    assert standing.look(RENEW_S).at == NOW + EVERY_S + RENEW_S
    assert standing.config.paths.numbers.stat().st_ino == inode


def test_a_file_that_is_gone_is_written_anew(standing):
    """As by hand: the failure is told once, and the next look mends it."""
    standing.look()
    standing.config.paths.numbers.unlink()
    with pytest.raises(FileNotFoundError):
        standing.look(RENEW_S)
    assert standing.look(EVERY_S).at == NOW + RENEW_S + EVERY_S and standing.file.numbers
