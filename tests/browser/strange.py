"""A ledger in which everything that somebody can name has a name that tries to break out, the model too."""

import json
from dataclasses import replace
from pathlib import Path

from ledgers import new_ledger
from page_states import NOW, check_file, live, take_file
from sqlalchemy import Connection

from browser.story import STRANGE
from daemon.config.config import Config, load_config
from daemon.ledger import cycles, events, files
from daemon.reading.look import Look
from retrain.records.cycle import CycleState, Stage
from retrain.records.trigger import Trigger

DAYS = 6


def seeded(folder: Path) -> Config:
    """One model with a file held, one refused, one whose every cell is rejected, and a challenger that waits. Where
    names of models are checked, the configuration is refused."""
    (folder / "data").mkdir()
    path = folder / "config.toml"
    path.write_text(
        f'[models.{json.dumps(STRANGE)}]\ndata_dir = "data"\ntask = "classification"\ntarget = "y"\n', "utf-8"
    )
    config = load_config(path)
    ledger = new_ledger(config.state_dir)
    with ledger.begin() as conn:
        live(conn, STRANGE, DAYS)
        _named(conn)
    ledger.close()
    return config


def _named(conn: Connection) -> None:
    check_file(conn, STRANGE, take_file(conn, STRANGE, 300, NOW - 900, f"{STRANGE}.csv"), None, (STRANGE, "hour"))
    take_file(conn, STRANGE, 301, NOW - 800, f"held {STRANGE}.csv")
    files.hold(conn, STRANGE, f"held {STRANGE}.csv", STRANGE)
    files.record_refused(conn, STRANGE, f"refused {STRANGE}.csv", Look(9, 302, 1, 1), STRANGE, NOW - 700)
    reject = {"line": 3, "column": STRANGE, "reason": STRANGE, "raw": STRANGE}
    found = {"kind": "rows", "snapshot": "s/303", "rows": 1, "class_rows": {}, "rejected": 1, "labelled_rows": 1,
             "quarantine": None, "quality": {}, "first_time": None, "last_time": None, "rejects": [reject]}  # fmt: skip
    files.record_accepted(conn, STRANGE, f"cells {STRANGE}.csv", Look(9, 303, 1, 1), "303", found, NOW - 600)
    cycle = cycles.open_cycle(conn, STRANGE, Trigger("regret", STRANGE, {}), 3, 1, NOW - 500)
    cycles.save(conn, replace(cycle, state=CycleState.AWAITING_APPROVAL, stage=Stage.PROMOTE), NOW - 400)
    fields = {"file": STRANGE, STRANGE: STRANGE, "reason": STRANGE}
    events.append(conn, [{"at": NOW, "event": "file_held", "level": "warning", "model": STRANGE, "fields": fields}])
