"""implicit's ALS (five settings, users folded in) and item-kNN at the moments of a folder. Standalone: prints JSON."""

import json
import sys
import time
import warnings
from importlib.metadata import version

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from measure import TOP, batches, score
from scipy.sparse import csr_matrix

MODELS = {
    "als_32": lambda: AlternatingLeastSquares(32, regularization=0.01, alpha=1, random_state=0),
    "als_64": lambda: AlternatingLeastSquares(64, regularization=0.05, alpha=10, random_state=0),
    "als_128": lambda: AlternatingLeastSquares(128, regularization=0.1, alpha=5, random_state=0),
    "als_128_strong": lambda: AlternatingLeastSquares(128, regularization=1.0, alpha=40, random_state=0),
    "als_256": lambda: AlternatingLeastSquares(256, regularization=1.0, alpha=10, random_state=0),
    "cosine_knn": lambda: CosineRecommender(K=200),
    "bm25_knn": lambda: BM25Recommender(K=200),
}


def main(folder: str) -> None:
    """Each batch: fit on all events before it, then answer its moments from their histories."""
    warnings.simplefilter("ignore")
    scores: dict[str, list[float]] = {name: [] for name in MODELS}
    spent = dict.fromkeys(MODELS, 0.0)
    for batch in batches(folder):
        shape = int(batch["users"]), int(batch["items"])
        ones = np.ones(len(batch["user"]), np.float32)
        train = csr_matrix((ones, (batch["user"], batch["item"])), shape=shape)
        train.data[:] = np.minimum(train.data, 1)
        for name, make in MODELS.items():
            started = time.process_time()
            model = make()
            model.fit(train, show_progress=False)
            spent[name] += time.process_time() - started
            scores[name].append(score(batch, _answers(model, shape[1], bool(batch["exclude_seen"]))))
    print(json.dumps({"scores": scores, "fit_cpu": spent, "version": version("implicit")}))


def _answers(model: object, items: int, without_seen: bool):
    def answer(_user: int, history: list[int]) -> list[int]:
        if not history:
            return []
        known = np.unique(history)
        row = csr_matrix((np.ones(len(known), np.float32), (np.zeros(len(known), int), known)), (1, items))
        found = model.recommend(0, row, N=TOP, filter_already_liked_items=without_seen, recalculate_user=True)
        return found[0].tolist()

    return answer


if __name__ == "__main__":
    main(sys.argv[1])
