"""Other recommenders at the same moments: what they need is written to files, environments of their own read it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import environments
from benchmarks.environments import Failed
from daemon.tools.replay.recommendation.source import Stream
from retrain.recommendation.moments import sampled

HERE = Path(__file__).parent
PEERS = ("implicit", "kindling")


def write_moments(stream: Stream, initial: int, exclude_seen: dict[int, bool], folder: Path, seed: int = 0) -> None:
    """For each served batch the events before it, and its moments, as the replay draws them, as arrays in a file."""
    folder.mkdir(parents=True, exist_ok=True)
    for place in range(initial, len(stream.starts_ms)):
        before = stream.before(place).positive()
        moments = sampled(stream.events, stream.batch == place, seed * 100_003 + place)
        history = [one.item[::-1] for one in moments.histories]
        empty = np.zeros(0, np.int64)
        np.savez(
            folder / f"{place:04d}.npz", user=before.user, item=before.item, time_ms=before.time_ms,
            users=len(before.users), items=len(before.items), event=moments.event, target=moments.target,
            moments=len(moments), person=moments.user, history=np.concatenate([empty, *history]),
            sizes=np.array([len(one) for one in history]), exclude_seen=exclude_seen[place],
        )  # fmt: skip


def measured(name: str, folder: Path, envs: Path, base: str, tell: Callable[[str], None]) -> dict[str, Any]:
    """NDCG@10 by batch of each of a peer's models on the files of a folder; Failed where it cannot be installed."""
    python = environments.interpreter(HERE / f"requirements-{name}.txt", envs / name, base, tell)
    printed = environments.run([python, str(HERE / f"run_{name}.py"), str(folder)])
    lines = [line for line in printed.splitlines() if line.startswith("{")]
    if not lines:
        raise Failed(f"run_{name}.py printed no result")
    found: dict[str, Any] = json.loads(lines[-1])
    return found
