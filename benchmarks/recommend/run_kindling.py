"""kindling at the moments of a folder: users as trained, and from their history up to the moment. Prints JSON."""

import json
import sys
import time
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd
from kindling import Engine
from measure import TOP, batches, score


def main(folder: str) -> None:
    """Each batch: fit on all events before it, then answer its moments."""
    warnings.simplefilter("ignore")
    scores: dict[str, list[float]] = {"kindling_user": [], "kindling_history": []}
    spent = 0.0
    for batch in batches(folder):
        events = pd.DataFrame({
            "entity_id": batch["user"], "item_id": batch["item"],
            "timestamp": pd.to_datetime(batch["time_ms"], unit="ms"),
        })  # fmt: skip
        started = time.process_time()
        engine = Engine()
        engine.fit(events.sort_values("timestamp", kind="stable"))
        spent += time.process_time() - started
        known = set(np.unique(batch["user"]).tolist())
        scores["kindling_user"].append(score(batch, _by_user(engine, known)))
        scores["kindling_history"].append(score(batch, _by_history(engine)))
    print(json.dumps({"scores": scores, "fit_cpu": dict.fromkeys(scores, spent), "version": version("kindling-rec")}))


def _by_user(engine: Engine, known: set[int]):
    """Those that it was trained on as it knows them, others from their history."""
    others = _by_history(engine)

    def answer(user: int, history: list[int]) -> list[int]:
        if user not in known:
            return others(user, history)
        return [int(one.item_id) for one in engine.recommend(user, n=TOP)]

    return answer


def _by_history(engine: Engine):
    def answer(_user: int, history: list[int]) -> list[int]:
        return [int(one.item_id) for one in engine.recommend_for_items(history, n=TOP)]

    return answer


if __name__ == "__main__":
    main(sys.argv[1])
