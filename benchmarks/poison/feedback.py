"""Replays streams while somebody sends wrong labels: what is held, what gets through, what it costs.

Labels of the stream come with their rows. After each batch from `FROM` on the sender inverts, in each way of WAYS,
labels of the newest batches; or he is the first to label them. Each way is replayed with and without doubts; scores are
of what was served, on true labels."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.labels.generated import KINDS
from daemon.tools.replay.engine import Engine
from daemon.tools.replay.evidence import mean_of
from daemon.tools.replay.label_files import LabelFiles
from daemon.tools.replay.label_times import LabelTimes
from daemon.tools.replay.source import BatchFile, read_source
from daemon.tools.replay.subject import inferred_subject
from retrain.records.predictions import Predictions
from retrain.records.settings import ModelSettings
from retrain.records.settings.labels import LabelSettings, Maturity
from retrain.rows.history import believed_labels, read_snapshot
from retrain.rows.settled import Settling

BATCHES, INITIAL, FROM, ROWS = 30, 4, 8, 200
AGES = LabelTimes("random", Maturity(files=0))
"""Labels come with their rows, and rows have ids."""


@dataclass(frozen=True)
class Way:
    """Of how many of the newest batches which `share` of the labels is inverted, after each batch; `once` for a single
    time. `of_class`: of the rarer class alone. `first`: after so many batches, whose rows come without labels."""

    name: str
    share: float
    newest: int = 1
    once: bool = False
    of_class: bool = False
    first: int = 0


WAYS = (
    Way("nobody", 0.0),
    Way("all of the newest three, once", 1.0, 3, once=True),
    Way("all of each batch", 1.0),
    Way("half of each batch", 0.5),
    Way("a fifth of each batch", 0.2),
    Way("a tenth of each batch", 0.1),
    Way("a twentieth of each batch", 0.05),
    Way("a fiftieth of each of the newest six, every time", 0.02, 6),
    Way("all of the rarer class", 1.0, of_class=True),
    Way("all of three batches that have no label", 1.0, first=3),
    Way("all of every batch, none has another label", 1.0, first=BATCHES),
)


class Sender(LabelFiles):
    """The files of labels of one who sends wrong ones."""

    way = WAYS[0]

    def arriving(self, batch: BatchFile, served: Predictions | None) -> tuple[Path, int]:
        """Rows with their labels, but for those that somebody else labels first."""
        if not FROM <= batch.place < FROM + self.way.first:
            return super().arriving(batch, served)
        table = pq.read_table(batch.labelled, pre_buffer=False)
        nothing = np.zeros(table.num_rows, dtype=bool)
        return self._write(batch, table, nothing, nothing)

    def due(self, place: int) -> tuple[Path, int] | None:
        """After each batch from FROM on, wrong labels for rows of the newest ones."""
        past = place > FROM if self.way.once else place >= FROM + (self.way.first or BATCHES)
        if place < FROM or past or not self.way.share:
            return None
        found = [self._inverted(one, place) for one in range(place - self.way.newest + 1, place + 1)]
        for table in found:
            self._pending[place].append(table)
        return super().due(place)

    def _inverted(self, one: int, place: int) -> pa.Table:
        """A share of the labels of a batch, another share every time."""
        schema, batch = self.source.schema, self.source.batches[one]
        table = pq.read_table(batch.labelled).select([str(schema.id_column), schema.target])
        labels = table.column(1).to_pylist()
        classes = sorted(set(labels), key=labels.count)
        drawn = np.random.default_rng(one).permutation(len(labels))
        per, step = round(self.way.share * len(labels)), place - one
        chosen = np.zeros(len(labels), dtype=bool)
        chosen[drawn[step * per : (step + 1) * per]] = True
        if self.way.of_class:
            chosen &= np.array([label == classes[0] for label in labels])
        wrong = [classes[0] if label == classes[-1] else classes[-1] for label in labels]
        return table.set_column(1, table.schema.field(1), pa.array(wrong, table.schema.field(1).type)).filter(chosen)


def measure(stream: Path, way: Way, hold: bool, mature: bool, work: Path) -> dict[str, Any]:
    """The mean of what was served from FROM on, files of labels that came and are held in the end, and the share of
    wrong labels among those that teach of the batches that were aimed at."""
    settings = _settings(stream, hold, mature)
    source = read_source([stream], settings, BATCHES, work, INITIAL, times=AGES)
    engine = Engine(source, settings, Path.cwd(), INITIAL, AGES)
    engine._label_files = sender = Sender(source, AGES, INITIAL, work)
    sender.way = way
    engine.play()
    files = engine._past.taken
    held = {file.seq for file in files if file.kind == "labels"} & set(engine.run.suspects.held)
    return {
        "mean": mean_of([*[None] * FROM, *engine.run.scores[FROM:]]),
        "sent": sum(file.kind == "labels" for file in files),
        "held": len(held),
        "wrong": _wrong(engine),
        "retrains": len(engine.run.cycles),
    }


def _settings(stream: Path, hold: bool, mature: bool) -> ModelSettings:
    target = pq.read_schema(stream).names[-1]
    settings = inferred_subject(stream, target, "").settings
    wanted: dict[str, Any] = {"id_column": None, "time_column": None, "metric": "balanced_accuracy"}
    wanted["suspicion"] = settings.suspicion.model_copy(update={"hold": hold})
    if mature:
        wanted["labels"] = LabelSettings.model_validate({"maturity": "1 files"})
    return settings.model_copy(update=wanted)


def _wrong(engine: Engine) -> float:
    """Of the labels that teach of batches from FROM on, the share that is wrong."""
    past, schema = engine._past, engine.source.schema
    settling, wrong, told = Settling(past.files(), schema, LabelSettings()), 0, 0
    rows = [file for file in past.taken if file.kind == "rows"]
    for file, batch in list(zip(rows, engine.source.batches, strict=False))[FROM:]:
        table, truth = read_snapshot(file.snapshot), pq.read_table(batch.labelled).column(schema.target).to_pylist()
        labels = believed_labels(table, file, settling, schema)[0].column(schema.target).to_pylist()
        pairs = [(a, b) for a, b in zip(labels, truth, strict=True) if a is not None]
        wrong, told = wrong + sum(a != b for a, b in pairs), told + len(pairs)
    return wrong / max(1, told)


def _streams(names: list[str], work: Path) -> Iterator[Path]:
    for place, name in enumerate(names):
        path = work / f"{name}.parquet"
        pq.write_table(KINDS[name](np.random.default_rng([7, place]), BATCHES * ROWS), path)
        yield path


def main() -> None:
    """A line for each stream and way."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.poison.feedback", description=__doc__)
    parser.add_argument("--streams", nargs="*", default=["driftless", "hyperplane"], choices=list(KINDS))
    parser.add_argument("--ways", nargs="*", type=int, default=range(len(WAYS)), help="by place in WAYS")
    parser.add_argument("--maturity", action="store_true", help='with maturity = "1 files"')
    asked = parser.parse_args()
    print("| stream | inverted | served | wrong that teach | files held | served, nothing held | wrong |")
    print("|---|---|---|---|---|---|---|")
    with TemporaryDirectory(prefix="driftd-bench-") as folder:
        for stream in _streams(asked.streams, Path(folder)):
            for place in asked.ways:
                print(_line(stream, WAYS[place], asked.maturity, Path(folder)), flush=True)


def _line(stream: Path, way: Way, mature: bool, folder: Path) -> str:
    found = []
    for hold in (True, False):
        with TemporaryDirectory(dir=folder) as work:
            found.append(measure(stream, way, hold, mature, Path(work)))
    one, other = found
    cells = [stream.stem, way.name, f"{one['mean']:.3f}", f"{one['wrong']:.1%}", f"{one['held']} of {one['sent']}"]
    return "| " + " | ".join([*cells, f"{other['mean']:.3f}", f"{other['wrong']:.1%}"]) + " |"


if __name__ == "__main__":
    main()
