"""implicit's ALS on a generated log, users folded in from their histories. Imported by what runs beside it alone."""

import numpy as np
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix

FACTORS, ITERATIONS = 128, 3
"""What an answer costs depends on the factors; how good it is, which is not measured here, on the iterations."""


class Folded:
    """A fitted model, and everybody's history."""

    def __init__(self, file: str) -> None:
        log = np.load(file)
        shape = int(log["users"]), int(log["items"])
        self.histories = csr_matrix((np.ones(len(log["user"]), np.float32), (log["user"], log["item"])), shape=shape)
        self.histories.data[:] = 1
        self._model = AlternatingLeastSquares(FACTORS, iterations=ITERATIONS, random_state=0)
        self._model.fit(self.histories, show_progress=False)

    def best(self, user: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Items that the user does not know, and their scores; the user's factors are computed from the history."""
        return self._model.recommend(
            user, self.histories[user], N=count, filter_already_liked_items=True, recalculate_user=True
        )
