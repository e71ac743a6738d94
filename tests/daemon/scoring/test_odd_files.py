"""Files of odd or hostile shapes are answered row by row, or refused with a word."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from learning import published, rows, table

from daemon.scoring import score
from daemon.scoring.answers import Answered, How
from daemon.scoring.logged import LoggedSample
from daemon.scoring.rows import RawBatch
from daemon.scoring.score import Scored, Scorer
from daemon.server.prediction_log import SALT
from daemon.server.served import ServedDeployment, load_served
from daemon.server.sticky import position
from retrain.records.deployment import Deployment
from retrain.records.errors import Refused
from retrain.records.schema import Column
from retrain.records.settings import IntakeSettings

pytestmark = pytest.mark.xdist_group("odd_files")  # one model for all of them


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> ServedDeployment:
    """A small deployment."""
    folder: Path = tmp_path_factory.mktemp("odd")
    version = published(folder)
    return load_served(Deployment.of(1, "m", {version.name: 1.0}), 0, folder / "versions" / "m")


@pytest.fixture
def scored(served, tmp_path) -> Callable[..., tuple[Scored, bytes, list[dict]]]:
    """Scores a file: what it came to, the result, and the list of rows without an answer."""

    def one(path: Path, name: str, **more) -> tuple[Scored, bytes, list[dict]]:
        out, rejected = io.BytesIO(), io.BytesIO()
        made = Scorer(served, How(served.schema), IntakeSettings(), tmp_path, **more).score(path, name, out, rejected)
        return made, out.getvalue(), [json.loads(line) for line in rejected.getvalue().splitlines()]

    return one


def _plain(count: int = 20) -> pa.Table:
    return table(rows(count)).drop_columns(["y"])


def test_an_array_of_objects_over_lines_becomes_an_object_a_line(scored, tmp_path):
    """Line ends within values stay as they were written."""
    path = tmp_path / "a.json"
    given = [{**row, "t": row["t"] and str(row["t"]), "note": "two\nlines"} for row in _plain().to_pylist()]
    for ends in ("\n", "\r\n"):
        path.write_text(json.dumps(given, indent=2).replace("\n", ends).replace("Infinity", "null"), newline="")
        _, out, _ = scored(path, "a.jsonl")
        lines = [json.loads(line) for line in out.splitlines()]
        assert [line["note"] for line in lines] == ["two\nlines"] * 20
        assert all("prediction" in line for line in lines)


@pytest.mark.parametrize("column", [[["a" * 50] * 9] * 20, [{"k": 1}] * 20])
def test_columns_of_lists_are_only_for_the_command(scored, tmp_path, column):
    """A row of them has any number of values: in dropped files they are refused."""
    path = tmp_path / "a.parquet"
    pq.write_table(_plain().append_column("tags", pa.array(column)), path)
    assert scored(path, "a.parquet")[0].rows == 20
    with pytest.raises(Refused, match="column 'tags' holds lists or structures"):
        scored(path, "a.parquet", most_cells=10**9)


def test_rows_without_an_answer_are_told_by_their_lines(scored, tmp_path):
    """Also behind values that have lines of their own."""
    path = tmp_path / "a.csv"
    good, bad = '1,2,true,a,2024-01-01,"one\ntwo"\n', "far,2,true,a,2024-01-01,z\n"
    path.write_text("x,n,b,c,t,note\n" + good * 3 + bad + good + bad)
    made, out, rejected = scored(path, "a.csv")
    assert (made.rows, made.rejected) == (4, 2)
    assert [(one["line"], one["column"]) for one in rejected] == [(8, "x"), (11, "x")]
    assert out.count(b"one\ntwo") == 4


def test_long_rows_go_through_a_few_at_a_time(scored, tmp_path, monkeypatch):
    """Of texts, also where only later ones are long; all are answered, in their order."""
    sizes = list[int]()
    monkeypatch.setattr("daemon.scoring.rows.BATCH_BYTES", 100_000)
    plain = score.answered

    def seen(batch: RawBatch, *more) -> Answered:
        sizes.append(batch.columns.nbytes)
        return plain(batch, *more)

    monkeypatch.setattr(score, "answered", seen)
    notes = ["short"] * 500 + [f"{place} " * 500 for place in range(500)]
    given = _plain(1000).append_column("note", pa.array(notes))
    pyarrow.csv.write_csv(given, tmp_path / "a.csv")
    (tmp_path / "a.jsonl").write_text(
        "".join(json.dumps({**dict.fromkeys("nbct"), "x": 1.0, "note": note}) + "\n" for note in notes)
    )
    for name in ("a.csv", "a.jsonl"):
        sizes.clear()
        made, out, _ = scored(tmp_path / name, "a.parquet")
        assert pq.read_table(pa.BufferReader(out)).column("note").to_pylist() == notes
        assert made.rows == 1000
        assert max(sizes) <= 100_000


@pytest.mark.parametrize("name", ["__row", "__line", "__is_object"])
def test_names_that_are_needed_are_refused(scored, tmp_path, name):
    """In every format."""
    given = _plain().append_column(name, pa.array([True] * 20))
    pq.write_table(given, tmp_path / "a.parquet")
    pyarrow.csv.write_csv(given, tmp_path / "a.csv")
    (tmp_path / "a.jsonl").write_text(json.dumps({**dict.fromkeys("xnbct"), name: True}) + "\n")
    for file in ("a.parquet", "a.csv", "a.jsonl"):
        with pytest.raises(Refused, match=f"a column is named '{name}', which driftd needs itself"):
            scored(tmp_path / file, "a.csv")


def test_the_log_keeps_fewer_rows_of_many_columns(served):
    """So that what it keeps of a file is bounded."""
    assert LoggedSample(served.schema, "v", 1.0, 0.0).most_rows == 100_000
    wide = replace(served.schema, columns=tuple(Column(f"x{at}", "number") for at in range(1000)))
    assert LoggedSample(wide, "v", 1.0, 0.0).most_rows == 10_000


def test_ids_are_those_of_requests_and_rows_without_one_are_chosen_by_counting(served, tmp_path):
    """Whole floats are integers, whatever the format; of rows without an id the share is kept, too."""
    schema = replace(served.schema, columns=(*served.schema.columns, Column("id", "category")), id_column="id")
    ids = [float(at) if at % 2 else None for at in range(400)]
    given = _plain(400).append_column("id", pa.array(ids, pa.float64()))
    pq.write_table(given, tmp_path / "a.parquet")
    sample = LoggedSample(schema, "v", 0.5, 0.0)
    scorer = Scorer(served, How(schema), IntakeSettings(), tmp_path, lambda: sample.add)
    scorer.score(tmp_path / "a.parquet", "a.csv", io.BytesIO(), io.BytesIO())
    logged = sample.write(tmp_path)
    kept = pq.read_table(logged.path).column("__id").to_pylist()
    wanted = [str(at) for at in range(1, 400, 2) if position(SALT, str(at)) < 0.5]
    assert [key for key in kept if key is not None] == wanted
    assert kept.count(None) == 100


def test_tabs_are_between_values_by_the_ending(scored, tmp_path):
    """A name that only has those letters within is no such ending."""
    pyarrow.csv.write_csv(_plain(), tmp_path / "a.csv")
    for name, mark in (("my.tsv.csv", b","), ("my.tsv", b"\t")):
        head = scored(tmp_path / "a.csv", name)[1].splitlines()[0]
        assert head.split(mark)[:2] == [b"x", b"n"]
