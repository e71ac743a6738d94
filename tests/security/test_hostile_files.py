"""Nothing that lies in a data folder or in the version store runs code, and no name leads out of the state folder."""

import base64
import functools
import gzip
import hashlib
import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skops.io
from daemon_harness import FAST, drop, rows
from learning import published
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from daemon.reading.digest import digest
from daemon.reading.operations import DigestRequest, TakeRequest
from daemon.reading.take import take
from retrain.operations import to_json
from retrain.records.errors import Refused
from retrain.records.schema import declared_schema, event_schema
from retrain.records.settings import ModelSettings
from retrain.store import model_file
from retrain.store.versions import load_version

HEADER, ROW = b"x,y\n", b"1.5,no\n"


class Evil:
    """Leaves a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (os.system, (f"touch {self.mark}",))


def taken(path: Path, work: Path) -> dict[str, Any]:
    """Take a file in as the analyst does."""
    settings = ModelSettings.model_validate({"data_dir": "d", "task": "classification", "target": "y"})
    return to_json(take(TakeRequest(path=path, schema=None, settings=settings, work=work)))


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that only executed code makes."""
    return tmp_path / "pwned"


# --- data files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl", "a.csv.gz", "a.csv.zst"])
def test_a_pickle_under_a_data_files_name_is_refused(tmp_path, mark, name):
    """It is data to be parsed, and never unpickled."""
    (tmp_path / name).write_bytes(pickle.dumps(Evil(mark)))
    with pytest.raises(Refused):
        taken(tmp_path / name, tmp_path / "work")
    assert not mark.exists()


