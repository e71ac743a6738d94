"""A whole daemon whose data are in a prefix of a real S3 store."""

import io
import json
import re
from collections.abc import Callable
from typing import Any

import local_http
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from daemon_harness import FAST, Daemon, free_port, rows
from helpers import wait_for
from postgresql import Server, needs_postgresql
from s3 import S3, SECRET, needs_s3

pytestmark = [needs_s3, pytest.mark.xdist_group("postgresql")]
SELDOM = FAST.replace('rescan = "500ms"', 'poll = "1h"\npoll_quiet = "1h"')
"""What is noticed is noticed by a hint."""


def content(table: pa.Table, name: str) -> bytes:
    """As the name says."""
    file = io.BytesIO()
    if name.endswith(".parquet"):
        pq.write_table(table, file)
    else:
        pyarrow.csv.write_csv(table, file)
    return file.getvalue()


def on_prefix(daemon: Daemon, s3: S3, uri: str) -> Daemon:
    """Its data are below that URI."""
    (daemon.folder / "lake").write_text("".join(f"{name}={value}\n" for name, value in s3.options.items()))
    (daemon.folder / "lake").chmod(0o600)
    told = f'data_dir = "{uri}"\ndata_dir_file = "lake"'
    daemon.config.write_text(daemon.config.read_text().replace('data_dir = "data"', told))
    return daemon


def prefix_of(daemon: Daemon) -> dict[str, Any]:
    """What status says of it; a moment after the log does."""
    return dict(daemon.json("status")["models"]["m"]["prefix"])


def test_objects_of_a_bucket_teach_a_model_whoever_is_killed(make_daemon: Callable[..., Daemon], s3: S3) -> None:
    """From the first object to a served version; killed between fetch and commit each is taken once; a webhook's message
    has it look at once; while the store is away predictions go on, it is told once, and status and doctor say why; then it
    goes on. No secret is told."""
    uri = f"{s3.bucket()}/exports"
    daemon = on_prefix(make_daemon(SELDOM, service="page_acts = true"), s3, uri)
    s3.put(uri, "2026/a.csv", content(rows(1), "a.csv"))
    daemon.plan("control prefix.fetched 2 1 KILL")
    daemon.start()
    daemon.wait("version_promoted")
    daemon.wait("cycle_finished")
    s3.put(uri, "b.parquet", content(rows(2), "b.parquet"))
    daemon.cli("pull", "m", check=False)
    daemon.wait_dead()
    daemon.start()
    daemon.wait("file_accepted", file="b.parquet")

    s3.put(uri, "c.csv", content(rows(3), "c.csv"))
    hint = f"{daemon.url}/api/m/m/pull"
    event = {"content": b'{"Records": [{"s3": {}}]}', "headers": {"content-type": "text/plain"}}
    wait_for(lambda: local_http.post(hint, **event).status_code in (200, 202))
    daemon.wait("file_accepted", file="c.csv")
    assert daemon.cli("pull", "m").stdout == "no object is new; 3 objects were listed by 1 request\n"

    options = daemon.folder / "lake"
    told = options.read_text()
    options.write_text(re.sub(r"127.0.0.1:\d+", f"127.0.0.1:{free_port()}", told))
    assert daemon.cli("pull", "m", check=False).returncode == 1
    daemon.wait("prefix_awaited")
    assert daemon.predict().status_code == 200
    failing = wait_for(lambda: prefix_of(daemon)["failing"])
    assert prefix_of(daemon)["uri"] == uri and "list failed" in failing["reason"]
    found = json.loads(daemon.cli("doctor", "--json", check=False).stdout)
    assert any(uri in one["what"] and one["level"] == "error" for one in found)
    options.write_text(told)
    assert daemon.cli("pull", "m").stdout == "no object is new; 3 objects were listed by 1 request\n"
    daemon.wait("prefix_reached")
    wait_for(lambda: prefix_of(daemon)["failing"] is None)
    assert any(f"watches {uri}, 3 data files" in one["what"] for one in daemon.json("doctor"))
    assert daemon.cli("hold", f"{uri}/c.csv").returncode == 0
    assert {one["path"]: one["state"] for one in daemon.json("files", "m")} == {
        "2026/a.csv": "accepted", "b.parquet": "accepted", "c.csv": "held",
    }  # fmt: skip
    assert sorted(one["file"] for one in daemon.seen("file_accepted")) == ["2026/a.csv", "b.parquet", "c.csv"]
    assert len(list(daemon.seen("prefix_awaited"))) == 1
    assert daemon.stop() == 0 and SECRET not in "\n".join(daemon.raw)


@pytest.mark.long
@needs_postgresql
def test_another_host_goes_on_with_the_same_prefix(
    make_daemon: Callable[..., Daemon], s3: S3, postgresql: Server
) -> None:
    """Ledger in a database, files in a store, data in a prefix: nothing is on the disk of a host that is lost, and the
    next one takes no object twice. One that cannot be answered, as where the gateway stands still, is told."""
    bucket = s3.bucket()
    with postgresql.ledger() as url:

        def host() -> Daemon:
            service = f'page = false\nledger_file = "url"\nstore = "{bucket}/driftd"\nstore_file = "lake"'
            made = on_prefix(make_daemon(SELDOM, service=service), s3, f"{bucket}/in")
            (made.folder / "url").write_text(url)
            (made.folder / "url").chmod(0o600)
            return made

        s3.put(f"{bucket}/in", "a.csv", content(rows(1), "a.csv"))
        first = host().start()
        first.wait("model_swapped")
        first.wait("cycle_finished")
        answer = first.predict().json()
        first.kill()
        second = host().start()
        s3.put(f"{bucket}/in", "b.csv", content(rows(2), "b.csv"))
        second.wait("model_swapped")
        second.cli("pull", "m")
        second.wait("file_accepted", file="b.csv")
        assert second.predict().json() == answer
        assert [one["file"] for one in second.seen("file_accepted")] == ["b.csv"]
        with s3.away():
            second.cli("pull", "m", check=False)
            second.wait("prefix_awaited")
            assert second.predict().status_code == 200
        second.wait("prefix_reached")
        assert second.stop() == 0
