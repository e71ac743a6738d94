"""A real daemon for an event log, with a version that was made of its files; and what its counters should be."""

import textwrap
import time
from pathlib import Path
from typing import Any

import httpx
import local_http
import pyarrow as pa
from daemon_harness import Daemon, drop, free_port
from event_logs import log
from helpers import PATIENCE_S, wait_for

from daemon.config.config import load_config
from daemon.ledger import Ledger, deployments, files, open_ledger, promotions
from retrain.operations import AcceptedFile, PromoteRequest
from retrain.recommendation.blend import FIRST
from retrain.recommendation.counters import count
from retrain.recommendation.ease import EaseSettings, fit
from retrain.recommendation.log import EventLog, read_log
from retrain.recommendation.version import Trained, load_staged_recommender, own_part, stage, write_probe
from retrain.records.schema import Schema
from retrain.stages.promote import promote

MODEL = "shop"


class ShopDaemon(Daemon):
    """One daemon with a model that recommends; `extra` is TOML of its section and below."""

    def __init__(self, folder: Path, extra: str = "", workers: int = 1) -> None:
        self.folder, self.port = folder, free_port()
        self.data = folder / "data"
        self.data.mkdir(exist_ok=True)
        self.config = folder / "config.toml"
        self.config.write_text(
            textwrap.dedent(f"""\
            [service]
            state_dir = "state"
            drain = "0s"
            listen = "127.0.0.1:{self.port}"
            min_free = "1MB"
            page = false
            workers = {workers}
            [models.{MODEL}]
            data_dir = "data"
            task = "recommendation"
            user_column = "who"
            item_column = "what"
            time_column = "at"
            mode = "observe"
            """)
            + textwrap.dedent(extra)
            + f'[models.{MODEL}.intake]\nsettle = "200ms"\nrescan = "500ms"\n'
            + f"[models.{MODEL}.triggers]\nfirst_rows = 1000000\n"
        )
        self.events: list[dict[str, Any]] = []
        self.raw: list[str] = []
        self.process = None

    def post(self, path: str, body: object) -> httpx.Response:
        """A request with a JSON body to the model."""
        return local_http.post(f"{self.url}/models/{MODEL}/{path}", json=body)

    def recommend(self, **body: Any) -> dict[str, Any]:
        """The answer to a request."""
        answer = self.post("recommend", body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def items_for(self, user: str, **body: Any) -> list[str]:
        """The items that are recommended to one person."""
        return [entry["item"] for entry in self.recommend(users=[user], **body)["recommendations"][0]["items"]]

    @property
    def ledger(self) -> Ledger:
        """For reading."""
        return open_ledger(self.folder / "state", create=False)

    def log(self) -> EventLog:
        """All events of accepted files."""
        config = load_config(self.config)
        settings, paths = config.models[MODEL], config.paths.model(MODEL)
        ledger = self.ledger
        with ledger.connect() as conn:
            schema = Schema.from_json(_schema(conn))
            accepted = [
                AcceptedFile(seq=row.seq, snapshot=paths.state / row.snapshot, digest=row.sha256, rows=row.rows)
                for row in files.usable(conn, MODEL, 2**60)
            ]
        ledger.close()
        return read_log(accepted, schema, settings)

    def promote_trained(self, number: int = 1, items: int = 3000, unit_ms: float = 86_400_000.0) -> str:
        """Train on all accepted files, publish, and record the promotion; the version's name."""
        config = load_config(self.config)
        settings, paths = config.models[MODEL], config.paths.model(MODEL)
        events = self.log().events
        trained = Trained(unit_ms, 2, EaseSettings(items=items), FIRST)
        weights = fit(count(events, trained.half_lives_ms), trained.ease)
        work = self.folder / f"work-{number}"
        ledger = self.ledger
        with ledger.connect() as conn:
            schema = Schema.from_json(_schema(conn))
        names, table = own_part(weights, events.items)
        stage(work / "version", names, table, trained, schema, settings, {"snapshots": [str(number)], "model": MODEL})
        write_probe(work / "version", load_staged_recommender(work / "version"), [[str(names[0])]])
        path = promote(
            PromoteRequest(
                model=MODEL, cycle=number, number=number, settings=settings, work=work, versions=paths.versions
            )
        ).path
        with ledger.begin() as conn:
            deployment = deployments.for_version(conn, MODEL, path.name, time.time())
            promotions.record(conn, MODEL, deployment, "manual", "by a test", time.time())
        ledger.close()
        return path.name


def _schema(conn: Any) -> dict[str, Any]:
    from daemon.ledger import models

    found = models.load_schema(conn, MODEL)
    assert found is not None
    return found


def start_shop(folder: Path, extra: str = "", workers: int = 1, table: pa.Table | None = None) -> ShopDaemon:
    """A daemon that took a log in and answers with a version that was trained on it."""
    daemon = ShopDaemon(folder, extra, workers)
    daemon.start()
    drop(log() if table is None else table, daemon.data / "log.parquet")
    daemon.wait("file_accepted", file="log.parquet")
    before = len(daemon.events)
    name = daemon.promote_trained()
    daemon.wait("model_swapped", since=before, version=name)
    wait_for(
        lambda: len({event["pid"] for event in daemon.seen("model_swapped", before, version=name)}) == workers,
        PATIENCE_S, what=f"{workers} servers swapped",
    )  # fmt: skip
    return daemon
