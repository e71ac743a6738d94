"""Logs: JSON lines into a pipe, fields for the journal, and nobody is stopped by a reader that went away."""

import array
import errno
import fcntl
import io
import json
import os
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import structlog
from event_lines import undeclared

from daemon.runtime.log import Journal, configure, get_logger, journal_datagram, log_dropped

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def restored():
    """Leave structlog as it was."""
    yield
    structlog.reset_defaults()


def test_json_lines_have_the_fixed_fields_first():
    """event, level and timestamp, then the context."""
    stream = io.StringIO()
    configure(style="json", stream=stream)
    get_logger().bind(model="m").info("file_seen", file="a\nb ☂")
    entry = json.loads(stream.getvalue())
    assert list(entry)[:3] == ["event", "level", "timestamp"]
    assert (entry["event"], entry["model"], entry["file"]) == ("file_seen", "m", "a\nb ☂")
    assert stream.getvalue().count("\n") == 1


def test_a_name_that_is_no_unicode_does_not_stop_the_log():
    """Undecodable bytes of a file's name are escaped."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    configure(style="json", stream=stream)
    get_logger().info("file_seen", file="raw\udcff.csv")
    stream.seek(0)
    assert json.loads(stream.read())["file"] == "raw\udcff.csv"


def test_levels_below_the_configured_one_are_not_written():
    """debug is off by default."""
    stream = io.StringIO()
    configure(style="json", stream=stream)
    get_logger().debug("worker_output")
    assert stream.getvalue() == ""


def test_a_closed_reader_costs_the_line_only():
    """The service goes on."""
    stream = io.StringIO()
    configure(style="json", stream=stream)
    stream.close()
    get_logger().info("file_seen")


class Full(io.StringIO):
    """A stream on a disk without room, until there is some."""

    room = False

    def write(self, text: str) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_a_full_disk_costs_lines_that_are_counted():
    """The service goes on, and the next line that is written tells how many are missing."""
    stream = Full()
    configure(style="json", stream=stream)
    get_logger().info("file_seen")
    get_logger().info("file_seen")
    stream.room = True
    get_logger().info("file_accepted")
    get_logger().info("check_finished")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["dropped_before"]) == ("file_accepted", 2)
    assert "dropped_before" not in second


def test_standard_output_that_is_full_does_not_fail_the_end():
    """Nothing that could not be written stays behind in a buffer, to be tried again by the process's end."""
    script = (
        "from daemon.runtime.log import configure, get_logger; configure(style='json'); get_logger().info('file_seen')"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("text", ["a" * 10**6, "\x00" * 10**6, "☂" * 10**6, "\ud800" * 5_000])
def test_an_event_has_at_most_8_kb(text):
    """Whatever a field holds; its beginning stays, and short fields are whole."""
    stream, tapped = io.StringIO(), []
    configure(style="json", stream=stream, tap=tapped.append)
    get_logger().info("input_rejected", model="m", reason="b" + text, path=text, rows=[text, {"a": text}], count=7)
    line = stream.getvalue()
    entry = json.loads(line)
    assert len(line.encode()) <= 8_001 and (entry["model"], entry["count"]) == ("m", 7)
    assert entry["reason"].startswith("b" + text[:20]) and len(json.dumps(tapped)) < 8_100


def test_a_list_that_was_cut_is_still_as_the_schema_says():
    """Whatever a file holds, its line is bounded: a long list or object is a text then."""
    out = io.StringIO()
    configure(style="json", stream=out)
    get_logger().warning("classes_withheld", classes={"y" * 9_000: 1}, reason="x", way_out="x")
    (entry,) = [json.loads(line) for line in out.getvalue().splitlines()]
    assert isinstance(entry["classes"], str) and not undeclared([entry], whole=True)


def test_a_tap_gets_every_event():
    """What the ledger keeps."""
    told = []
    configure(style="json", stream=io.StringIO(), tap=told.append)
    get_logger().warning("disk_low", free_bytes=1)
    assert told[0]["event"] == "disk_low" and told[0]["free_bytes"] == 1


def test_the_console_is_for_people():
    """Local time, few digits, and nothing of what has no value."""
    stream = io.StringIO()
    configure(style="console", stream=stream)
    get_logger().info("check_finished", value=0.123456789, estimated=None)
    assert "check_finished" in stream.getvalue() and "0.1235" in stream.getvalue()
    assert "None" not in stream.getvalue() and "estimated" not in stream.getvalue()


def test_the_journal_gets_indexed_fields():
    """Values with line ends are sent by length."""
    data = journal_datagram(
        {"event": "drift_detected", "level": "warning", "model": "m", "note": "a\nb", "columns": ["x"]}
    )
    assert b"EVENT=drift_detected\n" in data and b"MODEL=m\n" in data and b"PRIORITY=4\n" in data
    assert b"NOTE\n" + (3).to_bytes(8, "little") + b"a\nb\n" in data
    assert b"COLUMNS" not in data.replace(b"MESSAGE", b"")


@pytest.fixture
def journald(tmp_path):
    """The other end of the journal's protocol, with room for a few datagrams."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "journal"))
        heard.settimeout(10)
        yield heard


def test_what_is_too_large_for_a_datagram_is_sent_as_sealed_memory(journald):
    """journald reads the descriptor; nothing may change it any more."""
    Journal(journald.getsockname()).msg({"event": "large", "level": "info", "value": "x" * 5_000_000})
    data, ancillary, _, _ = journald.recvmsg(16, 1024)
    memory = array.array("i", ancillary[0][2][:4])[0]
    assert data == b"" and fcntl.fcntl(memory, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE
    assert b"VALUE=" + b"x" * 5_000_000 + b"\n" in os.pread(memory, 2**24, 0)
    os.close(memory)


def test_a_full_journal_drops_and_tells_how_many(journald):
    """Sending never waits; the number comes with the next event, or by itself at the next heartbeat."""
    configure(style="journal")
    journal = structlog.get_config()["logger_factory"]()
    journal._address = journald.getsockname()
    while not journal.dropped:
        get_logger().info("flood")
    get_logger().info("flood")
    dropped = journal.dropped
    journald.recv(4096)
    log_dropped()
    journald.settimeout(0)
    told = b""
    with pytest.raises(BlockingIOError):
        while True:
            told = journald.recv(4096)
    assert b"EVENT=log_dropped\n" in told and b"DROPPED_BEFORE=%d\n" % dropped in told
    assert journal.dropped == 0
    log_dropped()
    with pytest.raises(BlockingIOError):
        journald.recv(4096)


def test_a_warning_is_an_event_once(monkeypatch):
    """What libraries warn of is logged with its text and place, however often it comes and in whatever filters."""
    stream = io.StringIO()
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    configure(style="json", stream=stream)
    for _ in range(3):
        with warnings.catch_warnings():  # as scikit-learn does in each call
            warnings.simplefilter("always")
            warnings.warn("one column\nis empty", UserWarning, stacklevel=1)
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert (entry["event"], entry["kind"], entry["text"]) == ("code_warned", "UserWarning", "one column is empty")
    assert "test_log.py:" in entry["place"] and not undeclared([entry])


def test_what_user_code_prints_is_not_among_the_events():
    """In a process whose output is the log's own, prints go to standard error."""
    code = (
        "from daemon.runtime.log import configure, get_logger, own_output\n"
        "configure(style='json', stream=own_output())\nprint('shape (3, 4)', flush=True)\n"
        "get_logger().info('file_seen', file='a')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["event"] == "file_seen" and done.stderr == "shape (3, 4)\n"
