"""A daemon that holds what looks poisoned, trains on the rest, and takes persistent change for a new normal."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
from daemon_harness import FAST, Daemon, drop, rows

PATIENT = FAST.replace("on_drift = true", "on_drift = false").replace("on_performance = true", "on_performance = false")
PATIENT += "growth = 100\n"


def in_other_units(table: pa.Table) -> pa.Table:
    """Column z a thousand times as large."""
    return table.set_column(1, "z", pc.multiply(table["z"], 1000.0))


def test_a_held_file_teaches_nobody_until_its_kind_persists(make_daemon: Callable[..., Daemon]) -> None:
    """It is checked, listed with its reason and left out of training; the third in a row lets all of them in."""
    daemon = make_daemon(PATIENT).start()
    for seed, name in enumerate("abc"):
        drop(rows(seed, 400), daemon.data / f"{name}.csv")
        daemon.wait("file_accepted", file=f"{name}.csv")
    daemon.wait("model_swapped")
    drop(in_other_units(rows(9, 400)), daemon.data / "d.csv")
    held = daemon.wait("file_held", file="d.csv")
    assert held["kinds"] == ["unit_bug"] and "z" in held["reason"]
    assert daemon.wait("check_finished", file="d.csv")
    listed = daemon.cli("files", "m", "--held").stdout
    assert "d.csv" in listed and "driftd release" in listed
    assert "1 held" in daemon.cli("status").stdout
    daemon.cli("retrain", "m")
    finished = daemon.wait("cycle_finished", since=daemon.events.index(held))
    facts = daemon.json("explain", str(finished["cycle_id"]))
    assert [one["file"] for one in facts["held"]] == ["d.csv"]
    prepared = facts["prepare"]
    assert prepared["train_rows"] + prepared["holdout_rows"] <= 1200
    for seed, name in ((10, "e"), (11, "f")):
        drop(in_other_units(rows(seed, 400)), daemon.data / f"{name}.csv")
        daemon.wait("file_accepted", file=f"{name}.csv")
    assert {daemon.wait("file_released", file=f"{name}.csv")["file"] for name in "de"} == {"d.csv", "e.csv"}
    assert {row["state"] for row in daemon.json("files", "m")} == {"accepted"}
