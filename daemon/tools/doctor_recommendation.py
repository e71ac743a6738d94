"""What `driftd doctor` looks at of a recommendation: its estimator, and whether the items file fits the events."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sqlalchemy import Connection

from daemon.config.config import Config, items_name, items_path
from daemon.config.patience import Patience
from daemon.ledger import files
from daemon.reading.rejects import printable
from retrain.recommendation.catalogue_file import read_catalogue
from retrain.recommendation.log import read_rows
from retrain.records.errors import Refused
from retrain.records.schema import event_schema
from retrain.records.settings import ModelSettings
from retrain.user_code import is_own, load_function

FEW_LISTED = 0.5
"""A smaller share of a file's events on listed items is told: ids that are written otherwise look like this."""
EXAMPLES = 3

Told = tuple[str, str, str]
"""Level, what, way out; see `doctor.Finding`."""


def check_learner(settings: ModelSettings, folder: Path) -> str:
    """What trains, in words; Refused where the first training would find it wrong."""
    from retrain.stages.recommendation.train import ease_settings

    kind = settings.estimator.type
    ease_settings(settings)
    if not is_own(kind):
        if kind not in ("auto", "ease"):
            raise Refused(f"estimator.type {kind!r} is no recommender", 'expected "auto" or file.py:factory')
        return f"EASE of at most {settings.recommendation.items:,} items"
    estimator = load_function(kind, folder, "estimator")(**settings.estimator.params)
    if not callable(getattr(estimator, "fit", None)):
        raise Refused(f"{kind} gives a {type(estimator).__name__}, which has no fit", "see docs/recommendation.md")
    return type(estimator).__name__


def items_told(conn: Connection, config: Config, name: str) -> Iterator[Told]:
    """Whether the file of items was taken in, and how much of the newest events it lists."""
    path, known = items_path(config, name), items_name(config, name)
    if known is None:
        return
    row = files.newest_items(conn, name, known)
    if row is None:
        is_there = path is None or Patience().look(path.exists, True)
        why = "has not been taken in" if is_there else "is not there"
        yield (
            "warning",
            f"{name}: the items file {path or known} {why}: all items may be recommended",
            "see `driftd files`",
        )
        return
    catalogue = read_catalogue(config.state_dir / row.snapshot)
    yield "ok", f"{name}: {len(catalogue.items):,} items, {int(catalogue.available.sum()):,} of them available", ""
    newest = files.newest_rows(conn, name, 1, ("accepted",))
    if not newest:
        return
    settings = config.models[name]
    rows = read_rows(config.state_dir / newest[0].snapshot, event_schema(settings), settings)
    listed = np.isin(rows.items, catalogue.items)
    share = float(listed[rows.item].mean()) if len(rows.item) else 1.0
    if share < FEW_LISTED:
        strange = ", ".join(printable(str(one)) for one in rows.items[~listed][:EXAMPLES])
        kept = ", ".join(printable(str(one)) for one in catalogue.items[:EXAMPLES])
        yield (
            "warning",
            f"{name}: {share:.0%} of the events of {printable(newest[0].path)} are on items that the items file lists; "
            f"events have {strange}, the items file {kept}",
            "write ids alike in both: what is not listed is not recommended",
        )
