"""The story: files, labels and requests in rounds, each begun when the one before has come to rest.

A first model; a drifted file that retrains it; a duplicate, a file that is none and rows without labels; their labels,
by file and over HTTP; answered rows that become a data file, and the labels of these.
"""

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import local_http
import psutil
import pyarrow as pa
from daemon_harness import Daemon, drop, rows
from helpers import answer_of, wait_for
from sqlalchemy import create_engine

from daemon.config.paths import StatePaths
from daemon.ledger.migrate import upgrade
from faults.mounts import MIRROR

PLAIN = """\
[models.m.adaptation]
archive = 1
recalibration = false
"""
CONFIG = """\
id_column = "id"
[models.m.prediction_log]
every = "1s"
[models.m.intake]
settle = "100ms"
rescan = "1s"
[models.m.triggers]
first_rows = 200
on_drift = true
growth = false
cooldown = "100ms"
retry_after = "10ms"
max_attempts = 50
[models.m.estimator]
type = "sklearn.linear_model.LogisticRegression"
"""
# What a version learned is no news to it: a file whose check failed until then, as `check_failed` told, stays unchecked.
UNJUDGED = """
select 'unassessed: ' || path from files where state = 'accepted' and kind = 'rows' and source = 'folder'
    and labelled_rows > 0 and at > (select min(at) from promotions) and seq not in
    (select seq from assessments where seq is not null)
union all select 'unchecked: ' || path from files where state = 'accepted' and kind = 'rows'
    and at > (select min(at) from promotions) and id not in (select file_id from checks where file_id is not null)
    and seq > (select max(v.seen_seq) from deployments d, json_each(d.members) m
        join versions v on v.name = json_extract(m.value, '$.version')
        where d.id = (select deployment_id from promotions order by id desc limit 1))
"""
OLDEST = "0001"
RESTS_S = 1.5
PATIENCE_S = 360.0
TRAFFIC = 60
LABEL = ("yes", "no")


def config(default_layers: bool) -> str:
    """The model's settings; without the default layers nothing is adjusted."""
    return CONFIG + ("" if default_layers else PLAIN) + '[models.m.columns]\nid = "category"\n'


def with_ids(table: pa.Table, prefix: str) -> pa.Table:
    """The rows under ids of their own."""
    return table.append_column("id", [[f"{prefix}{i}" for i in range(table.num_rows)]])


class Stuck(Exception):
    """The daemon did not come to rest."""


