"""How far labels are in is found anew only where something changed, and is then what it would be without any memory."""

from pathlib import Path

import learning
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retrain.model.deployment import LoadedDeployment
from retrain.monitoring import label_trust
from retrain.monitoring.cache import Memory
from retrain.monitoring.label_trust import judge_labels
from retrain.operations import AcceptedFile
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings
from retrain.store.versions import load_version

ROWS, FILES, LATE = 120, 9, 2
SETTINGS = ModelSettings.model_validate({"data_dir": "d", "task": "classification", "target": "y", "id_column": "id"})


def accepted(folder: Path) -> list[AcceptedFile]:
    """Files of rows without labels, each followed by a file with those of two files before; the last one corrects some
    of the first, and brings some of the newest."""
    files: list[AcceptedFile] = []
    made = [learning.rows(ROWS, seed=place) for place in range(FILES)]

    def take(table: pa.Table, kind: str) -> None:
        seq = len(files) + 1
        path = folder / f"{seq}.parquet"
        pq.write_table(table, path)
        files.append(AcceptedFile(seq=seq, snapshot=path, digest=f"d{seq}", rows=table.num_rows, kind=kind,
                                  accepted_at=86400.0 * seq))  # fmt: skip

    def ids(place: int) -> list[str]:
        return [f"{place}-{row}" for row in range(ROWS)]

    for place in range(FILES):
        table = learning.table(made[place]).drop_columns(["y"]).append_column("id", pa.array(ids(place)))
        take(table.append_column("__row", pa.array(np.arange(1, ROWS + 1))), "rows")
        if place >= LATE:
            labels = [row["y"] for row in made[place - LATE]]
            take(pa.table({"id": ids(place - LATE), "y": labels}), "labels")
    few = pa.table({"id": ids(0)[:30] + ids(FILES - 1)[:40], "y": ["yes"] * 70})
    take(few, "labels")
    return files


def test_what_is_remembered_is_what_would_be_found_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each file, as labels come, are corrected, and files get older; before a model, with one, and with another.
    Labels that stay as they are are not looked at again."""
    looked: list[int] = []
    young = label_trust._young_labels

    def counted(raw: label_trust.History, seq: int, *others: object) -> object:
        looked.append(seq)
        return young(raw, seq, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(label_trust, "_young_labels", counted)
    schema = Schema((*learning.schema().columns, Column("id", "category")), "classification", "y", id_column="id")
    first = load_version(learning.published(tmp_path / "first"))
    other = load_version(learning.published(tmp_path / "other", made=learning.rows(300, seed=99)))
    assert first.name != other.name
    files, memory = accepted(tmp_path), Memory()
    for count in range(1, len(files) + 1):
        version = None if count < 6 else first if count < 12 else other
        served = None if version is None else LoadedDeployment({"v": version}, {"v": 1.0}, "v")
        some, now = files[:count], files[count - 1].accepted_at
        fresh = judge_labels(some, schema, served, SETTINGS, now, Memory()).to_json()
        looked.clear()
        assert judge_labels(some, schema, served, SETTINGS, now, memory).to_json() == fresh
        assert len(looked) <= 2 or count in (6, 12)
        assert judge_labels(some, schema, served, SETTINGS, now, memory).to_json() == fresh
    assert fresh["labelled"] == (FILES - LATE) * ROWS + 40