def test_an_extension_type_with_a_pickle_in_its_metadata_is_not_loaded(tmp_path, mark):
    """Older Arrow unpickled it when a Parquet file was opened (CVE-2023-47248)."""
    payload = base64.b64encode(pickle.dumps(Evil(mark))).decode()
    field = pa.field("x", pa.float64(), metadata={
        "ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": payload,
    })  # fmt: skip
    table = pa.table(
        [pa.array([1.0, 2.0]), pa.array(["no", "yes"])], schema=pa.schema([field, pa.field("y", pa.string())])
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert taken(tmp_path / "a.parquet", tmp_path / "work")["rows"] == 2
    assert not mark.exists()


@pytest.mark.parametrize(
    "name",
    [
        "*.csv", "[ab].csv", "?.csv", "a'; COPY (SELECT 1) TO 'pwned'; --.csv", 'a" OR 1.csv', "$(touch pwned).csv", "`id`.csv",
        "a\nb.csv", "a\x1b[31m.csv", "..csv", "%2e%2e%2f.csv", "-rf.csv", "http:__evil.csv", "☃.csv", "n" * 200 + ".csv",
    ],
)  # fmt: skip
def test_a_files_name_is_only_a_name(tmp_path, monkeypatch, name):
    """Neither pattern nor SQL nor path: exactly this file's rows are taken, and nothing else is made."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "a.csv").write_bytes(HEADER + 7 * ROW)
    (folder / "b.csv").write_bytes(HEADER + 9 * ROW)
    (folder / name).write_bytes(HEADER + 3 * ROW)
    before = set(folder.iterdir())
    result = taken(folder / name, tmp_path / "work")
    assert result["rows"] == 3 and set(folder.iterdir()) == before
    made = {path.parent for path in tmp_path.rglob("*") if path.is_file()}
    assert made <= {folder, tmp_path / "work"}


@pytest.mark.parametrize(
    "cell",
    [
        "=cmd|'/c calc'!A1",
        "'; DROP TABLE files; --",
        "$(touch pwned)",
        "read_text('/etc/passwd')",
        "\x1b]0;x\x07",
        "{{7*7}}",
    ],
)
def test_a_cell_is_only_a_value(tmp_path, monkeypatch, cell):
    """It arrives as it is."""
    monkeypatch.chdir(tmp_path)
    quoted = '"' + cell.replace('"', '""') + '"'
    (tmp_path / "a.csv").write_text(f"x,y\n{quoted},no\n{quoted},yes\n")
    result = taken(tmp_path / "a.csv", tmp_path / "work")
    assert pq.read_table(result["snapshot"]).column("x").to_pylist() == [cell, cell]
    assert not (tmp_path / "pwned").exists()


def test_damaged_parquet_costs_a_message(tmp_path):
    """A byte changed anywhere, or the end cut off: a refusal or other values, never a crash."""
    whole = io.BytesIO()
    pq.write_table(pa.table({"x": np.arange(200.0), "y": ["no", "yes"] * 100}), whole)
    data, rng = whole.getvalue(), np.random.default_rng(7)
    for turn in range(120):
        broken = bytearray(data)
        if turn % 3:
            for at in rng.integers(0, len(data), 4):
                broken[at] ^= int(rng.integers(1, 256))
        else:
            del broken[int(rng.integers(0, len(data))) :]
        (tmp_path / f"{turn}.parquet").write_bytes(bytes(broken))
        try:
            taken(tmp_path / f"{turn}.parquet", tmp_path / "work")
        except Refused as error:
            assert len(str(error)) > 10


# --- model files --------------------------------------------------------------------------------------------------


def evil_estimators(mark: Path) -> dict[str, Any]:
    """Estimators that would run a command when they are restored or asked."""
    tree = DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1])
    tree.extra = functools.partial(os.system, f"touch {mark}")
    other = DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1])
    other.extra = FunctionTransformer(os.system)
    return {"partial": tree, "function": other}


@pytest.mark.parametrize("kind", ["partial", "function"])
def test_a_model_file_that_names_a_command_is_refused(tmp_path, mark, kind):
    """Whatever the file says of what it wants to be trusted."""
    (tmp_path / "model.skops").write_bytes(skops.io.dumps(evil_estimators(mark)[kind]))
    with pytest.raises(Refused, match="not trusted"):
        model_file.load(tmp_path / "model.skops")
    assert not mark.exists()


def sealed(version: Path, name: str, data: bytes) -> None:
    """Replace a file of a published version, with a manifest that fits it."""
    (version / name).write_bytes(data)
    manifest = json.loads((version / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256(data).hexdigest()
    (version / "manifest.json").write_text(json.dumps(manifest))


def test_pickled_arrays_and_paths_within_a_model_file_are_not_followed(tmp_path, mark):
    """An object array in the archive is not unpickled; a member's path leads nowhere."""
    version = published(tmp_path)
    evil = np.empty(1, dtype=object)
    evil[0] = Evil(mark)
    array = io.BytesIO()
    np.save(array, evil, allow_pickle=True)
    with zipfile.ZipFile(version / "model.skops") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    rewritten = io.BytesIO()
    with zipfile.ZipFile(rewritten, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, array.getvalue() if name.endswith(".npy") else data)
        archive.writestr("../../../escaped", b"x")
    sealed(version, "model.skops", rewritten.getvalue())
    with pytest.raises(Refused):
        load_version(version)
    assert not mark.exists() and not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("name", ["preprocessor.json", "training.json", "schema.json"])
@pytest.mark.parametrize(
    "data", [b"", b"null", b"[]", b"{}", b"\x80\x04.", b'{"format": 1, "encoding": "codes", "features": 3}']
)
def test_a_version_of_nonsense_is_refused(tmp_path, name, data):
    """With its name: a server keeps what it serves."""
    version = published(tmp_path)
    sealed(version, name, data)
    with pytest.raises(Refused):
        load_version(version)


# --- a whole daemon -----------------------------------------------------------------------------------------------


def test_links_and_odd_files_in_a_data_folder_lead_nowhere(make_daemon):
    """A link to a folder is not followed, a pipe is not opened, and none of it keeps a good file from being taken."""
    daemon = make_daemon(FAST).start()
    (daemon.data / "up").symlink_to(daemon.folder)
    (daemon.data / "round").symlink_to(daemon.data)
    os.mkfifo(daemon.data / "pipe.csv")
    (daemon.data / "gone.csv").symlink_to(daemon.folder / "nowhere")
    (daemon.data / "state.csv").symlink_to(daemon.folder / "state" / "ledger.sqlite")
    drop(rows(1), daemon.data / "a.csv")
    daemon.wait("file_accepted", file="a.csv")
    for name in ("pipe.csv", "gone.csv", "state.csv"):
        daemon.wait("file_refused", file=name)
    assert daemon.stop() == 0
    told = daemon.cli("files", "m").stdout
    assert "config.toml" not in told and "a.csv" in told


def test_a_link_that_leads_out_of_the_folder_is_refused_unread(make_daemon):
    """Nothing of what it leads to is in log, ledger or `driftd files`; a link within the folder is read, also where
    the data folder is a link."""
    daemon = make_daemon(FAST)
    (daemon.folder / "secret.txt").write_text("root:x:0\nhunter2,hunter3\n")
    real = daemon.data.rename(daemon.folder / "real")
    daemon.data.symlink_to(real)
    (real / "out.csv").symlink_to(daemon.folder / "secret.txt")
    (real / "up.csv").symlink_to("../real/../secret.txt")
    daemon.start()
    drop(rows(1), real / "a.csv")
    (real / "sub").mkdir()
    drop(rows(2), real / "sub" / ".kept.csv")
    (real / "in.csv").symlink_to(real / "sub" / ".kept.csv")
    for name in ("a.csv", "in.csv"):
        daemon.wait("file_accepted", file=name)
    for name in ("out.csv", "up.csv"):
        assert "leads out" in daemon.wait("file_refused", file=name)["reason"]
    assert daemon.stop() == 0
    told = daemon.cli("files", "m").stdout + "\n".join(daemon.raw)
    assert "hunter" not in told and "root:x" not in told
    assert b"hunter" not in (daemon.folder / "state" / "ledger.sqlite").read_bytes()


STRANGE = {
    "a.csv": b"hunter2,hunter3\n1,2\n",
    "b.csv": b"hunter2,hunter2\n1,2\n",
    "c.csv": b"hunter2,HUNTER2\n1,2\n",
    "d.csv": b"hunter2\nx\n",
    "e.csv": b'hunter2,hunter3\n"hunter4,2\n',
    "f.csv": "hunter2,é\n".encode("latin-1") * 3,
    "a.tsv": b"hunter2\thunter3\n1\t2\n",
    "a.json": b'{"hunter2": [{"hunter3": 1}]}',
    "b.json": b'{"hunter2": 1}',
    "a.jsonl": b'{"hunter2": "hunter3"}\n',
    "b.jsonl": b"hunter2\n",
    "a.csv.gz": gzip.compress(b"hunter2,hunter3\n1,2\n"),
    "b.csv.gz": b"hunter2",
    "a.parquet": b"hunter2",
    "a.xlsx": b"hunter2",
}


@pytest.mark.parametrize("name", [*STRANGE, "b.parquet"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("items", [True, False])
def test_of_a_file_that_is_not_the_models_nothing_is_told(tmp_path, name, first, items):
    """Somebody's secrets under a data file's name: a refusal of what lies in a data folder says no more of it than the
    names that were declared."""
    path = tmp_path / name
    path.write_bytes(STRANGE.get(name, b""))
    if name == "b.parquet":
        pq.write_table(pa.table({"hunter2": ["hunter3" * 200_000]}), path)
    told = {"data_dir": "d", "task": "classification", "target": "y", "columns": {"x": "number", "y": "category"}}
    if items:
        told = {"data_dir": "d", "task": "recommendation", "user_column": "u", "item_column": "i", "time_column": "t"}
    settings = ModelSettings.model_validate(told)
    schema = None if first else declared_schema(settings) if not items else event_schema(settings)
    asked = TakeRequest(path=path, schema=schema, settings=settings, work=tmp_path / "work", root=tmp_path, items=items)
    with pytest.raises(Refused) as caught:
        take(asked)
    assert "hunter" not in str(caught.value).lower() and len(str(caught.value)) > 20


def test_who_runs_a_command_on_a_file_is_told_what_it_has(tmp_path):
    """The names of its columns, and which may be meant."""
    (tmp_path / "a.csv").write_text("x,yy\n1,2\n")
    with pytest.raises(Refused, match=r"target 'y' is no column; did you mean 'yy'\? the file has x, yy; "):
        taken(tmp_path / "a.csv", tmp_path / "work")


@pytest.mark.parametrize("operation", ["digest", "take"])
def test_a_file_that_became_a_link_after_it_was_looked_at_is_refused(tmp_path, operation):
    """The analyst looks again where a link leads before it reads."""
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "secret").write_text("hunter2\n1\n")
    (data / "a.csv").symlink_to(tmp_path / "secret")
    settings = ModelSettings.model_validate({"data_dir": "d", "task": "classification", "target": "y"})
    with pytest.raises(Refused, match="leads out"):
        if operation == "digest":
            digest(DigestRequest(path=data / "a.csv", root=data))
        else:
            take(TakeRequest(path=data / "a.csv", schema=None, settings=settings, work=tmp_path / "w", root=data))
