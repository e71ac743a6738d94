"""What the peers share: batches from files, and NDCG@10 of lists. Standalone, beside the script that imports it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

TOP = 10


def batches(folder: str) -> Iterator[dict[str, np.ndarray]]:
    """Each batch in order: all events before it, and its moments with their histories."""
    for path in sorted(Path(folder).glob("*.npz")):
        with np.load(path) as found:
            yield {name: found[name] for name in found.files}


def score(batch: dict[str, np.ndarray], answer: Callable[[int, list[int]], list[int]]) -> float:
    """NDCG@10 over the moments of a batch, of what `answer` lists for a user and a history, oldest first. A list
    shorter than TOP is filled up with the most popular items, as a shop would."""
    edges = np.r_[0, np.cumsum(batch["sizes"])]
    popular = _popular(batch)
    gains = []
    for moment in range(int(batch["moments"])):
        wanted = set(batch["target"][batch["event"] == moment].tolist())
        history = batch["history"][edges[moment] : edges[moment + 1]].tolist()
        found = answer(int(batch["person"][moment]), history)
        left_out = {*found, *(history if batch["exclude_seen"] else ())}
        found = [*found, *(item for item in popular if item not in left_out)][:TOP]
        gain = sum(1 / np.log2(place + 2) for place, item in enumerate(found) if item in wanted)
        gains.append(gain / sum(1 / np.log2(place + 2) for place in range(min(TOP, len(wanted)))))
    return float(np.mean(gains))


def _popular(batch: dict[str, np.ndarray]) -> list[int]:
    """Items by how many users had to do with them, the best first; as many as any list can need."""
    pairs = np.unique(np.stack([batch["user"], batch["item"]]), axis=1)
    order = np.argsort(-np.bincount(pairs[1], minlength=int(batch["items"])), kind="stable")
    return order[: TOP + int(batch["sizes"].max(initial=0))].tolist()
