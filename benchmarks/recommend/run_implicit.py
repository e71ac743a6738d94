"""implicit's ALS (three settings, users folded in) and item-kNN at the moments of a folder. Standalone: prints JSON."""

import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from scipy.sparse import csr_matrix

TOP = 10
MODELS = {
    "als_64": lambda: AlternatingLeastSquares(64, regularization=0.05, alpha=10, random_state=0),
    "als_128": lambda: AlternatingLeastSquares(128, regularization=0.1, alpha=5, random_state=0),
    "als_128_strong": lambda: AlternatingLeastSquares(128, regularization=1.0, alpha=40, random_state=0),
    "cosine_knn": lambda: CosineRecommender(K=200),
    "bm25_knn": lambda: BM25Recommender(K=200),
}


def main(folder: str) -> None:
    """Each batch: fit on all events before it, then answer its moments from their histories."""
    warnings.simplefilter("ignore")
    scores: dict[str, list[float]] = {name: [] for name in MODELS}
    spent = dict.fromkeys(MODELS, 0.0)
    for path in sorted(Path(folder).glob("*.npz")):
        batch = np.load(path)
        shape = int(batch["users"]), int(batch["items"])
        ones = np.ones(len(batch["user"]), np.float32)
        train = csr_matrix((ones, (batch["user"], batch["item"])), shape=shape)
        train.data[:] = np.minimum(train.data, 1)
        for name, make in MODELS.items():
            started = time.process_time()
            model = make()
            model.fit(train, show_progress=False)
            spent[name] += time.process_time() - started
            scores[name].append(_score(model, batch, shape[1]))
    print(json.dumps({"scores": scores, "fit_cpu": spent, "version": version("implicit")}))


def _score(model: object, batch: dict, items: int) -> float:
    edges = np.r_[0, np.cumsum(batch["sizes"])]
    gains = []
    for moment in range(int(batch["moments"])):
        wanted = set(batch["target"][batch["event"] == moment].tolist())
        history = np.unique(batch["history"][edges[moment] : edges[moment + 1]])
        found: list[int] = []
        if len(history):
            row = csr_matrix((np.ones(len(history), np.float32), (np.zeros(len(history), int), history)), (1, items))
            found = model.recommend(
                0, row, N=TOP, filter_already_liked_items=bool(batch["exclude_seen"]), recalculate_user=True
            )[0].tolist()
        gain = sum(1 / np.log2(place + 2) for place, item in enumerate(found) if item in wanted)
        gains.append(gain / sum(1 / np.log2(place + 2) for place in range(min(TOP, len(wanted)))))
    return float(np.mean(gains))


if __name__ == "__main__":
    main(sys.argv[1])
