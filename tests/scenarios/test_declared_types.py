"""What a file declares as text is a category to the model and to requests; what is no data file is told."""

from pathlib import Path

import local_http
import numpy as np
import pyarrow as pa
from daemon_harness import FAST, Daemon, drop, rows


def test_digits_in_text_are_a_category_from_the_file_to_the_answer(tmp_path: Path) -> None:
    """A first Parquet file with digits in strings and dictionaries is learned from, and a request with the same values
    is answered, as text and as numbers; a file that no pattern takes is logged once and listed."""
    daemon = Daemon(tmp_path, FAST, columns=False)
    table, rng = rows(1), np.random.default_rng(2)
    zips = [f"1{n}234" for n in rng.integers(0, 5, table.num_rows)]
    ages = pa.array([str(n) for n in rng.integers(1, 4, table.num_rows)]).dictionary_encode()
    try:
        daemon.start(wait_ready=False)
        drop(table.append_column("zip", pa.array(zips)).append_column("age", ages), daemon.data / "a.parquet")
        inferred = daemon.wait("schema_inferred")
        assert (inferred["columns"]["zip"], inferred["columns"]["age"]) == ("category", "category")
        daemon.wait("model_swapped")
        for zip_code, age in (("11234", "2"), (11234, 2)):
            row = {"x": 0.3, "z": -1.0, "colour": "red", "zip": zip_code, "age": age}
            answer = local_http.post(f"{daemon.url}/models/m/predict", json={"rows": [row]})
            assert answer.status_code == 200, answer.text
        (daemon.data / "notes.txt").write_text("remember the milk")
        told = daemon.wait("file_unread")
        assert told["file"] == "notes.txt" and '"*.txt" to intake.patterns' in told["reason"]
        assert [one["path"] for one in daemon.json("files", "m") if one["state"] == "unread"] == ["notes.txt"]
        assert "notes.txt is not read" in daemon.cli("doctor", check=False).stdout
        assert len(list(daemon.seen("file_unread"))) == 1
    finally:
        daemon.close()
