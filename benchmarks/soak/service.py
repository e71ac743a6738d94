"""The service under load: three models (two classes with late labels, a number, recommendations), each with small
retention, and a ledger that is as long as it ever gets."""

import json
import shutil
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from daemon_harness import Daemon, free_port
from helpers import wait_for

from daemon.ledger import Ledger, commands, models, open_ledger, versions
from retrain.records.planner_state import PlannerState

MODELS = ("churn", "price", "shop")
LOOKED_BACK = 5_000
AGED_S = 1_600_000_000.0
SMALL = """\
[models.{model}.intake]
settle = "200ms"
rescan = "10s"
[models.{model}.retention]
versions = 3
snapshots = "5m"
snapshots_size = "20MB"
predictions = "5m"
quarantine = "5m"
reports = "5m"
history = "5m"
files = "5m"
"""
CONFIG = """\
[service]
state_dir = "state"
listen = "127.0.0.1:{port}"
min_free = "1MB"
events = "5m"
[models.churn]
data_dir = "data/churn"
task = "classification"
target = "label"
metric = "accuracy"
id_column = "id"
check_schedule = "* * * * *"
check_window = "5m"
retrain_schedule = "*/10 * * * *"
[models.churn.window]
max_rows = 4000
[models.churn.prediction_log]
keep = "3MB"
every = "15s"
[models.churn.columns]
id = "category"
x = "number"
z = "number"
colour = "category"
label = "category"
[models.price]
data_dir = "data/price"
task = "regression"
target = "label"
check_schedule = "*/2 * * * *"
check_window = "5m"
[models.price.window]
max_rows = 4000
[models.price.estimator]
type = "sklearn.linear_model.Ridge"
[models.price.triggers]
on_drift = true
[models.shop]
data_dir = "data/shop"
task = "recommendation"
user_column = "who"
item_column = "what"
time_column = "at"
check_window = "5m"
retrain_schedule = "*/5 * * * *"
[models.shop.recommendation]
every = "20s"
[models.shop.window]
max_rows = 20000
"""
QUALITY = {
    "rows": 200, "duplicate_rows": 0, "future_times": 0, "extra_columns": [], "hint": "", "columns": {}, "unclear": [],
    "notes": [], "advice": "",
}  # fmt: skip
SCORED: dict[str, Any] = {
    "seq": 1, "rows": 200, "newest": "v0001-aaaaaaaa", "metric": "accuracy", "score": 0.5, "loss": 0.5,
    "rival": [0.0, 0.06477499999999999, 200], "challenger": None, "fresh": {}, "files": [1],
    "key": "0bef047a51c2e8a327e41c0c",
}  # fmt: skip
FOUND = SCORED | {
    "plain": [0.0, 0.03497499999999999, 200], "twins": {"last3": 0.5, "last12": 0.5, "all": 0.5},
    "pairs": {pair: [0.0, 0.13777500000000004, 200] for pair in ("last3|last12", "last3|all", "last12|all")},
    "gains": {window: [0.0, 0.01933584753766951, 200] for window in ("last3", "last12", "all")},
    "proposal": {
        "members": {f"v000{n}-aaaaaaaa": 1 / 3 for n in (1, 2, 3)}, "newest": "v0001-aaaaaaaa", "recalibration": None,
        "candidate": {"classes": ["no", "yes"], "offset": [0.0, 0.0], "decision": []}, "gain": 0.0, "up_to": 1,
    },
}  # fmt: skip
RECOMMENDED = SCORED | {"twins": {}, "pairs": {}, "gains": {}}
"""As heavy as what a real file leaves: from the first new one on as much goes as comes."""
COUNTED = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"
OLD_FILES = f"""{COUNTED}
INSERT INTO files (model, path, seq, state, sha256, size, mtime_ns, ctime_ns, inode, kind, source, rows, labelled_rows,
    class_rows, rejected, reason, quality, at)
SELECT :model, 'old/' || i || '.csv', i, 'expired', printf('%064d', i), 1000, i, i, i, 'rows', 'folder', 200, 200,
    :classes, 0, 'beyond retention.snapshots', :quality, :at + i FROM n
"""
OLD_ASSESSMENTS = f"""{COUNTED}
INSERT INTO assessments (model, kind, seq, deployment, found, at) SELECT :model, 'file', i, 1, :found, :at + i FROM n
"""


class Service(Daemon):
    """A real service on these models; its ledger has files of years before, of which nothing else is left."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        for model in MODELS:
            (folder / "data" / model).mkdir(parents=True)
        self.state = folder / "state"
        self.config = folder / "config.toml"
        small = "".join(SMALL.format(model=model) for model in MODELS)
        self.config.write_text(CONFIG.format(port=self.port) + small, "utf-8")
        self.events, self.raw, self.process = [], [], None
        self._age()

    def _age(self) -> None:
        """As many old files as the ledger keeps: from the first new one on, one goes for each that comes."""
        with closing(open_ledger(self.state)) as ledger, ledger.begin() as conn:
            for model in MODELS:
                models.ensure(conn, model)
                told = {"model": model, "count": LOOKED_BACK, "at": AGED_S}
                conn.exec_driver_sql(OLD_FILES, told | {"classes": "{}", "quality": json.dumps(QUALITY)})
                found = json.dumps(RECOMMENDED if model == "shop" else FOUND)
                conn.exec_driver_sql(OLD_ASSESSMENTS, told | {"found": found})
                seen = PlannerState(base_seq=LOOKED_BACK, watch_seq=LOOKED_BACK, seen_seq=LOOKED_BACK)
                models.save_planner(conn, model, seen, "")

    @property
    def pid(self) -> int:
        """The control process."""
        assert self.process is not None
        return self.process.pid

    def ledger(self) -> "closing[Ledger]":
        """Its ledger, to be left after a few statements."""
        return closing(open_ledger(self.state))

    def ask(self, name: str, **arguments: str) -> None:
        """What `driftd NAME` asks for, without another interpreter that would take the processor to start."""
        with self.ledger() as ledger, ledger.begin() as conn:
            commands.enqueue(conn, name, arguments, "soak", time.time())

    def stored(self, model: str) -> list[str]:
        """Names of the versions that may be promoted."""
        with self.ledger() as ledger, ledger.connect() as conn:
            return [row.name for row in versions.stored(conn, model)]

    def taken_in(self, count: int, patience_s: float) -> None:
        """Wait until so many files were accepted or held."""
        wait_for(lambda: sum(1 for _ in self.seen("file_accepted")) >= count, patience_s, 1.0, f"{count} files")

    def remove(self) -> None:
        """The whole folder, once it has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)