@dataclass
class Story:
    """One telling: what was sent and acknowledged, and a daemon that is started again whenever it died."""

    daemon: Daemon
    acknowledged: dict[str, str] = field(default_factory=dict)
    deaths: int = 0
    statuses: list[tuple[str, int]] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    # --- the rounds -------------------------------------------------------------------------------------

    def rounds(self) -> list[Callable[[], None]]:
        """What happens, in order."""
        return [self.first, self.drifted, self.odd_files, self.late_labels, self.requests, self.feedback]

    def first(self) -> None:
        """The rows of the first model."""
        self._drop(with_ids(rows(1, 300), "a"), "a.parquet")

    def drifted(self) -> None:
        """Another world: the label depends on another column."""
        self._drop(with_ids(rows(2, 400, shift=2.0, flip=True), "b"), "b.csv")

    def odd_files(self) -> None:
        """The first file again under another name, a file that is none, and rows whose labels are not known yet."""
        self._drop(with_ids(rows(1, 300), "a"), "again.parquet")
        if not (self.daemon.data / "bad.csv").exists():
            (self.daemon.data / "bad.csv").write_text("this,is\nnot,it\n")
        self._drop(with_ids(rows(3, 200, shift=2.0, flip=True), "c").drop_columns(["label"]), "c.parquet")

    def late_labels(self) -> None:
        """The labels of half of these rows as a file, of the others over HTTP; and one more file of whole rows."""
        known = with_ids(rows(3, 200, shift=2.0, flip=True), "c").select(["id", "label"])
        self._drop(known.slice(0, 100), "labels.csv")
        self._tell(known.slice(100).to_pylist())
        self._drop(with_ids(rows(4, 300, shift=2.0, flip=True), "d"), "d.csv")

    def requests(self) -> None:
        """Rows that are asked, each until its answer is durable."""
        asked = rows(5, TRAFFIC, shift=2.0, flip=True).drop_columns(["label"]).to_pylist()
        ids = [f"t{i}" for i in range(TRAFFIC)]

        def ask() -> bool:
            kept = self._durable()
            missing = [k for k, key in enumerate(ids) if key not in kept]
            if missing:
                body = {"rows": [asked[k] for k in missing], "ids": [ids[k] for k in missing]}
                if self._post("predict", body) == 200:
                    self._until(lambda: set(ids) <= self._durable(), 3)
            return not missing

        self._until(ask, PATIENCE_S, "the answers to be durable")

    def feedback(self) -> None:
        """The labels of the rows that were asked."""
        labels = rows(5, TRAFFIC, shift=2.0, flip=True).column("label").to_pylist()
        self._tell([{"id": f"t{i}", "label": label} for i, label in enumerate(labels)])

    # --- telling it -------------------------------------------------------------------------------------

    def _drop(self, table: pa.Table, name: str) -> None:
        if not (self.daemon.data / name).exists():
            drop(table, self.daemon.data / name)

    def _tell(self, labels: list[dict[str, str]]) -> None:
        """Labels by HTTP, again until they are acknowledged."""
        self._until(lambda: self._post("feedback", {"labels": labels}) == 202, PATIENCE_S, "the feedback")
        self.acknowledged |= {one["id"]: one["label"] for one in labels}

    def _post(self, what: str, body: Any) -> int:
        try:
            status = local_http.post(f"{self.daemon.url}/models/m/{what}", json=body).status_code
        except httpx.HTTPError:
            return 0
        self.statuses.append((what, status))
        return status

    def _durable(self) -> set[str]:
        """Ids of answered rows in the spool or in the log."""
        found: set[str] = set()
        folder = self.daemon.folder / "state/prediction_log/m"
        for path in [*(folder / "spool").glob("*.open"), *(folder / "spool").glob("*.jsonl")]:
            with contextlib.suppress(FileNotFoundError):
                for line in path.read_text("utf-8", "replace").splitlines():
                    with contextlib.suppress(ValueError):
                        found |= set(json.loads(line)["ids"])
        import pyarrow.parquet as pq

        for path in folder.glob("*.parquet"):
            with contextlib.suppress(OSError, pa.ArrowException):
                found |= set(pq.read_table(path, columns=["__id"]).column("__id").to_pylist())
        return found

    # --- life -------------------------------------------------------------------------------------------

    def keep_alive(self) -> None:
        """Start the daemon again if it died."""
        self.meanwhile()
        process = self.daemon.process
        if process is not None and process.poll() is None:
            return
        if process is not None:
            self.deaths += 1
            wait_gone(self.daemon)
        self.daemon.start(wait_ready=False)

    def _until(self, probe: Callable[[], bool], patience_s: float, what: str = "") -> bool:
        """Keep it alive until the probe is true; Stuck after `patience_s` if `what` is named."""

        def alive_and_done() -> bool:
            self.keep_alive()
            return probe()

        done = answer_of(alive_and_done, patience_s, 0.1)
        if what and not done:
            raise Stuck(f"not within {patience_s:g} s: {what}")
        return done

    def come_to_rest(self) -> None:
        """Until nothing is left to do and nothing changes any more; Stuck where something is left and nothing changes."""
        still: dict[str, Any] = {"state": None, "since_s": time.monotonic()}

        def probe() -> bool:
            state = self.at_rest()
            if state is None or state != still["state"]:
                still["state"], still["since_s"] = state, time.monotonic()
                return False
            return time.monotonic() - still["since_s"] >= RESTS_S

        before = ""
        while not self._until(probe, PATIENCE_S):
            if (now := self._signature()) == before:
                raise Stuck(f"nothing changed in {PATIENCE_S:g} s: {self.unrest()}")
            before = now

    def at_rest(self) -> str | None:
        """A signature of the ledger where nothing is left to do; None where something is."""
        return None if self.unrest() else self._signature()

    def unrest(self) -> str:
        """What is still to be done; empty if nothing."""
        state = self.daemon.folder / "state"
        names = {path.name for path in self.daemon.data.iterdir() if not path.name.startswith(".")}
        try:
            known = {row[0] for row in self.query("select path from files")}
            opened = self.query("select count(*) from cycles where state in ('open', 'on_trial')")[0][0]
            loose = self.query("select count(*) from prediction_log where taken_at is null")[0][0]
            if names - known:
                return f"{names - known} not taken"
            if opened:
                return "a cycle is open"
            if not self.query("select 1 from promotions"):
                return "no promotion"
            if loose:
                return "answers are in no data file"
            if unjudged := self.query(UNJUDGED):
                return str(unjudged[0][0])
        except sqlite3.Error as error:
            return repr(error)
        waiting = [*(state / "spool/m").glob("*"), *(state / "prediction_log/m/spool").glob("*")]
        if waiting:
            return f"{waiting} not taken"
        return self._unserved()

    def _unserved(self) -> str:
        """What the server lacks."""
        try:
            told = local_http.get(f"{self.daemon.url}/v2/models/m", timeout=5)
        except httpx.HTTPError as error:
            return f"no server: {error!r}"
        if told.status_code != 200:
            return f"the server says {told.status_code}"
        wanted = self.champion()
        return "" if told.json()["versions"] == [wanted] else f"{told.json()['versions']} served, {wanted} promoted"

    def champion(self) -> str:
        """What the last promotion put in service, as servers name it."""
        members = self.query(
            "select d.members, d.number, d.digest from promotions p join deployments d on d.id = p.deployment_id "
            "order by p.id desc limit 1"
        )[0]
        named = json.loads(members[0])
        return named[0]["version"] if len(named) == 1 else f"d{members[1]:04d}-{members[2][:8]}"

    def _signature(self) -> str:
        parts = (
            "select count(*), max(id) from files", "select count(*), max(id) from checks",
            "select id, state, stage, attempt from cycles", "select count(*), max(id) from promotions",
            "select count(*), max(id) from assessments", "select planner, waits_for from models",
        )  # fmt: skip
        try:
            return repr([self.query(part) for part in parts])
        except sqlite3.Error:
            return repr(time.monotonic())

    def query(self, sql: str) -> list[Any]:
        """Rows of the ledger."""
        path = self.daemon.folder / "state/ledger.sqlite"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as ledger:
            return ledger.execute(sql).fetchall()


def age_ledger(state: Path) -> None:
    """A ledger of the first schema, as an old driftd leaves it before its first file."""
    state.mkdir(exist_ok=True)
    path = StatePaths(state).ledger
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    engine = create_engine(f"sqlite:///{path}")
    upgrade(engine, OLDEST)
    engine.dispose()


def wait_gone(daemon: Daemon) -> None:
    """Until no process of a killed daemon is left."""
    wait_for(lambda: not processes(daemon), what="the end of a killed daemon's processes")


def processes(daemon: Daemon, role: str = "") -> list[psutil.Process]:
    """Running processes of this daemon; of one role: control, analyst, trainer or server."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        line = " ".join(words)
        if MIRROR.name in line or (str(daemon.config) not in line and str(Path(daemon.folder) / "state") not in line):
            continue
        is_server = "daemon.server" in line
        if role in ("", "server" if is_server else "control"):
            found.append(process)
    if role in ("analyst", "trainer") and daemon.process is not None:
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(daemon.process.pid).children(recursive=True)
            found = [child for child in children if f"--role {role}" in " ".join(child.cmdline())]
    return found
