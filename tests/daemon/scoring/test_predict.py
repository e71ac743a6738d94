"""`driftd predict` against a running service: the answers, the formats, what is refused, what is listed."""

import gzip
import json
import math
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from served_rows import identified, prices

pytestmark = pytest.mark.xdist_group("http")  # the service of tests/daemon/conftest.py

WRITERS = {
    "rows.parquet": pq.write_table,
    "rows.csv": pyarrow.csv.write_csv,
    "rows.csv.gz": lambda table, path: path.write_bytes(gzip.compress(_csv(table))),
    "rows.jsonl": lambda table, path: path.write_text(
        "".join(json.dumps(row, default=str) + "\n" for row in _rows(table))
    ),
}


def _csv(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(table, sink)
    return sink.getvalue().to_pybytes()


def _rows(table: pa.Table) -> list[dict]:
    return table.to_pylist()


def _over_http(daemon, model: str, table: pa.Table) -> dict:
    rows = [{k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in row.items()} for row in _rows(table)]
    answer = httpx.post(f"{daemon.url}/models/{model}/predict", json={"rows": rows}, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _read(path: Path) -> list[dict]:
    """The rows of a result."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    if ".jsonl" in path.name:
        return [json.loads(line) for line in text.splitlines()]
    return pyarrow.csv.read_csv(pa.BufferReader(text.encode())).to_pylist()


def test_answers_are_those_over_http_to_the_bit(daemon, tmp_path):
    """Of every format into every format, probabilities too; each row beside its own columns, in its order."""
    table = identified(5).drop_columns(["label"]).slice(0, 300)
    said = _over_http(daemon, "m", table)
    outs = ["out.parquet", "out.csv", "out.jsonl.gz"]
    for name, write in WRITERS.items():
        write(table, tmp_path / name)
        out = tmp_path / name.partition(".")[2] / outs[len(name) % 3]
        daemon.cli("predict", str(tmp_path / name), "--model", "m", "-o", str(out))
        found = _read(out)
        assert [row["prediction"] for row in found] == said["predictions"]
        given = [{"no": row["probability_no"], "yes": row["probability_yes"]} for row in found]
        assert given == said["probabilities"]
        assert {row["version"] for row in found} == {said["version"]}
        assert [(row["id"], float(row["x"]), row["colour"]) for row in found] == [
            (row["id"], row["x"], row["colour"]) for row in _rows(table)
        ]


def test_a_strict_regression_answers_as_over_http_and_lists_what_it_refuses_there(daemon, tmp_path):
    """Dates, booleans, whole numbers and categories; a row that the strict contract refuses is left out and listed with
    its line and reason, and `--strict` refuses the file with status 1 and writes nothing."""
    table = prices(7, 200).drop_columns(["price"])
    said = _over_http(daemon, "price", table)
    rows = [{k: str(v) if hasattr(v, "isoformat") else v for k, v in row.items()} for row in _rows(table)]
    bad = [
        {**rows[0], "rooms": 12},
        {**rows[0], "size": None},
        {**rows[0], "city": "wien"},
        {**rows[0], "garden": "maybe"},
    ]
    path, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows[:100], *bad, *rows[100:]]) + "no JSON\n")
    for one in bad:
        refused = httpx.post(f"{daemon.url}/models/price/predict", json={"rows": [one]}, timeout=60)
        assert refused.status_code == 400
    (told,) = daemon.json("predict", str(path), "--model", "price", "-o", str(out))
    assert [row["prediction"] for row in _read(out)] == said["predictions"]
    assert (told["rows"], told["rejected"]) == (200, 5)
    listed = [json.loads(line) for line in Path(told["rejects"]).read_text().splitlines()]
    assert [(one["line"], one["column"]) for one in listed] == [
        (101, "rooms"), (102, "size"), (103, "city"), (104, "garden"), (205, None),
    ]  # fmt: skip
    assert [one["reason"] for one in listed] == [
        "'12' is not from 1 to 9, as declared", "is missing", "'wien' is not among the declared categories",
        "'maybe' is not true or false", "not a JSON object",
    ]  # fmt: skip
    other = tmp_path / "other.csv"
    strict = daemon.cli("predict", str(path), "--model", "price", "-o", str(other), "--strict", check=False)
    assert strict.returncode == 1
    assert "5 rows cannot be answered; the first: line 101, column rooms" in strict.stderr
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out.jsonl", "out.jsonl.rejects.jsonl", "rows.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--model", "empty", "-o", "{}/o.csv"], 3, "empty has no promoted version yet; `driftd status` says"),
        (["--model", "pric", "-o", "{}/o.csv"], 2, "no model 'pric' in {config}; did you mean 'price'?"),
        (["-o", "{}/o.csv"], 2, "which model? name one with --model: m, empty, price"),
        (["--model", "m", "-o", "{}/o.csv", "--version", "v0009"], 2, "no stored version 'v0009' of m"),
        (["--model", "m", "-o", "{}/o.xml"], 3, "o.xml: cannot be written in that format; expected .parquet, .pq, .csv"),
        (["--model", "m", "-o", "{}/rows.csv"], 2, "rows.csv is a file that is scored; name another result"),
        (["--model", "m", "-o", "{}/there.csv"], 2, "there.csv is there already; --force replaces it"),
        (["--model", "price", "-o", "{}/o.csv"], 3, "rows.csv: 5 of 5 columns are missing: size, rooms, garden"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_told_with_the_way_out(daemon, tmp_path, arguments, status, told):
    """And nothing is written."""
    pyarrow.csv.write_csv(identified(5), tmp_path / "rows.csv")
    (tmp_path / "there.csv").write_text("mine")
    filled = [one.replace("{}", str(tmp_path)) for one in arguments]
    done = daemon.cli("predict", str(tmp_path / "rows.csv"), *filled, check=False)
    assert done.returncode == status
    assert told.replace("{config}", str(daemon.config)) in done.stderr
    assert sorted(one.name for one in tmp_path.iterdir()) == ["rows.csv", "there.csv"]
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_a_result_can_be_scored_again_under_other_names(daemon, tmp_path):
    """A column that is called as an answer is refused, in JSON also one that only a later row has; a prefix gives the
    answers other names, and `--force` replaces a result and the list of another run."""
    first, again, late = tmp_path / "first.csv", tmp_path / "again.jsonl", tmp_path / "late.jsonl"
    pyarrow.csv.write_csv(identified(5).slice(0, 20), tmp_path / "rows.csv")
    daemon.cli("predict", str(tmp_path / "rows.csv"), "--model", "m", "-o", str(first))
    refused = daemon.cli("predict", str(first), "--model", "m", "-o", str(again), check=False)
    assert refused.returncode == 3
    assert "first.csv: the file has a column 'prediction', as one of the answers is called; a prefix" in refused.stderr
    (told,) = daemon.json("predict", str(first), "--model", "m", "-o", str(again), "--prefix", "driftd_")
    assert told["columns"] == ["driftd_prediction", "driftd_probability_no", "driftd_probability_yes", "driftd_version"]
    assert all(row["driftd_prediction"] == row["prediction"] for row in _read(again))
    late.write_text(again.read_text().replace("prediction", "earlier") + '{"x": 1, "version": 3}\n')
    (tmp_path / "again.jsonl.rejects.jsonl").write_text("of another run")
    late.write_text('{"x": 1, "z": 2, "colour": "red"}\n' * 60_000 + '{"x": 1, "version": 3}\n')
    refused = daemon.cli("predict", str(late), "--model", "m", "-o", str(again), "--force", check=False)
    assert "an object has a key 'version', as one of the answers is called" in refused.stderr
    assert len(_read(again)) == 20
    daemon.cli("predict", str(first), "--model", "m", "-o", str(again), "--prefix", "d_", "--force")
    assert "d_prediction" in _read(again)[0]
    assert not (tmp_path / "again.jsonl.rejects.jsonl").exists()


def test_several_files_go_into_a_folder(daemon, tmp_path):
    """Each under its own name; a format that is only read is written as the nearest one. The version is named by its
    number, too."""
    for place, name in enumerate(("a.csv", "b.parquet")):
        WRITERS[f"rows.{name[2:]}"](identified(place).slice(0, 30), tmp_path / name)
    (tmp_path / "c.json").write_text(json.dumps(_rows(identified(3).slice(0, 10))))
    files = [str(tmp_path / name) for name in ("a.csv", "b.parquet", "c.json")]
    told = daemon.json("predict", *files, "--model", "m", "-o", str(tmp_path / "out"), "--version", "v0001")
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["a.csv", "b.parquet", "c.jsonl"]
    assert [one["rows"] for one in told] == [30, 30, 10]
    assert all(one["version"].startswith("v0001-") for one in told)
    one_file = daemon.cli("predict", *files, "--model", "m", "-o", str(tmp_path / "out.csv"), check=False)
    assert "out.csv is one file, and 3 are scored; name a folder, such as -o out/" in one_file.stderr


def test_what_a_result_has_of_its_file(daemon, tmp_path):
    """A CSV's values stay as they were written, quotes where they are needed; Parquet keeps its types; missing, unseen
    and infinite values are answered as over HTTP."""
    path = tmp_path / "odd.csv"
    path.write_text('colour,z,x,id,note\n"red",01.50, 2,007,"say ""hi"", now"\nunseen,NA,inf,,\n')
    daemon.cli("predict", str(path), "--model", "m", "-o", str(tmp_path / "o.csv"))
    lines = (tmp_path / "o.csv").read_text().splitlines()
    assert lines[1].startswith('red,01.50, 2,007,"say ""hi"", now",')
    assert lines[2].startswith("unseen,,inf,,,")
    rows = [{"colour": "red", "z": 1.5, "x": 2.0}, {"colour": "unseen", "z": None, "x": None}]
    said = httpx.post(f"{daemon.url}/models/m/predict", json={"rows": rows}, timeout=60).json()
    given = [[float(cell) for cell in line.split(",")[-3:-1]] for line in lines[1:]]
    assert given == [[one["no"], one["yes"]] for one in said["probabilities"]]
    typed = pa.table(
        {
            "x": pa.array([1.0, math.nan], pa.float32()), "z": pa.array([1, 2], pa.int8()),
            "colour": pa.array(["red", "blue"]).dictionary_encode(), "at": pa.array([1, 2], pa.timestamp("ns", "UTC")),
            "tags": [["a"], None],
        }
    )  # fmt: skip
    pq.write_table(typed, tmp_path / "typed.parquet")
    daemon.cli("predict", str(tmp_path / "typed.parquet"), "--model", "m", "-o", str(tmp_path / "t.parquet"))
    kinds = {field.name: field.type for field in pq.read_schema(tmp_path / "t.parquet")}
    assert kinds["x"] == pa.float32() and kinds["z"] == pa.int8() and kinds["colour"] == pa.string()
    assert kinds["at"] == pa.timestamp("ns", "UTC") and kinds["tags"] == pa.list_(pa.string())
