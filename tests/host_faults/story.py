"""The story of the hosts: files, labels and requests go on while hosts die, stand still and are cut off.

Whatever happens, at the end each file is taken once, each acknowledged label is there, a cycle has one promotion,
nothing was written by a host whose term had ended, every host serves what was promoted last, and no request failed while
a host lived."""

import json
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from daemon_harness import drop, rows
from helpers import answer_of, slowness

from daemon.ledger import open_ledger
from daemon.ledger.references import references_of
from host_faults.cluster import MODELS, ROW, Cluster, Host

ROWS = 250
PATIENCE_S = 150.0
TELL_EVERY_S = 15.0
ASK_EVERY_S = 0.1
TWICE = """
SELECT 'a content accepted twice: ' || model || ' ' || sha256 FROM files WHERE state IN ('accepted', 'held')
    GROUP BY model, sha256 HAVING count(*) > 1
UNION ALL SELECT 'a path accepted twice: ' || model || ' ' || path FROM files WHERE state = 'accepted'
    GROUP BY model, path HAVING count(*) > 1
UNION ALL SELECT 'cycle ' || cycle_id || ' is promoted twice' FROM promotions WHERE cycle_id IS NOT NULL
    GROUP BY cycle_id HAVING count(*) > 1
UNION ALL SELECT 'cycle ' || id || ' is promoted without a promotion' FROM cycles WHERE state = 'promoted'
    AND id NOT IN (SELECT cycle_id FROM promotions WHERE cycle_id IS NOT NULL)
UNION ALL SELECT 'cycle ' || id || ' has failed: ' || reason FROM cycles WHERE state = 'failed'
"""


