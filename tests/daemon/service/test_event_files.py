"""A real service takes a log's files and its catalogue in, and tells what is odd about them."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from daemon_harness import Daemon, drop
from event_logs import log

from retrain.recommendation.catalogue_file import read_catalogue

MODEL = """\
[models.m]
data_dir = "data"
task = "recommendation"
user_column = "who"
item_column = "what"
time_column = "at"
items_file = "./items.csv"
[models.m.intake]
settle = "200ms"
rescan = "500ms"
[models.m.triggers]
first_rows = 100000
"""


def shop(folder: Path) -> Daemon:
    """A daemon that watches a log; its catalogue lies beside the configuration."""
    daemon = Daemon(folder)
    service = daemon.config.read_text("utf-8").partition("[models.m]")[0]
    daemon.config.write_text(service + MODEL, "utf-8")
    return daemon


def items(daemon: Daemon, text: str) -> None:
    temporary = daemon.folder / ".items.tmp"
    temporary.write_text(text, "utf-8")
    temporary.replace(daemon.folder / "items.csv")


def test_a_service_takes_a_log_and_its_catalogue(tmp_path: Path) -> None:
    """Files of several formats become one set of events: milliseconds, repeated events and a bot are told by `files`;
    the newest catalogue counts, and a broken one leaves the one before; a doubt that ids differ is told by doctor."""
    table = log(1500)
    milliseconds = pa.array([1000 * one for one in table["at"].to_pylist()])
    bot = pa.table({"who": ["bot"] * 150, "what": table["what"].slice(0, 150), "at": table["at"].slice(1000, 150)})
    daemon = shop(tmp_path)
    try:
        daemon.start()
        items(daemon, "what,available,colour\ni01,true,red\ni02,false,\n")
        first = daemon.wait("file_accepted", kind="items")
        assert (first["file"], first["rows"]) == ("./items.csv", 2)
        drop(table.slice(0, 500), daemon.data / "a.csv")
        drop(table.slice(450, 550).set_column(2, "at", milliseconds.slice(450, 550)), daemon.data / "b.parquet")
        drop(pa.concat_tables([table.slice(1000), bot]), daemon.data / "c.csv")
        for name in ("a.csv", "b.parquet", "c.csv"):
            daemon.wait("file_accepted", file=name)
        since = len(daemon.events)
        items(daemon, "id\ni01\n")
        daemon.wait("file_refused", since=since, file="./items.csv")
        items(daemon, "what,available,colour\ni01,true,red\nx02,true,\nx03,true,\n")
        daemon.wait("file_accepted", since=since, file="./items.csv")
        known = {one["path"]: one for one in daemon.json("files", "m")}
        assert "too large for seconds" in str(known["b.parquet"]["quality"]["notes"])
        assert list(known["c.csv"]["quality"]["events"]["outlandish_accounts"]) == ["bot"]
        newest = read_catalogue(daemon.folder / "state" / known["./items.csv"]["snapshot"])
        assert newest.items.tolist() == ["i01", "x02", "x03"]
        snapshot = pq.read_table(daemon.folder / "state" / known["b.parquet"]["snapshot"])
        assert snapshot.column_names == ["who", "what", "at", "__row"]
        told = json.loads(daemon.cli("doctor", "--json", check=False).stdout)
        assert any("on items that the items file lists" in one["what"] for one in told)
        assert daemon.json("status")["models"]["m"]["labelled_rows"] == 500 + 550 + 650
    finally:
        daemon.close()


def test_a_catalogue_in_the_data_folder_may_not_lead_out_of_it(tmp_path: Path) -> None:
    """Who may write to the data folder may not have another file read as the catalogue."""
    daemon = shop(tmp_path)
    daemon.config.write_text(daemon.config.read_text("utf-8").replace("./items.csv", "items.csv"), "utf-8")
    (tmp_path / "elsewhere.csv").write_text("what\ni01\n", "utf-8")
    (daemon.data / "items.csv").symlink_to(tmp_path / "elsewhere.csv")
    try:
        daemon.start()
        assert "leads out" in daemon.wait("file_refused", file="items.csv")["reason"]
    finally:
        daemon.close()
