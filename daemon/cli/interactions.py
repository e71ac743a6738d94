"""`driftd replay FILE… --task recommendation`: its options, and what it prints."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from daemon.cli.output import tell_result
from daemon.cli.progress import STEPS, progress_bars
from daemon.cli.session import WRONG_USE, Exit, refusal_is_failure

TASK = "recommendation"
BATCHES, INITIAL = 30, 6
BASELINES = ("never", "every", "popularity")


@dataclass(frozen=True)
class EventOptions:
    """The options that name columns, as they were given."""

    user: str = ""
    item: str = ""
    time: str = ""
    value: str = ""
    positive: float | None = None
    event: str = ""
    event_weights: str = ""

    @property
    def given(self) -> bool:
        """Whether any was given."""
        return self != EventOptions()


def replay_interactions(
    files: Sequence[Path],
    columns: EventOptions,
    batches: int,
    initial: int,
    baselines: str,
    html: Path | None,
    json: bool,
) -> None:
    """Replay, then print."""
    result = _run(files, columns, batches, initial, _baselines(baselines))
    from daemon.reports.recommendation_text import render
    from drift.report.recommendation import recommendation_page

    tell_result(result, render, recommendation_page, html, json)


def _run(
    files: Sequence[Path], columns: EventOptions, batches: int, initial: int, baselines: Sequence[str]
) -> dict[str, Any]:
    lacking = [f"--{name}" for name in ("user", "item", "time") if not getattr(columns, name)]
    if lacking:
        raise Exit(
            WRONG_USE, f"a recommendation needs --user, --item and --time COLUMN; {' and '.join(lacking)} missing"
        )
    if bool(columns.value) != (columns.positive is not None):
        raise Exit(
            WRONG_USE, "--value COLUMN and --positive X go together: an event with at least X counts as positive"
        )
    weights = _weights(columns)
    one_thread()
    from daemon.tools.replay.recommendation.run import Request, replay
    from daemon.tools.replay.recommendation.source import EventColumns

    named = EventColumns(
        columns.user, columns.item, columns.time, columns.value, columns.positive, columns.event, weights
    )
    with (
        refusal_is_failure(),
        TemporaryDirectory(prefix="driftd-replay-") as work,
        progress_bars(STEPS, one_bar=False) as show,
    ):
        return replay(Request(files, named, batches, initial, baselines), Path(work), show)


def one_thread() -> None:
    """Numerical libraries that are imported after this use one thread each, as the daemon's workers do, unless the
    environment says otherwise: threads that wait for each other on a busy machine cost many times what they save."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def _weights(columns: EventOptions) -> dict[str, float]:
    """Of `view=1,buy=5`."""
    if columns.event_weights and not columns.event:
        raise Exit(WRONG_USE, "--event-weights needs --event COLUMN, which holds the types")
    weights = {}
    for part in filter(None, columns.event_weights.split(",")):
        name, _, text = part.partition("=")
        try:
            weights[name.strip()] = float(text)
        except ValueError:
            weights[name.strip()] = -1.0
        if not 0 <= weights[name.strip()] <= 1000:
            raise Exit(
                WRONG_USE, f"--event-weights has {part!r}; expected TYPE=WEIGHT, a number from 0 to 1000, as buy=5"
            )
    return weights


def _baselines(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == ["none"]:
        return []
    wrong = [name for name in names if name not in BASELINES]
    if wrong:
        raise Exit(
            WRONG_USE, f"--baselines has {wrong[0]!r}; for a recommendation expected {', '.join(BASELINES)} or none"
        )
    return names or list(BASELINES)