@dataclass
class Story:
    """What was dropped, acknowledged and asked so far."""

    cluster: Cluster
    chance: random.Random
    say: Callable[[str], None] = print
    dropped: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in MODELS})
    acknowledged: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in MODELS})
    sent_once: set[str] = field(default_factory=set)
    asked: int = 0
    failed: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _seed: int = 0

    # --- what goes on -----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start all hosts, and have a first model of each serve on each."""
        for host in self.cluster.hosts:
            host.begin()
        for name in MODELS:
            self.drop(name)
        self.come_to_rest()
        self._asking = threading.Thread(target=self._ask, daemon=True)
        self._asking.start()

    def drop(self, model: str) -> None:
        """A file of rows with labels; the concept turns every few files."""
        self._seed += 1
        name = f"{self._seed:05d}.parquet"
        turned = self._seed // 7 % 2 == 1
        ids = [f"{model}{self._seed}-{row}" for row in range(ROWS)]
        table = rows(self._seed, ROWS, shift=2.0 * turned, flip=turned).append_column("id", [ids])
        drop(table, self.cluster.folder / "data" / model / name)
        self.dropped[model].add(name)

    def tell(self, model: str) -> None:
        """Some labels by HTTP, to one host and where it does not answer to the next one; those that were acknowledged
        are to be there at the end, and once where they were sent once."""
        labels = {f"said-{secrets.token_hex(6)}": self.chance.choice(("yes", "no")) for _ in range(5)}
        body = {"labels": [{"id": key, "label": label} for key, label in labels.items()]}
        for tried, host in enumerate(self.chance.sample(self.cluster.hosts, len(self.cluster.hosts))):
            if self.cluster.ask(f"/models/{model}/feedback", body, [host]) is not None:
                self.acknowledged[model] |= labels.keys()
                self.sent_once |= labels.keys() if not tried else set()
                return

    def _ask(self) -> None:
        """Requests one after the other, as a balancer passes them on."""
        chance = random.Random(1)
        while not self._stop.wait(ASK_EVERY_S):
            model, hosts = chance.choice(MODELS), chance.sample(self.cluster.hosts, len(self.cluster.hosts))
            begun_s = time.monotonic()
            answer, said = self.cluster.asked(f"/models/{model}/predict", ROW, hosts)
            self.asked += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - begun_s)
            if answer is None:
                self.failed.append(said)
                self.say(f"no host answered: {said}")

    # --- rest -------------------------------------------------------------------------------------------

    def keep_alive(self) -> None:
        """Start again the hosts whose service ended, as systemd does."""
        for host in self.cluster.hosts:
            if not host.lives:
                host.begin()

    def come_to_rest(self) -> None:
        """Until nothing is left to do; AssertionError with what is, where nothing moves any more."""
        before, moved_s = "", time.monotonic()
        while not answer_of(self._rests, TELL_EVERY_S, 0.3):
            now, why = self._signature(), self.unrest()
            self.say(f"not at rest: {why}")
            for host in self.cluster.hosts:
                host.write_log()
            if now != before:
                before, moved_s = now, time.monotonic()
            patience_s = PATIENCE_S * slowness()
            assert time.monotonic() < moved_s + patience_s, f"nothing moved in {patience_s:.0f} s: {why}"

    def _rests(self) -> bool:
        self.keep_alive()
        return not self.unrest()

    def unrest(self) -> str:
        """What is still to be done; empty if nothing."""
        try:
            for model in MODELS:
                known = {row[0] for row in self.cluster.query("SELECT path FROM files WHERE model = %s", model)}
                if missing := self.dropped[model] - known:
                    return f"{model}: {sorted(missing)} not taken"
                if lacking := self.acknowledged[model] - self.labels(model).keys():
                    return f"{model}: {len(lacking)} acknowledged labels not taken"
            if self.cluster.query("SELECT 1 FROM cycles WHERE state IN ('open', 'on_trial')"):
                return "a cycle is open"
            return next((why for host in self.cluster.hosts if (why := self._unserved(host))), "")
        except psycopg.Error as error:
            return repr(error)

    def _unserved(self, host: Host) -> str:
        for model in MODELS:
            newest = self.cluster.query(
                "SELECT d.members FROM promotions p JOIN deployments d ON d.id = p.deployment_id WHERE p.model = %s "
                "ORDER BY p.id DESC LIMIT 1", model,
            )  # fmt: skip
            if not newest:
                return f"{model} has no promotion"
            answer = self.cluster.ask(f"/models/{model}/predict", ROW, [host])
            wanted = json.loads(newest[0][0])[0]["version"]
            if answer is None or answer.json()["version"] != wanted:
                return f"host {host.number} does not serve {wanted} of {model}: {answer and answer.json()['version']}"
        return ""

    def _signature(self) -> str:
        try:
            return repr([self.cluster.query(f"SELECT count(*), max(id) FROM {table}") for table in ("files", "cycles")])
        except psycopg.Error:
            return ""

    def labels(self, model: str) -> Counter[str]:
        """The ids of labels that came by HTTP and are taken in, each as often as it is, read from the store."""
        there = "SELECT snapshot FROM files WHERE model = %s AND path LIKE 'labels/%%' AND state = 'accepted'"
        return Counter(key for (snapshot,) in self.cluster.query(there, model) for key in self._ids(snapshot))

    _read: dict[str, list[str]] = field(default_factory=dict)

    def _ids(self, name: str) -> list[str]:
        if name not in self._read:
            content = pa.BufferReader(self.cluster.s3.store(self.cluster.store).read(name))
            self._read[name] = pq.read_table(content, columns=["id"]).column("id").to_pylist()
        return self._read[name]

    # --- the end ----------------------------------------------------------------------------------------

    def end(self) -> dict[str, list[str]]:
        """Stop asking; of each promise what broke it."""
        self._stop.set()
        self._asking.join(60)
        return {
            "all is done once": self._twice(), "nothing is lost": self._lost(), "the store has what is named":
            self._unnamed(), "no old term writes": self._old_terms(), "requests are answered": self._unanswered(),
        }  # fmt: skip

    def requests(self) -> str:
        """How they went so far."""
        return f"{self.asked} requests, {len(self.failed)} failed, slowest {self.slowest_s:.1f} s"

    def _twice(self) -> list[str]:
        found = [row[0] for row in self.cluster.query(TWICE)]
        told = Counter(
            (event["model"], event["file"]) for host in self.cluster.hosts for event in host.seen("file_accepted")
        )
        for model in MODELS:
            twice = {key for key, n in self.labels(model).items() if n > 1} & self.sent_once
            found += [f"labels of {model} are taken twice: {sorted(twice)}"] if twice else []
        return [
            *found, *(f"two hosts say that they accepted {file} of {model}" for (model, file), n in told.items() if n > 1)
        ]  # fmt: skip

    def _lost(self) -> list[str]:
        found = []
        for model in MODELS:
            accepted = {row[0] for row in self.cluster.query(
                "SELECT path FROM files WHERE model = %s AND state IN ('accepted', 'held')", model
            )}  # fmt: skip
            found += [f"lost: {name} of {model}" for name in sorted(self.dropped[model] - accepted)]
        return found

    def _unnamed(self) -> list[str]:
        """What the ledger names and the store lacks."""
        ledger = open_ledger(self.cluster.folder, url=self.cluster.url, create=False, read_only=True)
        with ledger.connect() as conn:
            named = references_of(conn)
        ledger.close()
        there = set(self.cluster.s3.store(self.cluster.store).names())
        wanted = named.files | named.spare | {f"{folder}/manifest.json" for folder in named.versions}
        return [f"the store lacks {name}" for name in sorted(set(wanted) - there)]

    def _old_terms(self) -> list[str]:
        return [f"written by an old term: {row}" for row in self.cluster.query("SELECT * FROM written_by_others")]

    def _unanswered(self) -> list[str]:
        return [f"no host answered: {len(self.failed)} of {self.asked}: {self.failed[:5]}"] if self.failed else []
